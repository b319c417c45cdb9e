/** `TopicAdmin` over an embedded log, which stays open when it is closed. */
import type { TopicAdmin } from '../produce.ts'
import type { EmbeddedLog } from './embedded-log.ts'

export function createEmbeddedAdmin(log: EmbeddedLog): TopicAdmin {
  return {
    listTopics: () => log.listTopics(),
    describeTopic: async (topic) => {
      const described = await log.describeTopic(topic)
      const partitions = Array.from({ length: described.partitionCount }, (_, index) => index)
      const bounds = await Promise.all(
        partitions.map((partition) => log.offsetBounds({ topic, partition })),
      )
      return { ...described, bounds }
    },
    createTopic: async (topic, partitionCount) => {
      await log.createTopic(topic, partitionCount)
    },
    close: () => Promise.resolve(),
  }
}
