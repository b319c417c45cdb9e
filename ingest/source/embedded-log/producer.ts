/** `RecordProducer` over an embedded log, which stays open when it is closed. */
import { NotFoundError } from '../../../common/index.ts'
import type { RecordProducer, RecordToProduce } from '../produce.ts'
import type { EmbeddedLog, EmbeddedRecord } from './embedded-log.ts'
import { partitionOfKey } from './key-partition.ts'

export function createEmbeddedProducer(log: EmbeddedLog): RecordProducer {
  let turn = 0
  return {
    produce: async (topic, records) => {
      const { partitionCount } = await log.describeTopic(topic)
      const choose = ({ key, partition }: RecordToProduce): number => {
        if (partition !== undefined) return partition
        if (key !== undefined && key !== null) return partitionOfKey(key, partitionCount)
        return turn++ % partitionCount
      }
      const groups = new Map<number, EmbeddedRecord[]>()
      for (const record of records) {
        const partition = choose(record)
        if (partition >= partitionCount || partition < 0) {
          throw new NotFoundError('the topic has no such partition', {
            facts: { topic, partition, partitions: partitionCount },
          })
        }
        const group = groups.get(partition)
        if (group === undefined) groups.set(partition, [record])
        else group.push(record)
      }
      await Promise.all(
        [...groups].map(([partition, group]) => log.append({ topic, partition }, group)),
      )
    },
    close: () => Promise.resolve(),
  }
}
