/**
 * All updates of one commit applied to its base, with the rules that span them.
 *
 * Pure. Keeps: the snapshot log (an entry only when main moves, none for snapshots staged and
 * replaced within the commit, nothing older than an expired entry), refs that name snapshots, the metadata log (cut to
 * `write.metadata.previous-versions-max`), times that never go back, and the meaning of -1 (the
 * schema, spec or order added last in this commit). Spec: "Table Metadata Fields".
 */
import { CommitFailedError, ValidationError, assert } from '../../common/index.ts'
import type { MetadataLogEntry, SnapshotLogEntry, TableMetadata } from '../format/types.ts'
import { applyUpdate } from './apply-update.ts'
import { mergeUpdates } from './merge-updates.ts'
import { checkNewPartitionNames } from './check-partition-names.ts'
import { findSpec } from './partition-spec-updates.ts'
import { propertyOf, tableProperties } from './properties.ts'
import { findSchema } from './schema-updates.ts'
import { findSortOrder } from './sort-order-updates.ts'
import type { TableUpdate } from './update.ts'

export interface UpdateContext {
  readonly nowMs: number
  /** Where the base was read from; absent when the commit creates the table. */
  readonly metadataLocation?: string
}

const lastAdded = -1

/** Returns `base` itself when the updates change nothing. */
export function applyUpdates(
  base: TableMetadata,
  updates: readonly TableUpdate[],
  context: UpdateContext,
): TableMetadata {
  const added: LastAdded = {}
  let metadata = base
  let mainMoves: SnapshotLogEntry[] = []
  const nowMs = latest(BigInt(context.nowMs), base.lastUpdatedMs, base.snapshotLog.at(-1))
  for (const update of mergeUpdates(updates)) {
    const before = metadata
    metadata = applyUpdate(metadata, resolveLastAdded(update, added))
    noteLastAdded(metadata, update, added)
    // Without main there is no history (removing the ref clears the log).
    if (metadata.currentSnapshotId === undefined) mainMoves = []
    else if (metadata.currentSnapshotId !== before.currentSnapshotId) {
      mainMoves.push({
        snapshotId: metadata.currentSnapshotId,
        timestampMs: moveTime(base, metadata, nowMs),
      })
    }
  }
  if (metadata === base) return base
  checkRefs(metadata)
  checkNewPartitionNames(base, metadata)
  const snapshotLog = nextSnapshotLog(base, metadata, mainMoves)
  return {
    ...metadata,
    snapshotLog,
    lastUpdatedMs: latest(nowMs, snapshotLog.at(-1)?.timestampMs ?? 0n),
    metadataLog: nextMetadataLog(base, metadata, context.metadataLocation),
  }
}

/**
 * A branch or tag created while an expiry was planned must not lose its snapshot, and the expiry cannot state a
 * requirement on it. So the commit is refused as a lost race, and the expiry is planned again.
 */
function checkRefs({ refs, snapshots }: TableMetadata): void {
  const existing = new Set(snapshots.map((snapshot) => snapshot.snapshotId))
  for (const [ref, { snapshotId }] of Object.entries(refs)) {
    if (existing.has(snapshotId)) continue
    throw new CommitFailedError('a branch or tag names a snapshot that the commit removes', {
      facts: { ref, snapshot: snapshotId },
    })
  }
}

/** Metadata files that the log of `next` no longer names; to be deleted once its commit has won. */
export function metadataFilesCut(base: TableMetadata, next: TableMetadata): readonly string[] {
  const kept = new Set(next.metadataLog.map((entry) => entry.metadataFile))
  return base.metadataLog.map((entry) => entry.metadataFile).filter((file) => !kept.has(file))
}

// ---- The meaning of -1 --------------------------------------------------------------------------

interface LastAdded {
  schemaId?: number
  specId?: number
  sortOrderId?: number
}

function noteLastAdded(metadata: TableMetadata, update: TableUpdate, added: LastAdded): void {
  // Equal schemas, specs and orders keep their old id, so the id is looked up, not counted.
  if (update.action === 'add-schema') {
    const schema = findSchema(metadata, update.schema)
    assert(schema !== undefined, 'an added schema can be found')
    added.schemaId = schema.schemaId
  } else if (update.action === 'add-spec') {
    const spec = findSpec(metadata, update.spec)
    assert(spec !== undefined, 'an added spec can be found')
    added.specId = spec.specId
  } else if (update.action === 'add-sort-order') {
    const order = findSortOrder(metadata, update.sortOrder)
    assert(order !== undefined, 'an added sort order can be found')
    added.sortOrderId = order.orderId
  }
}

function resolveLastAdded(update: TableUpdate, added: LastAdded): TableUpdate {
  if (update.action === 'set-current-schema' && update.schemaId === lastAdded) {
    return { ...update, schemaId: orFail(added.schemaId, 'schema') }
  }
  if (update.action === 'set-default-spec' && update.specId === lastAdded) {
    return { ...update, specId: orFail(added.specId, 'partition spec') }
  }
  if (update.action === 'set-default-sort-order' && update.sortOrderId === lastAdded) {
    return { ...update, sortOrderId: orFail(added.sortOrderId, 'sort order') }
  }
  return update
}

function orFail(id: number | undefined, what: string): number {
  if (id !== undefined) return id
  throw new ValidationError(`-1 means the ${what} added last, but this commit adds none`)
}

// ---- Logs ---------------------------------------------------------------------------------------

/** A new snapshot enters history at its own time, a rollback at the time of the commit. */
function moveTime(base: TableMetadata, metadata: TableMetadata, nowMs: bigint): bigint {
  const id = metadata.currentSnapshotId
  const isNew = !base.snapshots.some(({ snapshotId }) => snapshotId === id)
  const snapshot = isNew
    ? metadata.snapshots.find(({ snapshotId }) => snapshotId === id)
    : undefined
  return latest(snapshot?.timestampMs ?? nowMs, base.snapshotLog.at(-1))
}

function nextSnapshotLog(
  base: TableMetadata,
  metadata: TableMetadata,
  mainMoves: readonly SnapshotLogEntry[],
): readonly SnapshotLogEntry[] {
  const old = new Set(base.snapshots.map((snapshot) => snapshot.snapshotId))
  const kept = new Set(metadata.snapshots.map((snapshot) => snapshot.snapshotId))
  const final = metadata.currentSnapshotId
  const visible = mainMoves.filter(({ snapshotId }) => snapshotId === final || old.has(snapshotId))
  let log: SnapshotLogEntry[] = []
  for (const entry of [...metadata.snapshotLog, ...visible]) {
    // AS OF must not answer from before a gap, so an expired entry ends the history before it.
    if (!kept.has(entry.snapshotId)) log = []
    else if (log.at(-1)?.snapshotId !== entry.snapshotId) log.push(entry)
  }
  return log
}

function nextMetadataLog(
  base: TableMetadata,
  next: TableMetadata,
  location: string | undefined,
): readonly MetadataLogEntry[] {
  if (location === undefined) return base.metadataLog
  const entry = { metadataFile: location, timestampMs: base.lastUpdatedMs }
  const kept = propertyOf(next.properties, tableProperties.previousVersionsMax)
  return [...base.metadataLog, entry].slice(-Math.max(1, kept))
}

/** Clocks of writers differ; readers refuse logs that run backwards by more than a minute. */
function latest(...times: readonly (bigint | SnapshotLogEntry | undefined)[]): bigint {
  const values = times.map((time) =>
    time === undefined ? 0n : typeof time === 'bigint' ? time : time.timestampMs,
  )
  return values.reduce((max, value) => (value > max ? value : max), 0n)
}
