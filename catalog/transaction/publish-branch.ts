/**
 * Publishing a branch: what it changed since it left its target is applied to the target as it is now
 * (shared design, "Publish a replayed branch while the sink went on").
 *
 * C25: what was committed on the target in between stays, and publishing twice changes nothing. A ConflictError
 * names the files that the branch removed and the target has replaced since (a compaction), or whose rows the
 * target has deleted since: the caller redoes that part on the branch.
 *
 * A publishing snapshot has the target's head as its parent, so a reader of the target's history does
 * not meet the branch's own snapshots and their summaries. A fast-forward, possible while the target has
 * not moved, puts those snapshots into the target's history.
 */
import { NotFoundError } from '../../common/index.ts'
import type { Table } from '../catalog.ts'
import type { Snapshot, TableMetadata } from '../format/types.ts'
import type { ActionCommit, FileAction } from './action.ts'
import {
  type BranchChange,
  findFork,
  isPublished,
  publishedBranchKey,
  readBranchChange,
  requireCertain,
  sourceSnapshotKey,
} from './branch-change.ts'
import { ConflictError } from './conflict-error.ts'
import { danglingDeletes, deletesApplyingTo, readDeletes, requireActive } from './conflicts.ts'
import { type ActiveFile, locateFiles } from '../manifest/active-files.ts'
import { isAncestor } from './history.ts'
import { refRequirement } from './manage-refs.ts'
import {
  operationOf,
  type PreparedSnapshot,
  type SnapshotBase,
  type SnapshotOptions,
  SnapshotProducer,
  type SnapshotTools,
} from './snapshot-producer.ts'

export interface PublishBranchOptions extends SnapshotOptions {
  /** The branch whose change is published. */
  readonly from: string
  /** The target; default `main`. */
  readonly branch?: string
  /** `never` where the branch's snapshots must stay out of the target's history; default when-possible. */
  readonly fastForward?: 'when-possible' | 'never'
}

export interface PreparedPublish {
  readonly head: Snapshot
  /** Undefined while a fast-forward, or no commit, is enough. */
  readonly apply?: { readonly change: BranchChange; readonly snapshot: PreparedSnapshot }
}

const nothing: ActionCommit = { requirements: [], updates: [] }

export class PublishBranch implements FileAction<PreparedPublish> {
  readonly #producer: SnapshotProducer
  readonly #options: PublishBranchOptions

  constructor(tools: SnapshotTools, options: PublishBranchOptions) {
    const { from, summary } = options
    this.#options = options
    this.#producer = new SnapshotProducer(tools, {
      ...options,
      summary: (base) => ({
        ...(typeof summary === 'function' ? summary(base) : summary),
        [sourceSnapshotKey]: String(this.#headIn(base.metadata).snapshotId),
        [publishedBranchKey]: from,
      }),
    })
  }

  async prepare(table: Table): Promise<PreparedPublish> {
    const { metadata } = table
    const head = this.#headIn(metadata)
    const target = this.#producer.parentIn(metadata)
    if (this.#isPublished(metadata, head, target) || this.#canForward(metadata, head, target)) {
      return { head }
    }
    const change = await readBranchChange(this.#producer.source, metadata, head, target)
    return {
      head,
      apply: { change, snapshot: await this.#producer.prepare(table, change.added) },
    }
  }

  committedIn(base: Table, { apply }: PreparedPublish): boolean {
    return apply !== undefined && this.#producer.committedIn(base, apply.snapshot)
  }

  async commit(base: Table, prepared: PreparedPublish): Promise<ActionCommit | 'stale'> {
    const { metadata } = base
    const { apply, head } = prepared
    if (this.#headIn(metadata).snapshotId !== head.snapshotId) return 'stale'
    const target = this.#producer.parentIn(metadata)
    if (this.#isPublished(metadata, head, target)) return nothing
    if (apply === undefined) {
      if (!this.#canForward(metadata, head, target)) return 'stale'
      return this.#forward(base, head)
    }
    const { since, isCertain } = findFork(metadata, head.snapshotId, target)
    const { fork } = apply.change
    if (since?.snapshotId !== fork.since?.snapshotId || isCertain !== fork.isCertain) return 'stale'
    return this.#apply(base, apply.change, apply.snapshot)
  }

  discard(committed: Table | undefined): Promise<void> {
    return this.#producer.discard(committed)
  }

  #headIn({ refs, snapshots, location }: TableMetadata): Snapshot {
    const { from } = this.#options
    const ref = Object.hasOwn(refs, from) ? refs[from] : undefined
    const head = snapshots.find((snapshot) => snapshot.snapshotId === ref?.snapshotId)
    if (head !== undefined) return head
    throw new NotFoundError('table has no such branch', {
      facts: { branch: from, refs: Object.keys(refs).join(','), table: location },
    })
  }

  #isPublished(metadata: TableMetadata, head: Snapshot, target: Snapshot | undefined): boolean {
    return target !== undefined && isPublished(metadata, head.snapshotId, target)
  }

  #canForward(metadata: TableMetadata, head: Snapshot, target: Snapshot | undefined): boolean {
    if (this.#options.fastForward === 'never') return false
    return target === undefined || isAncestor(metadata, target.snapshotId, head.snapshotId)
  }

  async #forward(base: Table, head: Snapshot): Promise<ActionCommit> {
    const { check, extraUpdates, from } = this.#options
    const { branch } = this.#producer
    const { metadata } = base
    await check?.(base)
    const { snapshotId } = head
    return {
      requirements: [
        { type: 'assert-table-uuid', uuid: metadata.tableUuid },
        refRequirement(metadata, from),
        refRequirement(metadata, branch),
      ],
      updates: [
        {
          action: 'set-snapshot-ref',
          refName: branch,
          ref: { ...metadata.refs[branch], type: 'branch', snapshotId },
        },
        ...(extraUpdates?.(base) ?? []),
      ],
    }
  }

  async #apply(
    base: Table,
    change: BranchChange,
    prepared: PreparedSnapshot,
  ): Promise<ActionCommit> {
    const { added, removed, fork } = change
    if (fork.isCertain && added.length === 0 && removed.length === 0) return nothing
    const { source } = this.#producer
    const opened = await this.#producer.open(base)
    if (await this.#isThere(opened, change)) return nothing
    requireCertain(fork, this.#headIn(base.metadata).snapshotId, base.metadata.location)
    const data = removed.filter((file) => file.content === 'data')
    const active = await requireActive(source, opened, [...data, ...change.needed])
    const taken = pathsOf(data)
    const out = active.filter(({ entry }) => taken.has(entry.dataFile.filePath))
    const deletes = await readDeletes(source, opened)
    this.#refuseLateDeletes(base.metadata, deletes, out, change)
    const droppedPaths = pathsOf(removed)
    const dropped = deletes.filter(({ entry }) => droppedPaths.has(entry.dataFile.filePath))
    const dangling = await danglingDeletes(source, opened, deletes, out)
    const commit = await this.#producer.commit(opened, prepared, {
      operation: change.keepsRows
        ? 'replace'
        : operationOf({
            addsData: added.some((file) => file.content === 'data'),
            removesData: out.length > 0,
            addsDeletes: added.some((file) => file.content !== 'data'),
          }),
      removed: [...out, ...new Set([...dropped, ...dangling])],
    })
    const requirement = refRequirement(base.metadata, this.#options.from)
    return { ...commit, requirements: [...commit.requirements, requirement] }
  }

  /** True when the target has the files already; the snapshot of an earlier publishing may have expired. */
  async #isThere({ table, manifests }: SnapshotBase, change: BranchChange): Promise<boolean> {
    const { source } = this.#producer
    const { added, removed } = change
    const there = await locateFiles(source, table.metadata, manifests, added)
    if (there.length === 0) return false
    const left = await locateFiles(source, table.metadata, manifests, removed)
    if (there.length === added.length && left.length === 0) return true
    throw new ConflictError(
      'part of what the branch added is on the target already; create the branch again',
      there.map(({ entry }) => entry.dataFile.filePath),
      { branch: this.#options.from, table: table.metadata.location },
    )
  }

  #refuseLateDeletes(
    metadata: TableMetadata,
    deletes: readonly ActiveFile[],
    removed: readonly ActiveFile[],
    { initialDeletes }: BranchChange,
  ): void {
    const late = deletes.filter(({ entry }) => !initialDeletes.has(entry.dataFile.filePath))
    const lost = deletesApplyingTo(metadata, late, removed)
    if (lost.length === 0) return
    throw new ConflictError(
      'rows of files that the branch replaced were deleted on the target since; redo that part',
      lost.map(({ entry }) => entry.dataFile.filePath),
      { branch: this.#options.from, table: metadata.location },
    )
  }
}

function pathsOf(files: readonly { readonly filePath: string }[]): ReadonlySet<string> {
  return new Set(files.map((file) => file.filePath))
}
