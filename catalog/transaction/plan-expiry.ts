/**
 * Plans which snapshots and refs expire (spec, "Snapshot Retention Policy"). Pure.
 *
 * A branch keeps its newest snapshots, by number and by age, and never fewer than one; a tag keeps its
 * snapshot; refs other than main end by age. Snapshots that no ref reaches expire by age.
 */
import { ValidationError } from '../../common/index.ts'
import { fieldById } from '../format/schema.ts'
import { currentSchema, mainBranch, snapshotById } from '../format/table-metadata.ts'
import type { SnapshotRef, TableMetadata } from '../format/types.ts'
import {
  type Properties,
  propertyOf,
  statedProperty,
  tableProperties,
} from '../table/properties.ts'
import { ancestorsOf } from './history.ts'

export interface ExpiryOptions {
  /** Snapshots older than this expire; default: now less `history.expire.max-snapshot-age-ms` (5 days). */
  readonly olderThanMs?: bigint
  /** Kept on each branch at least; default `history.expire.min-snapshots-to-keep` (1). */
  readonly retainLast?: number
  /** Snapshots to expire by id; without the two options above, no others expire. */
  readonly snapshotIds?: readonly bigint[]
  /** At most this many, the oldest first, so that one run stays bounded. */
  readonly snapshotsMax?: number
  /**
   * Whether schemas go that only expired snapshots were written with. Default true, but without an error where the
   * catalog refuses it.
   */
  readonly cleansMetadata?: boolean
}

export interface ExpiryPlan {
  /** Oldest first. */
  readonly snapshotIds: readonly bigint[]
  /** Branches and tags that ended by their own age. */
  readonly refs: readonly string[]
  /** Schemas that nothing of the table needs any more. */
  readonly schemaIds: readonly number[]
}

/** What a table states of expiry, all of it read at once. Throws TablePropertyError. */
export interface RetentionRules {
  readonly allowsGc: boolean
  /** Undefined: not stated; the default is `snapshotAgeMsMax`. */
  readonly statedAgeMsMax: bigint | undefined
  readonly snapshotAgeMsMax: bigint
  readonly snapshotsToKeepMin: number
  readonly refAgeMsMax: bigint | undefined
}

export function retentionRules(properties: Properties): RetentionRules {
  return {
    allowsGc: propertyOf(properties, tableProperties.allowsGc),
    statedAgeMsMax: statedProperty(properties, tableProperties.snapshotAgeMsMax),
    snapshotAgeMsMax: propertyOf(properties, tableProperties.snapshotAgeMsMax),
    snapshotsToKeepMin: propertyOf(properties, tableProperties.snapshotsToKeepMin),
    refAgeMsMax: propertyOf(properties, tableProperties.refAgeMsMax),
  }
}

export function planExpiry(
  metadata: TableMetadata,
  nowMs: bigint,
  options: ExpiryOptions = {},
): ExpiryPlan {
  const rules = retentionRules(metadata.properties)
  if (!rules.allowsGc) {
    throw new ValidationError('the table property gc.enabled=false forbids expiry', {
      facts: { table: metadata.location },
    })
  }
  const { snapshotIds, olderThanMs, retainLast, snapshotsMax } = options
  const byRule = snapshotIds === undefined || olderThanMs !== undefined || retainLast !== undefined
  const named = checkNamed(metadata, snapshotIds ?? [])
  const refs = byRule ? endedRefs(metadata, nowMs, rules) : []
  const kept = byRule ? keptByRule(metadata, new Set(refs), nowMs, rules, options) : undefined
  const expired = metadata.snapshots
    .filter(({ snapshotId }) => named.has(snapshotId) || kept?.has(snapshotId) === false)
    .sort((left, right) => Number(left.sequenceNumber - right.sequenceNumber))
    .map(({ snapshotId }) => snapshotId)
  const now = expired.slice(0, snapshotsMax)
  const schemaIds = options.cleansMetadata === false ? [] : unusedSchemas(metadata, new Set(now))
  return { snapshotIds: now, refs, schemaIds }
}

/**
 * As Java's `cleanExpiredMetadata`: schemas of snapshots that stay are kept. So is the newest schema with the
 * column of a partition field that was dropped since, which says of what type its values are.
 */
function unusedSchemas(metadata: TableMetadata, expired: ReadonlySet<bigint>): readonly number[] {
  const used = new Set<number | undefined>([metadata.currentSchemaId])
  for (const { snapshotId, schemaId } of metadata.snapshots) {
    if (!expired.has(snapshotId)) used.add(schemaId)
  }
  for (const { sourceId } of metadata.partitionSpecs.flatMap(({ fields }) => fields)) {
    if (fieldById(currentSchema(metadata), sourceId) !== undefined) continue
    used.add(metadata.schemas.findLast((schema) => fieldById(schema, sourceId))?.schemaId)
  }
  return metadata.schemas.map(({ schemaId }) => schemaId).filter((id) => !used.has(id))
}

/** Throws for a snapshot that a ref names; one that does not exist any more is no error. */
function checkNamed(metadata: TableMetadata, snapshotIds: readonly bigint[]): ReadonlySet<bigint> {
  for (const [ref, { snapshotId }] of Object.entries(metadata.refs)) {
    if (!snapshotIds.includes(snapshotId)) continue
    throw new ValidationError('a branch or tag names this snapshot; move or remove it first', {
      facts: { ref, snapshot: snapshotId, table: metadata.location },
    })
  }
  return new Set(snapshotIds)
}

function endedRefs(
  metadata: TableMetadata,
  nowMs: bigint,
  { refAgeMsMax }: RetentionRules,
): readonly string[] {
  return Object.entries(metadata.refs)
    .filter(([name, ref]) => {
      const ageMax = ref.maxRefAgeMs ?? refAgeMsMax
      if (name === mainBranch || ageMax === undefined) return false
      const snapshot = snapshotById(metadata, ref.snapshotId)
      return snapshot !== undefined && nowMs - snapshot.timestampMs > ageMax
    })
    .map(([name]) => name)
}

function keptByRule(
  metadata: TableMetadata,
  ended: ReadonlySet<string>,
  nowMs: bigint,
  rules: RetentionRules,
  options: ExpiryOptions,
): ReadonlySet<bigint> {
  const olderThan = options.olderThanMs ?? nowMs - rules.snapshotAgeMsMax
  const countMin = countOf(rules, options)
  const kept = new Set<bigint>()
  const reached = new Set<bigint>()
  for (const [name, ref] of Object.entries(metadata.refs)) {
    if (ended.has(name)) continue
    if (ref.type === 'branch') keepBranch(metadata, ref, { olderThan, countMin, nowMs, kept })
    else kept.add(ref.snapshotId)
    // A tag keeps its snapshot, but not the ancestors.
    if (ref.type === 'tag') reached.add(ref.snapshotId)
    else for (const one of ancestorsOf(metadata, ref.snapshotId)) reached.add(one.snapshotId)
  }
  for (const { snapshotId, timestampMs } of metadata.snapshots) {
    if (!reached.has(snapshotId) && timestampMs >= olderThan) kept.add(snapshotId)
  }
  return kept
}

interface BranchRule {
  readonly olderThan: bigint
  readonly countMin: number
  readonly nowMs: bigint
  readonly kept: Set<bigint>
}

/** The retention of the branch has precedence over that of the call and the table. */
function keepBranch(metadata: TableMetadata, ref: SnapshotRef, rule: BranchRule): void {
  const countMin = ref.minSnapshotsToKeep ?? rule.countMin
  const olderThan =
    ref.maxSnapshotAgeMs === undefined ? rule.olderThan : rule.nowMs - ref.maxSnapshotAgeMs
  let count = 0
  for (const { snapshotId, timestampMs } of ancestorsOf(metadata, ref.snapshotId)) {
    if (count >= countMin && timestampMs < olderThan) return
    rule.kept.add(snapshotId)
    count++
  }
}

function countOf({ snapshotsToKeepMin }: RetentionRules, { retainLast }: ExpiryOptions): number {
  if (retainLast !== undefined && (!Number.isInteger(retainLast) || retainLast < 1)) {
    throw new ValidationError('at least one snapshot of each branch is kept', {
      facts: { retainLast },
    })
  }
  return Math.max(1, retainLast ?? snapshotsToKeepMin)
}
