/** Where a stream stands: the offsets of its tables beside the log, and what keeps it from going on. */
import { mainBranch } from '../catalog/format/index.ts'
import { loadTableIfExists, type Table } from '../catalog/index.ts'
import { CorruptDataError, errorMessage } from '../common/index.ts'
import { type StreamSettings, withoutGroup } from '../ingest/settings/index.ts'
import type {
  BranchOffsets,
  LogFault,
  LogState,
  OffsetBounds,
  RecordSource,
  StreamOffsets,
} from '../ingest/index.ts'
import type { Lake } from './lake.ts'
import { openSource } from './open-source.ts'

export interface PartitionStatus {
  readonly topic: string
  readonly partition: number
  /** The first offset that is not in a snapshot; undefined when none of the partition is recorded. */
  readonly nextOffset: bigint | undefined
  readonly earliest: bigint
  readonly latest: bigint
  /** Offsets between the table and the end of the log: an upper bound of records, for holes count. */
  readonly commitLag: bigint
  /** Why the stream cannot go on here, in a few words. */
  readonly fault: string | undefined
}

export interface StreamPositions {
  readonly table: Table | undefined
  readonly letters: Table | undefined
  /** Of the table, or what is recorded while there is none. */
  readonly held: BranchOffsets
  /** Undefined when the log did not answer; `logFault` says why. */
  readonly log: LogState | undefined
  readonly logFault: string | undefined
  readonly partitions: readonly PartitionStatus[] | undefined
  /** Why the stream cannot go on, with the command that mends it. */
  readonly fault: string | undefined
}

export async function readStreamPositions(
  lake: Lake,
  settings: StreamSettings,
): Promise<StreamPositions> {
  const { name, output, errors } = settings
  const table = await loadTableIfExists(lake.catalog, output.table)
  const letters = await loadTableIfExists(lake.catalog, errors.deadLetterTable)
  const held = await heldOffsets(settings, table, letters)
  const offsets = held.reached.get(name)
  const { log, logFault } = await askLog(lake, settings)
  const faults = log === undefined ? [] : await faultsOf(offsets, log)
  const statuses = log === undefined ? undefined : await statusesOf(offsets, log, faults)
  const disagreement = await disagreementOf(settings, table, letters)
  const mismatch = log === undefined ? undefined : await mismatchOf(name, log, faults)
  const fault = disagreement ?? mismatch
  return { table, letters, held, log, logFault, partitions: statuses, fault }
}

/** Reads what the log has; undefined with the reason where it does not answer. */
async function askLog(
  lake: Lake,
  settings: StreamSettings,
): Promise<Pick<StreamPositions, 'log' | 'logFault'>> {
  const { allPartitions } = await import('../ingest/index.ts')
  const { clock, logger, random } = lake
  let source: RecordSource | undefined
  try {
    source = await openSource(withoutGroup(settings.input), { clock, logger, random })
    await source.start()
    const topics = await source.describeTopics()
    const partitions = allPartitions(topics)
    const topicIds = new Map(topics.map(({ topic, topicId }) => [topic, topicId]))
    const identity = { clusterId: await source.clusterId(), topicIds }
    const bounds = await source.offsetBounds(partitions)
    return { log: { identity, partitions, bounds }, logFault: undefined }
  } catch (error) {
    // The table's side is worth showing even while the broker is away.
    return { log: undefined, logFault: errorMessage(error) }
  } finally {
    await source?.stop().catch(() => undefined)
  }
}

async function heldOffsets(
  { output }: StreamSettings,
  table: Table | undefined,
  letters: Table | undefined,
): Promise<BranchOffsets> {
  const { offsetsAt, readStartRecord } = await import('../ingest/index.ts')
  if (table !== undefined) return offsetsAt(table, output.branch)
  const reached = letters === undefined ? new Map() : readStartRecord(letters, output)
  return { reached, recorded: undefined, snapshot: undefined }
}

async function faultsOf(
  offsets: StreamOffsets | undefined,
  { identity, partitions, bounds }: LogState,
): Promise<readonly LogFault[]> {
  const { boundsFaults, identityFaults } = await import('../ingest/index.ts')
  const faults = identityFaults(offsets, identity)
  return faults.length > 0 ? faults : boundsFaults(offsets, partitions, bounds)
}

async function mismatchOf(
  stream: string,
  { identity }: LogState,
  faults: readonly LogFault[],
): Promise<string | undefined> {
  const { logMismatch } = await import('../ingest/index.ts')
  if (faults.length === 0) return undefined
  return logMismatch(stream, [...identity.topicIds.keys()], faults).message
}

/** What a sink would say of its tables' offsets at its start. */
async function disagreementOf(
  { output }: StreamSettings,
  table: Table | undefined,
  letters: Table | undefined,
): Promise<string | undefined> {
  const { restoreOffsets } = await import('../ingest/index.ts')
  try {
    if (table !== undefined) restoreOffsets(table, output.branch)
    if (letters !== undefined) restoreOffsets(letters, mainBranch)
    return undefined
  } catch (error) {
    if (!(error instanceof CorruptDataError)) throw error
    return error.message
  }
}

async function statusesOf(
  offsets: StreamOffsets | undefined,
  { partitions, bounds }: LogState,
  faults: readonly LogFault[],
): Promise<readonly PartitionStatus[]> {
  const { faultName, isFaultOf, nextOffsetOf, partitionKey } = await import('../ingest/index.ts')
  return partitions.map((partition): PartitionStatus => {
    const limits: OffsetBounds = bounds.get(partitionKey(partition)) ?? { earliest: 0n, latest: 0n }
    const nextOffset = nextOffsetOf(offsets, partition)
    const from = nextOffset ?? limits.earliest
    const fault = faults.find((each) => isFaultOf(each, partition))
    return {
      ...partition,
      nextOffset,
      ...limits,
      commitLag: limits.latest > from ? limits.latest - from : 0n,
      fault: fault === undefined ? undefined : faultName(fault),
    }
  })
}
