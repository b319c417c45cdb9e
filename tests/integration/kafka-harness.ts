/** Kafka as the log behind the `RecordSource` conformance suite. */
import { randomBytes } from 'node:crypto'
import { Kafka, logLevel } from 'kafkajs'
import type { RecordSource } from '../../ingest/index.ts'
import type { RecordSourceHarness } from '../conformance/describe-record-source.ts'
import { connectKafkaTools } from '../support/kafka-tools.ts'

export async function kafkaHarness(
  bootstrap: string,
  makeSource: (topics: readonly string[], group: string) => RecordSource,
): Promise<RecordSourceHarness> {
  const tools = await connectKafkaTools(bootstrap)
  const admin = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  // The broker answers before it knows the leaders, and kafkajs drops what has no known leader.
  const waitForLeaders = async (topic: string, count: number): Promise<void> => {
    for (;;) {
      const known = await admin.fetchTopicMetadata({ topics: [topic] }).catch(() => undefined)
      const partitions = known?.topics[0]?.partitions ?? []
      if (partitions.filter(({ leader }) => leader >= 0).length === count) return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  return {
    createTopic: async (topic, numPartitions) => {
      const configEntries = [{ name: 'max.message.bytes', value: '20971520' }]
      await admin.createTopics({
        waitForLeaders: false,
        topics: [{ topic, numPartitions, configEntries }],
      })
      await waitForLeaders(topic, numPartitions)
    },
    deleteTopic: async (topic) => {
      await tools.deleteTopic(topic)
      // The broker answers before the name is free again.
      while ((await admin.listTopics()).includes(topic)) await new Promise(setImmediate)
    },
    addPartitions: async (topic, count) => {
      await admin.createPartitions({ topicPartitions: [{ topic, count }] })
      await waitForLeaders(topic, count)
    },
    produce: ({ topic, partition }, records) =>
      tools.produce(
        topic,
        records.map(({ key, value, headers, timestampMs }) => ({
          partition,
          value: value === null || typeof value === 'string' ? value : Buffer.from(value),
          ...(key === undefined ? {} : { key }),
          ...(timestampMs === undefined ? {} : { timestamp: timestampMs }),
          ...(headers === undefined
            ? {}
            : { headers: Object.fromEntries(headers.map((h) => [h.name, Buffer.from(h.value)])) }),
        })),
      ),
    deleteRecords: ({ topic, partition }, beforeOffset) =>
      tools.deleteRecords(topic, partition, beforeOffset),
    source: (topics, group) => makeSource(topics, group ?? freshGroup()),
    close: async () => {
      await admin.disconnect()
      await tools.close()
    },
  }
}

export function freshGroup(): string {
  return `group-${randomBytes(6).toString('hex')}`
}
