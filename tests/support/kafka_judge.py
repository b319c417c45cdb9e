"""Reads and writes topics through librdkafka, which shares no code with Tidewater or kafkajs.

One JSON request on standard input:
  {"do": "records",   "bootstrap", "topic", "isolation"}  -> one JSON line per record, values in base64
  {"do": "summary",   "bootstrap", "topic", "isolation", "sums": [field], "day": field|null}
      -> {"count", "bytes", "nulls", "invalid", "perPartition", "offsetsDigest", "sums", "days"}
  {"do": "produce",   "bootstrap", "topic", "compression", "records": [...]} -> {"produced"}
Reading ends at the end of each partition as librdkafka reports it (the last stable offset when the
isolation is read_committed).
"""

import base64
import hashlib
import json
import sys
import uuid
from array import array
from collections import Counter
from datetime import datetime, timezone
from decimal import Decimal

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

BATCH_RECORDS = 20_000
IDLE_SECONDS_MAX = 60
# offset < 2**48 and partition < 2**15: the pair sorts and hashes as one 64-bit integer.
PARTITION_SHIFT = 48


def read(request):
    """Yields every visible record of the topic, partition by partition interleaved as it comes."""
    consumer = Consumer(
        {
            "bootstrap.servers": request["bootstrap"],
            "group.id": f"judge-{uuid.uuid4()}",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "isolation.level": request.get("isolation", "read_committed"),
            "check.crcs": True,
            "fetch.wait.max.ms": 50,
            "fetch.message.max.bytes": 8 << 20,
            "queued.max.messages.kbytes": 128 << 10,
        }
    )
    try:
        metadata = consumer.list_topics(request["topic"], timeout=30).topics[request["topic"]]
        if metadata.error is not None:
            raise KafkaException(metadata.error)
        pending = set(metadata.partitions)
        consumer.assign([TopicPartition(request["topic"], p, 0) for p in sorted(pending)])
        idle = 0
        while pending:
            messages = consumer.consume(BATCH_RECORDS, timeout=1)
            idle = 0 if messages else idle + 1
            if idle > IDLE_SECONDS_MAX:
                raise RuntimeError(f"no progress: partitions={sorted(pending)}")
            for message in messages:
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    pending.discard(message.partition())
                else:
                    raise KafkaException(error)
    finally:
        consumer.close()


def b64(value):
    return None if value is None else base64.b64encode(value).decode()


def records(request):
    out = sys.stdout
    for message in read(request):
        json.dump(
            {
                "partition": message.partition(),
                "offset": message.offset(),
                "timestamp": message.timestamp()[1],
                "key": b64(message.key()),
                "value": b64(message.value()),
                "headers": [[name, b64(value)] for name, value in message.headers() or []],
            },
            out,
        )
        out.write("\n")


def day_of(value):
    if isinstance(value, str):
        return value[:10]
    return datetime.fromtimestamp(int(value) / 1000, timezone.utc).strftime("%Y-%m-%d")


def summary(request):
    keys = array("q")
    sums = {field: Decimal(0) for field in request.get("sums", [])}
    days = Counter()
    day_field = request.get("day")
    byte_count = null_count = invalid_count = 0
    decode = bool(sums) or day_field is not None
    for message in read(request):
        keys.append((message.partition() << PARTITION_SHIFT) | message.offset())
        value = message.value()
        if value is None:
            null_count += 1
            continue
        byte_count += len(value)
        if not decode:
            continue
        try:
            row = json.loads(value, parse_float=Decimal)
        except ValueError:
            invalid_count += 1
            continue
        for field in sums:
            if row.get(field) is not None:
                sums[field] += row[field]
        if day_field is not None and row.get(day_field) is not None:
            days[day_of(row[day_field])] += 1
    per_partition = Counter(key >> PARTITION_SHIFT for key in keys)
    json.dump(
        {
            "count": len(keys),
            "bytes": byte_count,
            "nulls": null_count,
            "invalid": invalid_count,
            "perPartition": {str(p): n for p, n in sorted(per_partition.items())},
            "offsetsDigest": hashlib.sha256(array("q", sorted(keys)).tobytes()).hexdigest(),
            "sums": {field: str(total) for field, total in sums.items()},
            "days": dict(sorted(days.items())),
        },
        sys.stdout,
    )


def produce(request):
    failures = []
    producer = Producer(
        {
            "bootstrap.servers": request["bootstrap"],
            "compression.type": request.get("compression", "none"),
            "linger.ms": 20,
            "message.max.bytes": 20_000_000,
            "enable.idempotence": True,
        }
    )

    def delivered(error, _message):
        if error is not None:
            failures.append(str(error))

    for record in request["records"]:
        extra = {}
        if record.get("partition") is not None:
            extra["partition"] = record["partition"]
        if record.get("timestamp") is not None:
            extra["timestamp"] = record["timestamp"]
        while True:
            try:
                producer.produce(
                    request["topic"],
                    value=decoded(record.get("value")),
                    key=decoded(record.get("key")),
                    on_delivery=delivered,
                    **extra,
                )
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush(120)
    if failures:
        raise RuntimeError(f"not delivered: count={len(failures)} first={failures[0]}")
    json.dump({"produced": len(request["records"])}, sys.stdout)


def decoded(value):
    return None if value is None else base64.b64decode(value)


request = json.load(sys.stdin)
{"records": records, "summary": summary, "produce": produce}[request["do"]](request)
