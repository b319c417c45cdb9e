"""Produces the lines of standard input through librdkafka: one JSON request line, then the values.

{"bootstrap", "topic", "partitions", "compression"}; value i goes to partition i mod partitions.
"""

import json
import sys

from confluent_kafka import Producer

request = json.loads(sys.stdin.buffer.readline())
producer = Producer(
    {
        "bootstrap.servers": request["bootstrap"],
        "compression.type": request["compression"],
        "linger.ms": 50,
        "batch.size": 512 << 10,
        "queue.buffering.max.messages": 500_000,
        "queue.buffering.max.kbytes": 512 << 10,
        "acks": "all",
    }
)
failed = []
topic, partitions = request["topic"], request["partitions"]
index = 0
for line in sys.stdin.buffer:
    while True:
        try:
            producer.produce(topic, line[:-1], partition=index % partitions)
            break
        except BufferError:
            producer.poll(0.05)
    index += 1
    if index % 10_000 == 0:
        producer.poll(0)
producer.flush()
if len(producer) > 0:
    sys.exit(f"{len(producer)} records were not delivered")
print(json.dumps({"produced": index}))
