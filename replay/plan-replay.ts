/** What a replay would do: the request against the table and the log as they are. */
import { mainBranch, formatIdentifier } from '../catalog/format/index.ts'
import type { Table } from '../catalog/index.ts'
import { type StreamSettings, withoutGroup } from '../ingest/settings/index.ts'
import {
  checkIdentity,
  findTable,
  type RecordSource,
  restoreOffsets,
  type StreamOffsets,
} from '../ingest/index.ts'
import {
  type LogFacts,
  partitionsOf,
  type ReplayFrom,
  type ReplayRange,
  ReplayRefusedError,
  type ReplayUntil,
  resolveRanges,
} from './replay-ranges.ts'
import { hasTopicColumn, rowRangeOf } from './range-files.ts'
import type { ReplayTools } from './replay-tools.ts'

export interface ReplayRequest {
  readonly from: ReplayFrom
  readonly until: ReplayUntil
  /** The branch that receives the rows. */
  readonly into: string
}

export interface ResolvedReplay {
  readonly table: Table
  /** The head of the target, which the branch is to begin at. */
  readonly snapshotId: bigint
  readonly ranges: readonly ReplayRange[]
  /** What the target says of the stream. */
  readonly committed: StreamOffsets
}

/** Throws ReplayRefusedError, LogMismatchError. */
export async function resolveReplay(
  tools: ReplayTools,
  settings: StreamSettings,
  request: Pick<ReplayRequest, 'from' | 'until'>,
): Promise<ResolvedReplay> {
  const table = await requireStreamTable(tools, settings)
  const { branch } = settings.output
  const committed = restoreOffsets(table, branch).get(settings.name)
  const snapshotId =
    table.metadata.refs[branch]?.snapshotId ??
    (branch === mainBranch ? table.metadata.currentSnapshotId : undefined)
  if (committed === undefined || snapshotId === undefined) {
    throw new ReplayRefusedError('the table holds nothing of this stream yet', {
      facts: { table: formatIdentifier(table.identifier), stream: settings.name, branch },
    })
  }
  const log = await readLog(tools, settings, request, committed)
  const ranges = resolveRanges(committed, request.from, request.until, log)
  checkDistinguishable(table, settings.name, branch, ranges)
  return { table, snapshotId, ranges, committed }
}

export async function requireStreamTable(
  tools: ReplayTools,
  settings: StreamSettings,
): Promise<Table> {
  const table = await findTable(tools.catalog, settings.output.table)
  if (table !== undefined) return table
  throw new ReplayRefusedError(
    'the table of the stream does not exist: there is nothing to replay',
    {
      facts: { table: formatIdentifier(settings.output.table), stream: settings.name },
    },
  )
}

async function readLog(
  tools: ReplayTools,
  settings: StreamSettings,
  { from, until }: Pick<ReplayRequest, 'from' | 'until'>,
  committed: StreamOffsets,
): Promise<LogFacts> {
  const source = await tools.openSource(withoutGroup(settings.input), tools.logger)
  try {
    await source.start()
    const topics = await source.describeTopics()
    checkIdentity(committed, {
      stream: settings.name,
      clusterId: await source.clusterId(),
      topicIds: new Map(topics.map(({ topic, topicId }) => [topic, topicId])),
      writerId: '',
    })
    const counts = new Map(topics.map(({ topic, partitionCount }) => [topic, partitionCount]))
    const partitions = partitionsOf(committed).filter(
      ({ topic, partition }) => partition < (counts.get(topic) ?? 0),
    )
    const timesOf = (end: ReplayFrom | ReplayUntil): ReturnType<RecordSource['offsetsForTime']> =>
      end.kind === 'time'
        ? source.offsetsForTime(partitions, end.timestampMs)
        : Promise.resolve(new Map())
    return {
      bounds: await source.offsetBounds(partitions),
      fromTimes: await timesOf(from),
      untilTimes: await timesOf(until),
    }
  } finally {
    await source.stop()
  }
}

/** A row says its partition and offset, perhaps its topic, never its stream (P2). */
export function checkDistinguishable(
  table: Table,
  stream: string,
  branch: string,
  ranges: readonly ReplayRange[],
): void {
  const offsets = restoreOffsets(table, branch)
  const bySelf = hasTopicColumn(rowRangeOf(table, ranges))
  const ours = new Set(ranges.map(({ topic }) => topic))
  if (!bySelf && (offsets.get(stream)?.topics.size ?? 0) > 1) {
    throw new ReplayRefusedError(
      'the stream has read several topics and the table does not say which topic a row came from',
      { facts: { table: formatIdentifier(table.identifier), stream } },
    )
  }
  for (const [other, { topics }] of offsets) {
    if (other === stream) continue
    if (bySelf && ![...topics.keys()].some((topic) => ours.has(topic))) continue
    throw new ReplayRefusedError(
      'another stream has filled the same table from the same places of a log, and rows do not say ' +
        'which stream they came from',
      { facts: { table: formatIdentifier(table.identifier), stream, other } },
    )
  }
}
