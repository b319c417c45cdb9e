/** How far a stream has come: the offsets in the table against the end of the log. */
import { type Snapshot, snapshotById } from '../catalog/format/index.ts'
import { loadTableIfExists } from '../catalog/index.ts'
import { errorMessage } from '../common/index.ts'
import { type StreamSettings, withoutGroup } from '../ingest/settings/index.ts'
import type { RecordSource } from '../ingest/index.ts'
import type { Lake } from './lake.ts'
import { type TopicBounds, logBounds } from './log-bounds.ts'
import { openSource } from './open-source.ts'

export interface PartitionStatus {
  readonly topic: string
  readonly partition: number
  /** The first offset that is not in a snapshot; undefined when no record of the partition is. */
  readonly nextOffset: bigint | undefined
  readonly earliest: bigint
  readonly latest: bigint
  /** Offsets between the table and the end of the log: an upper bound of records, for holes count. */
  readonly commitLag: bigint
}

export interface StreamStatus {
  readonly tableExists: boolean
  readonly totalRecords: bigint | undefined
  readonly lastSnapshot: Snapshot | undefined
  /** Undefined when the log did not answer; `logFault` says why. */
  readonly partitions: readonly PartitionStatus[] | undefined
  readonly logFault: string | undefined
}

export async function streamStatus(lake: Lake, settings: StreamSettings): Promise<StreamStatus> {
  const { restoreOffsets } = await import('../ingest/index.ts')
  const { branch } = settings.output
  const table = await loadTableIfExists(lake.catalog, settings.output.table)
  const offsets = table === undefined ? undefined : restoreOffsets(table, branch).get(settings.name)
  const { topics, logFault } = await askLog(lake, settings)
  const partitions = topics?.flatMap(({ topic, partitions: bounds }) =>
    bounds.map(({ earliest, latest }, partition): PartitionStatus => {
      const nextOffset = offsets?.topics.get(topic)?.nextOffsets.get(partition)
      const from = nextOffset ?? earliest
      const commitLag = latest > from ? latest - from : 0n
      return { topic, partition, nextOffset, earliest, latest, commitLag }
    }),
  )
  const refId = table?.metadata.refs[branch]?.snapshotId
  const lastSnapshot =
    table === undefined || refId === undefined ? undefined : snapshotById(table.metadata, refId)
  const total = lastSnapshot?.summary?.['total-records']
  return {
    tableExists: table !== undefined,
    totalRecords: total === undefined ? undefined : BigInt(total),
    lastSnapshot,
    partitions,
    logFault,
  }
}

/** The table's side is worth showing even while the broker is away. */
async function askLog(
  lake: Lake,
  settings: StreamSettings,
): Promise<{
  readonly topics: readonly TopicBounds[] | undefined
  readonly logFault: string | undefined
}> {
  const { clock, logger, random } = lake
  let source: RecordSource | undefined
  try {
    source = await openSource(withoutGroup(settings.input), { clock, logger, random })
    await source.start()
    return { topics: await logBounds(source), logFault: undefined }
  } catch (error) {
    return { topics: undefined, logFault: errorMessage(error) }
  } finally {
    await source?.stop().catch(() => undefined)
  }
}
