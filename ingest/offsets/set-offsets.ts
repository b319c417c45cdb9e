/**
 * Sets the offsets of a stream in its table, in a snapshot without rows whose summary says who did it and what
 * was before (docs/spec/exactly-once.md, E13). A running sink finds it at its next commit or look, and rewinds.
 */
import {
  commitAction,
  type CommitTools,
  FastAppend,
  offsetsPropertyKey,
  offsetsSummaryKey,
  type Catalog,
  type Table,
  Transaction,
  UpdateProperties,
} from '../../catalog/index.ts'
import { formatIdentifier } from '../../catalog/format/index.ts'
import { randomUuid, stringifyJson } from '../../common/index.ts'
import type { FileIO } from '../../io/index.ts'
import {
  OffsetConflictError,
  offsetOperations,
  offsetsAt,
  operationSummaryKey,
} from './checkpoint.ts'
import { formatOffsetMap, type OffsetMap } from './offset-map.ts'
import type { OffsetsPlan } from './plan-offsets.ts'
import { readStartRecord, startRecordChange, type StartRecordKey } from './start-record.ts'

export interface SetOffsetsTools extends CommitTools {
  readonly catalog: Catalog
  readonly io: FileIO
}

/** Who asked for it, and in which words. */
export interface OffsetsAudit {
  readonly writer: string
  readonly request: string
}

/** Throws OffsetConflictError where the offsets are no longer those that the plan was made from. */
export async function commitOffsets(
  tools: SetOffsetsTools,
  table: Table,
  branch: string,
  plan: OffsetsPlan,
  audit: OffsetsAudit,
): Promise<Table> {
  const { catalog, io, clock, random } = tools
  const planned = formatOffsetMap(offsetsAt(table, branch).reached)
  const offsets = formatOffsetMap(plan.after)
  const append = new FastAppend(
    { io, clock, random },
    {
      files: [],
      branch,
      check: (base) =>
        requirePlanned(base, formatOffsetMap(offsetsAt(base, branch).reached), planned),
      summary: { ...auditOf(plan, audit, randomUuid(random)), [offsetsSummaryKey]: offsets },
    },
  )
  const property = new UpdateProperties({ updates: { [offsetsPropertyKey(branch)]: offsets } })
  return new Transaction(catalog, table.identifier, tools).add(append).add(property).commit()
}

/** The same while there is no table: `table` is that of the dead letters. */
export async function commitStartRecord(
  tools: SetOffsetsTools,
  table: Table,
  of: StartRecordKey,
  plan: OffsetsPlan,
): Promise<Table> {
  const planned = formatOffsetMap(readStartRecord(table, of))
  const record = new UpdateProperties((base) => {
    requirePlanned(base, formatOffsetMap(readStartRecord(base, of)), planned)
    return startRecordChange(of, plan.after)
  })
  return commitAction(tools.catalog, table.identifier, record, tools)
}

/**
 * The offsets of the dead letters after the plan: letters below them count as written (E5), which those of
 * another topic, or of offsets that the log gives out again, are not.
 */
export function letterOffsetsAfter(
  letters: OffsetMap,
  { stream, after, changes }: OffsetsPlan,
): OffsetMap {
  const next = after.get(stream)
  const own = letters.get(stream)
  if (next === undefined || own === undefined) return letters
  const topics = new Map(own.topics)
  for (const [topic, { topicId, nextOffsets }] of topics) {
    const moved = next.topics.get(topic)
    if (moved === undefined) continue
    if (own.clusterId !== next.clusterId || topicId !== moved.topicId) {
      topics.set(topic, { topicId: moved.topicId, nextOffsets: new Map() })
      continue
    }
    const lowered = changes.filter((each) => each.topic === topic && each.isCut)
    const kept = [...nextOffsets].map(([partition, offset]): [number, bigint] => {
      const change = lowered.find((each) => each.partition === partition)
      return [partition, change !== undefined && change.after < offset ? change.after : offset]
    })
    topics.set(topic, { topicId, nextOffsets: new Map(kept) })
  }
  return new Map(letters).set(stream, { ...own, clusterId: next.clusterId, topics })
}

function requirePlanned({ identifier }: Table, current: string, planned: string): void {
  if (current === planned) return
  throw new OffsetConflictError('a sink has moved the offsets at the same time; run it again', {
    facts: { table: formatIdentifier(identifier) },
  })
}

function auditOf(
  { stream, changes, identity }: OffsetsPlan,
  { writer, request }: OffsetsAudit,
  commitId: string,
): Readonly<Record<string, string>> {
  return {
    [operationSummaryKey]: offsetOperations.set,
    'tidewater.commit-id': commitId,
    'tidewater.stream': stream,
    'tidewater.writer': writer,
    'tidewater.request': request,
    'tidewater.offset-changes': stringifyJson(
      changes.map(({ topic, partition, before, after }) => ({
        topic,
        partition,
        before: before ?? null,
        after,
      })),
    ),
    ...(identity.length === 0 ? {} : { 'tidewater.log-changes': identity.join('; ') }),
  }
}
