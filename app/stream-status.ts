/** How far a stream has come: the offsets in the table against the end of the log. */
import { type Snapshot, snapshotById } from '../catalog/format/index.ts'
import type { StreamSettings } from '../ingest/settings/index.ts'
import type { WaitingReplay } from '../replay/index.ts'
import type { Lake } from './lake.ts'
import { waitingReplays } from './replay-stream.ts'
import { type PartitionStatus, readStreamPositions } from './stream-positions.ts'

export interface StreamStatus {
  readonly tableExists: boolean
  readonly totalRecords: bigint | undefined
  readonly lastSnapshot: Snapshot | undefined
  /** Undefined when the log did not answer; `logFault` says why. */
  readonly partitions: readonly PartitionStatus[] | undefined
  readonly logFault: string | undefined
  /** Why the stream cannot go on, with the command that mends it. */
  readonly fault: string | undefined
  /** Replays of its table whose branches wait to be published or thrown away. */
  readonly replays: readonly WaitingReplay[]
}

export async function streamStatus(lake: Lake, settings: StreamSettings): Promise<StreamStatus> {
  const { table, partitions, logFault, fault } = await readStreamPositions(lake, settings)
  const refId = table?.metadata.refs[settings.output.branch]?.snapshotId
  const lastSnapshot =
    table === undefined || refId === undefined ? undefined : snapshotById(table.metadata, refId)
  const total = lastSnapshot?.summary?.['total-records']
  return {
    tableExists: table !== undefined,
    totalRecords: total === undefined ? undefined : BigInt(total),
    lastSnapshot,
    partitions,
    logFault,
    fault,
    replays: table === undefined ? [] : await waitingReplays(table),
  }
}
