/**
 * Branches and tags (spec, "Snapshot References"): names for snapshots, changed without writing a file.
 */
import { AlreadyExistsError, NotFoundError, ValidationError } from '../../common/index.ts'
import type { Table } from '../catalog.ts'
import { mainBranch, snapshotById } from '../format/table-metadata.ts'
import type { SnapshotRef, TableMetadata } from '../format/types.ts'
import type { TableRequirement } from '../table/requirement.ts'
import type { TableUpdate } from '../table/update.ts'
import type { ActionCommit, MetadataAction } from './action.ts'
import { ConflictError } from './conflict-error.ts'
import { isAncestor } from './history.ts'

/** How long expiry keeps the ref and, of a branch, its snapshots. */
export type RefRetention = Pick<
  SnapshotRef,
  'minSnapshotsToKeep' | 'maxSnapshotAgeMs' | 'maxRefAgeMs'
>

export type RefChange =
  /** Creates a ref at the given snapshot, or at the head of main. */
  | {
      readonly kind: 'create'
      readonly type: 'branch' | 'tag'
      readonly name: string
      readonly snapshotId?: bigint
      readonly retention?: RefRetention
    }
  /** With `ifExists` a ref that another commit has removed already is no error. */
  | { readonly kind: 'remove'; readonly name: string; readonly ifExists?: boolean }
  | { readonly kind: 'set-retention'; readonly name: string; readonly retention: RefRetention }
  /** Moves a branch ahead to the snapshot of another ref; refused for a branch with commits of its own. */
  | { readonly kind: 'fast-forward'; readonly name: string; readonly to: string }
  /** Moves a branch back to one of its own ancestors. */
  | { readonly kind: 'rollback'; readonly name: string; readonly snapshotId: bigint }

export interface ManageRefsOptions {
  readonly changes: readonly RefChange[]
  /** Runs on each base; throws to refuse it for good. */
  readonly check?: (base: Table) => void | Promise<void>
  /** Further updates of the same commit; left out when no ref changes. */
  readonly extraUpdates?: (base: Table) => readonly TableUpdate[]
}

type Refs = Readonly<Record<string, SnapshotRef>>

export class ManageRefs implements MetadataAction {
  readonly #options: ManageRefsOptions

  constructor(options: ManageRefsOptions) {
    this.#options = options
  }

  async commit(base: Table): Promise<ActionCommit> {
    const { metadata } = base
    const { changes, check, extraUpdates } = this.#options
    await check?.(base)
    let refs: Refs = { ...metadata.refs }
    const updates: TableUpdate[] = []
    const touched = new Set<string>()
    for (const change of changes) {
      touched.add(change.name)
      if (change.kind === 'fast-forward') touched.add(change.to)
      const next = changed(metadata, refs, change)
      if (next === refs[change.name]) continue
      if (next === undefined) {
        updates.push({ action: 'remove-snapshot-ref', refName: change.name })
        refs = Object.fromEntries(Object.entries(refs).filter(([name]) => name !== change.name))
      } else {
        updates.push({ action: 'set-snapshot-ref', refName: change.name, ref: next })
        refs = { ...refs, [change.name]: next }
      }
    }
    const requirements: TableRequirement[] = [
      { type: 'assert-table-uuid', uuid: metadata.tableUuid },
      ...[...touched].map((ref) => refRequirement(metadata, ref)),
    ]
    return updates.length === 0
      ? { requirements, updates }
      : { requirements, updates: [...updates, ...(extraUpdates?.(base) ?? [])] }
  }
}

/** Requires the ref to be as in `metadata`, or to be missing as there. */
export function refRequirement(metadata: TableMetadata, ref: string): TableRequirement {
  const snapshotId = ownRef(metadata.refs, ref)?.snapshotId ?? null
  return { type: 'assert-ref-snapshot-id', ref, snapshotId }
}

/** The ref after the change: undefined when it is removed, the same object when nothing changes. */
function changed(metadata: TableMetadata, refs: Refs, change: RefChange): SnapshotRef | undefined {
  switch (change.kind) {
    case 'create':
      return created(metadata, refs, change)
    case 'remove': {
      if (change.name === mainBranch) throw new ValidationError('main cannot be removed')
      if (change.ifExists !== true) existing(metadata, refs, change.name)
      return undefined
    }
    case 'set-retention': {
      const ref = existing(metadata, refs, change.name)
      checkRetention(change.name, ref.type, change.retention)
      const { type, snapshotId } = ref
      return { type, snapshotId, ...change.retention }
    }
    case 'fast-forward': {
      const ref = branch(metadata, refs, change.name)
      const { snapshotId } = existing(metadata, refs, change.to)
      return snapshotId === ref.snapshotId ? ref : moved(metadata, ref, snapshotId, change)
    }
    case 'rollback': {
      const ref = branch(metadata, refs, change.name)
      const { snapshotId } = change
      if (snapshotId === ref.snapshotId) return ref
      if (isAncestor(metadata, snapshotId, ref.snapshotId)) return { ...ref, snapshotId }
      throw new ValidationError('a branch is rolled back to one of its own older snapshots', {
        facts: { branch: change.name, snapshot: snapshotId, head: ref.snapshotId },
      })
    }
  }
}

function created(
  metadata: TableMetadata,
  refs: Refs,
  change: RefChange & { readonly kind: 'create' },
): SnapshotRef {
  const { name, type, retention = {} } = change
  if (name.trim() === '') throw new ValidationError('a branch or tag needs a name')
  const snapshotId = change.snapshotId ?? metadata.currentSnapshotId
  if (snapshotId === undefined) {
    throw new ValidationError('the table has no snapshot yet that a ref could name', {
      facts: { ref: name, table: metadata.location },
    })
  }
  if (snapshotById(metadata, snapshotId) === undefined) {
    throw new NotFoundError('table has no such snapshot; it may have expired', {
      facts: { ref: name, snapshot: snapshotId },
    })
  }
  checkRetention(name, type, retention)
  const current = ownRef(refs, name)
  if (current === undefined) return { type, snapshotId, ...retention }
  // This call made it in an earlier attempt whose answer was lost.
  if (current.type === type && current.snapshotId === snapshotId) return current
  throw new AlreadyExistsError(`the ${current.type} exists already, at another snapshot`, {
    facts: { ref: name, snapshot: current.snapshotId, table: metadata.location },
  })
}

function moved(
  metadata: TableMetadata,
  ref: SnapshotRef,
  snapshotId: bigint,
  change: RefChange & { readonly kind: 'fast-forward' },
): SnapshotRef {
  if (isAncestor(metadata, ref.snapshotId, snapshotId)) return { ...ref, snapshotId }
  throw new ConflictError('the branch has commits that the other ref does not have', [], {
    branch: change.name,
    to: change.to,
  })
}

function checkRetention(name: string, type: 'branch' | 'tag', retention: RefRetention): void {
  const { minSnapshotsToKeep, maxSnapshotAgeMs, maxRefAgeMs } = retention
  const wrong =
    (minSnapshotsToKeep ?? 1) < 1 || (maxSnapshotAgeMs ?? 1n) < 1n || (maxRefAgeMs ?? 1n) < 1n
  const ofBranch = minSnapshotsToKeep !== undefined || maxSnapshotAgeMs !== undefined
  if (!wrong && !(type === 'tag' && ofBranch)) return
  throw new ValidationError(
    wrong
      ? 'numbers of a ref\u2019s retention are at least 1'
      : 'a tag keeps one snapshot; only its own age can be limited',
    { facts: { ref: name } },
  )
}

function branch(metadata: TableMetadata, refs: Refs, name: string): SnapshotRef {
  const ref = existing(metadata, refs, name)
  if (ref.type === 'branch') return ref
  throw new ValidationError('a tag does not move; name a branch', { facts: { ref: name } })
}

function existing(metadata: TableMetadata, refs: Refs, name: string): SnapshotRef {
  const ref = ownRef(refs, name)
  if (ref !== undefined) return ref
  throw new NotFoundError('table has no such branch or tag', {
    facts: { ref: name, refs: Object.keys(refs).join(','), table: metadata.location },
  })
}

function ownRef(refs: Refs, name: string): SnapshotRef | undefined {
  return Object.hasOwn(refs, name) ? refs[name] : undefined
}
