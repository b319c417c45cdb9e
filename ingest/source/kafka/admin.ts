/** `TopicAdmin` over Kafka, by kafkajs. */
import type { Admin, Kafka } from 'kafkajs'
import {
  type Logger,
  AlreadyExistsError,
  silentLogger,
  systemClock,
  systemRandom,
} from '../../../common/index.ts'
import type { TopicAdmin, TopicDetails } from '../produce.ts'
import { partitionKey } from '../../offsets/topic-partition.ts'
import { checkTopicName } from '../topic-name.ts'
import { KafkaCluster } from './kafka-cluster.ts'
import {
  createKafkajsClient,
  type KafkaConnectionSettings,
  promptRetry,
} from './kafka-connection.ts'
import { withKafkajsErrors } from './kafka-errors.ts'
import { type TopicMetadata, waitForLeaders } from './wait-for-leaders.ts'

export async function createKafkaAdmin(
  connection: KafkaConnectionSettings,
  logger: Logger = silentLogger,
): Promise<TopicAdmin> {
  const kafka: Kafka = createKafkajsClient(connection, logger, promptRetry)
  const admin: Admin = kafka.admin()
  await withKafkajsErrors({ connection }, admin.connect())
  return {
    listTopics: async () => {
      const topics = await withKafkajsErrors({ connection }, admin.listTopics())
      return topics.filter((topic) => !topic.startsWith('__')).sort()
    },
    describeTopic: (topic) => describeTopic(connection, logger, topic),
    createTopic: async (topic, partitionCount) => {
      checkTopicName(topic)
      const topics = [{ topic, numPartitions: partitionCount }]
      const created = await withKafkajsErrors(
        { connection, topic, right: 'CREATE' },
        admin.createTopics({ topics, waitForLeaders: false }),
      )
      if (!created) throw new AlreadyExistsError('the topic exists already', { facts: { topic } })
      const read = async (): Promise<TopicMetadata | undefined> => {
        const request = admin.fetchTopicMetadata({ topics: [topic] })
        return (await withKafkajsErrors({ connection, topic }, request)).topics[0]
      }
      await waitForLeaders(topic, read, systemClock)
    },
    close: () => admin.disconnect(),
  }
}

async function describeTopic(
  connection: KafkaConnectionSettings,
  logger: Logger,
  topic: string,
): Promise<TopicDetails> {
  checkTopicName(topic)
  const tools = { clock: systemClock, random: systemRandom, logger }
  const cluster = new KafkaCluster({ connection, topics: [topic], ...tools })
  try {
    const metadata = await cluster.loadTopics()
    const { topicId, partitions } = cluster.requireTopic(metadata, topic)
    const numbers = partitions.map(({ partition }) => partition).sort((a, b) => a - b)
    const topicPartitions = numbers.map((partition) => ({ topic, partition }))
    const bounds = await cluster.offsetBounds(topicPartitions)
    return {
      topic,
      topicId,
      partitionCount: partitions.length,
      bounds: topicPartitions.map((partition) => bounds.get(partitionKey(partition)) ?? noRecords),
    }
  } finally {
    await cluster.close()
  }
}

const noRecords = { earliest: 0n, latest: 0n }
