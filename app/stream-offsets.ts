/**
 * Sets the position of a stream by hand: after retention, a rollback by another engine, a topic that was made
 * again, or a log that was cut (docs/spec/exactly-once.md, E13).
 */
import { hostname, userInfo } from 'node:os'
import { formatIdentifier, mainBranch, snapshotById } from '../catalog/format/index.ts'
import { newestOffsets, offsetsSummaryKey, ancestorsOf, type Table } from '../catalog/index.ts'
import { UnavailableError } from '../common/index.ts'
import type { StreamSettings } from '../ingest/settings/index.ts'
import type {
  OffsetChange,
  OffsetMap,
  OffsetsPlan,
  OffsetsRequest,
  OffsetTarget,
  StreamOffsets,
} from '../ingest/index.ts'
import type { Lake } from './lake.ts'
import { requireSafeStore } from './safe-store.ts'
import { readStreamPositions, type StreamPositions } from './stream-positions.ts'

export type SetOffsetsRequest = {
  /** For records that are in the table already: they will be in it twice. */
  readonly allowDuplicates?: boolean
  /** False or left out: says what would change, and changes nothing. */
  readonly execute?: boolean
} & (
  | { readonly targets: readonly OffsetTarget[] }
  /** The offsets that this snapshot of the table, or of its dead letters, records. */
  | { readonly fromSnapshot: bigint }
)

export interface SetOffsetsReport {
  readonly table: string
  readonly branch: string
  readonly changes: readonly OffsetChange[]
  /** What the table was filled from, where that changes. */
  readonly identity: readonly string[]
  /** Other streams of the table, set back with this one to what the rows of a rolled back branch reach. */
  readonly others: readonly string[]
  /** False when nothing is left to change. */
  readonly isChange: boolean
  readonly isExecuted: boolean
}

/** Sinks commit often; beyond this many lost races the call fails. */
const attemptsMax = 5

/** Throws OffsetsRefusedError; OffsetConflictError when a sink commits all the time. */
export async function setStreamOffsets(
  lake: Lake,
  settings: StreamSettings,
  request: SetOffsetsRequest,
): Promise<SetOffsetsReport> {
  if (request.execute === true) await requireSafeStore(lake)
  const { OffsetConflictError } = await import('../ingest/index.ts')
  for (let attempt = 1; ; attempt++) {
    try {
      return await setOnce(lake, settings, request)
    } catch (error) {
      if (!(error instanceof OffsetConflictError) || attempt === attemptsMax) throw error
    }
  }
}

async function setOnce(
  lake: Lake,
  settings: StreamSettings,
  request: SetOffsetsRequest,
): Promise<SetOffsetsReport> {
  const { formatOffsetTarget, OffsetsRefusedError, planOffsets, refuseRepeats } = await import(
    '../ingest/index.ts'
  )
  const { name, output } = settings
  const now = await readStreamPositions(lake, settings)
  const { log, logFault, held } = now
  if (log === undefined) {
    throw new UnavailableError(`the log does not answer: ${logFault ?? ''}`, {
      facts: { stream: name },
    })
  }
  const ofLetters = letterSnapshot(now, request)
  if (ofLetters === undefined && now.table === undefined && held.reached.size === 0) {
    throw new OffsetsRefusedError(
      'the stream has no table yet, and nothing is recorded of it: input.kafka.start_offset says where it begins',
      { facts: { stream: name, table: formatIdentifier(output.table) } },
    )
  }
  const plan =
    ofLetters === undefined
      ? planOffsets(name, held, log, await requestOf(now, settings, request))
      : undefined
  if (plan !== undefined && request.allowDuplicates !== true) refuseRepeats(name, plan)
  const letters = await lettersAfter(now, plan)
  const report = {
    table: formatIdentifier(output.table),
    branch: output.branch,
    changes: plan?.changes ?? [],
    identity: plan?.identity ?? [],
    others: plan?.others ?? [],
    isChange: plan?.isChange === true || letters !== undefined,
  }
  if (request.execute !== true || !report.isChange) return { ...report, isExecuted: false }
  await commit(lake, settings, now, plan, letters, textOf(request, formatOffsetTarget))
  return { ...report, isExecuted: true }
}

/** Letters first: until the table has its new offsets, a sink repeats none of them. */
async function commit(
  lake: Lake,
  { name, output }: StreamSettings,
  { table, letters }: StreamPositions,
  plan: OffsetsPlan | undefined,
  lettersAfter: OffsetMap | undefined,
  request: string,
): Promise<void> {
  const { commitOffsets, commitStartRecord } = await import('../ingest/index.ts')
  const { catalog, io, clock, random, logger } = lake
  const tools = { catalog, io, clock, random, logger }
  const audit = { writer: writerName(), request }
  if (letters !== undefined && lettersAfter !== undefined) {
    const none = { stream: name, changes: [], identity: [], others: [], isChange: true }
    await commitOffsets(tools, letters, mainBranch, { ...none, after: lettersAfter }, audit)
  }
  if (plan === undefined || !plan.isChange) return
  if (table !== undefined) await commitOffsets(tools, table, output.branch, plan, audit)
  else if (letters !== undefined) await commitStartRecord(tools, letters, output, plan)
}

/** The letters' offsets after the plan; undefined where they stay. */
async function lettersAfter(
  { letters }: StreamPositions,
  plan: OffsetsPlan | undefined,
): Promise<OffsetMap | undefined> {
  const { formatOffsetMap, letterOffsetsAfter, offsetsAt } = await import('../ingest/index.ts')
  if (letters === undefined) return undefined
  const { reached, recorded } = offsetsAt(letters, mainBranch)
  const after = plan === undefined ? reached : letterOffsetsAfter(reached, plan)
  const text = formatOffsetMap(after)
  const isRecorded = recorded === undefined || formatOffsetMap(recorded) === text
  return isRecorded && formatOffsetMap(reached) === text ? undefined : after
}

/** The snapshot that the request names, where it is one of the dead-letter table. */
function letterSnapshot(
  { table, letters }: StreamPositions,
  request: SetOffsetsRequest,
): bigint | undefined {
  if (!('fromSnapshot' in request) || letters === undefined) return undefined
  const { fromSnapshot } = request
  if (table !== undefined && snapshotById(table.metadata, fromSnapshot) !== undefined)
    return undefined
  return snapshotById(letters.metadata, fromSnapshot)?.snapshotId
}

async function requestOf(
  { table }: StreamPositions,
  settings: StreamSettings,
  request: SetOffsetsRequest,
): Promise<OffsetsRequest> {
  if ('targets' in request) return { kind: 'targets', targets: request.targets }
  const { fromSnapshot: snapshotId } = request
  const offsets = await offsetsOfSnapshot(table, settings, snapshotId)
  return { kind: 'snapshot', snapshotId, offsets }
}

/** What the snapshot says, or the newest before it that says something. */
async function offsetsOfSnapshot(
  table: Table | undefined,
  { name, output }: StreamSettings,
  snapshotId: bigint,
): Promise<StreamOffsets> {
  const { OffsetsRefusedError, parseOffsetMap } = await import('../ingest/index.ts')
  const facts = { stream: name, table: formatIdentifier(output.table), snapshot: snapshotId }
  if (table === undefined || snapshotById(table.metadata, snapshotId) === undefined) {
    throw new OffsetsRefusedError('the table has no such snapshot (tide table snapshots)', {
      facts,
    })
  }
  for (const { summary, snapshotId: id } of ancestorsOf(table.metadata, snapshotId)) {
    const text = summary?.[offsetsSummaryKey]
    if (text === undefined) continue
    const offsets = parseOffsetMap(text, `snapshot ${id}`).get(name)
    if (offsets !== undefined) return offsets
    break
  }
  throw new OffsetsRefusedError(
    'neither the snapshot nor one before it records offsets of this stream; name them (topic=earliest)',
    {
      facts: {
        ...facts,
        newest: newestOffsets(table.metadata, output.branch)?.snapshot.snapshotId,
      },
    },
  )
}

function textOf(request: SetOffsetsRequest, format: (target: OffsetTarget) => string): string {
  if ('fromSnapshot' in request) return `--from-snapshot ${request.fromSnapshot}`
  return request.targets.map(format).join(' ')
}

function writerName(): string {
  const { username } = userInfoOrNone()
  return `${username}@${hostname()}/${process.pid}`
}

/** A container may run as a user that has no name. */
function userInfoOrNone(): { readonly username: string } {
  try {
    return userInfo()
  } catch {
    return { username: String(process.getuid?.() ?? '') }
  }
}
