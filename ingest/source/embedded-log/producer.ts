/** `RecordProducer` over an embedded log, which stays open when it is closed. */
import { NotFoundError, UnavailableError, errorMessage } from '../../../common/index.ts'
import type { RecordProducer, RecordToProduce } from '../produce.ts'
import type { AppendResult, EmbeddedLog, EmbeddedRecord } from './embedded-log.ts'
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
      const partitions = [...groups.keys()].map((partition) => ({ topic, partition }))
      // Where another process appends to one of them, none is written.
      await log.claim(partitions)
      const outcomes = await Promise.allSettled(
        [...groups].map(([partition, group]) => log.append({ topic, partition }, group)),
      )
      throwIncomplete(topic, [...groups.keys()], outcomes, records.length)
    },
    close: () => Promise.resolve(),
  }
}

/** Says which records are in the log when some are not. */
function throwIncomplete(
  topic: string,
  partitions: readonly number[],
  outcomes: readonly PromiseSettledResult<AppendResult>[],
  total: number,
): void {
  const failure = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failure === undefined) return
  let written = 0n
  const ranges = outcomes.flatMap((outcome, index) => {
    if (outcome.status === 'rejected') return []
    const { baseOffset, nextOffset } = outcome.value
    written += nextOffset - baseOffset
    return [`${partitions[index] ?? 0}:${baseOffset} to ${nextOffset - 1n}`]
  })
  if (ranges.length === 0) throw failure.reason
  throw new UnavailableError(
    `only ${written} of ${total} records were written (partition:offsets ${ranges.join(', ')}); ${errorMessage(failure.reason)}`,
    { facts: { topic }, cause: failure.reason },
  )
}
