/** Finds damage in the partitions of an embedded log's topic, and puts holes in its place. */
import { type Clock, NotFoundError, UnsupportedError, systemClock } from '../common/index.ts'
import type { InputSettings } from '../ingest/settings/index.ts'
import type { PartitionInspection } from '../ingest/index.ts'

export interface RepairOptions {
  /** All of the topic, when left out. */
  readonly partitions?: readonly number[]
  /** Otherwise nothing is written. */
  readonly execute: boolean
  readonly clock?: Clock
}

/** Element i is of the i-th partition asked for. */
export async function repairTopic(
  input: InputSettings,
  topic: string,
  { clock = systemClock, execute, partitions }: RepairOptions,
): Promise<readonly PartitionInspection[]> {
  if (input.kind !== 'embedded') {
    throw new UnsupportedError(
      'only an embedded log is repaired here; go past damage in a kafka topic with tide stream offsets NAME set T:P=N',
      { facts: { topic } },
    )
  }
  const { EmbeddedLog } = await import('../ingest/index.ts')
  const log = await EmbeddedLog.openExisting(input.directory, { clock })
  try {
    const { partitionCount } = await log.describeTopic(topic)
    const numbers = partitions ?? Array.from({ length: partitionCount }, (_, number) => number)
    const missing = numbers.find((number) => number >= partitionCount)
    if (missing !== undefined) {
      throw new NotFoundError('the topic has no such partition', {
        facts: { topic, partition: missing, partitions: partitionCount },
      })
    }
    const inspections: PartitionInspection[] = []
    for (const number of numbers) {
      const partition = { topic, partition: number }
      inspections.push(await (execute ? log.repair(partition) : log.inspect(partition)))
    }
    return inspections
  } finally {
    await log.close()
  }
}
