/**
 * Removes data files and adds others, computed from the table (operations `overwrite`, `delete`, `append`).
 *
 * What the change was computed from must still hold when it is committed: every file to remove is active, none
 * of its rows was deleted since, and, with `refuseNewRows`, no other commit added rows that may match.
 * Given as a function, the change is computed again on the newer table; given as a value, it fails with
 * ConflictError.
 */
import { ValidationError } from '../../common/index.ts'
import type { Table } from '../catalog.ts'
import type { Expression } from '../scan/expression.ts'
import type { DataFile } from '../format/types.ts'
import type { ActionCommit, FileAction } from './action.ts'
import { ConflictError } from './conflict-error.ts'
import {
  danglingDeletes,
  plannedSequenceNumber,
  readDeletes,
  refuseNewDeletes,
  refuseNewRows,
  requireActive,
} from './conflicts.ts'
import {
  operationOf,
  type PreparedSnapshot,
  type SnapshotBase,
  type SnapshotOptions,
  type SnapshotPlan,
  SnapshotProducer,
  type SnapshotTools,
} from './snapshot-producer.ts'

export interface FileChanges {
  /** The head of the branch that the change was computed from; undefined for an empty branch. */
  readonly baseSnapshotId: bigint | undefined
  readonly removed?: readonly DataFile[]
  readonly added?: readonly DataFile[]
}

export interface OverwriteFilesOptions extends SnapshotOptions {
  /**
   * A function runs again whenever its result is out of date, which a ConflictError of `check` says, too;
   * it has to delete the files that it wrote before.
   */
  readonly changes: FileChanges | ((table: Table) => Promise<FileChanges>)
  /**
   * Serializable isolation: rows that may match and were added after `baseSnapshotId` are a conflict.
   * Absent: only the removed files count (snapshot isolation).
   */
  readonly refuseNewRows?: Expression | 'anywhere'
}

export interface PreparedOverwrite extends PreparedSnapshot {
  readonly changes: FileChanges
}

export class OverwriteFiles implements FileAction<PreparedOverwrite> {
  readonly #producer: SnapshotProducer
  readonly #options: OverwriteFilesOptions

  constructor(tools: SnapshotTools, options: OverwriteFilesOptions) {
    this.#producer = new SnapshotProducer(tools, options)
    this.#options = options
  }

  async prepare(table: Table): Promise<PreparedOverwrite> {
    const { changes } = this.#options
    const computed = typeof changes === 'function' ? await changes(table) : changes
    checkChanges(computed)
    return { ...(await this.#producer.prepare(table, computed.added ?? [])), changes: computed }
  }

  committedIn(base: Table, prepared: PreparedOverwrite): boolean {
    return this.#producer.committedIn(base, prepared)
  }

  async commit(base: Table, prepared: PreparedOverwrite): Promise<ActionCommit | 'stale'> {
    try {
      const opened = await this.#producer.open(base)
      const plan = await this.#plan(opened, prepared.changes)
      return await this.#producer.commit(opened, prepared, plan)
    } catch (error) {
      const canRecompute = typeof this.#options.changes === 'function'
      if (error instanceof ConflictError && canRecompute) return 'stale'
      throw error
    }
  }

  discard(committed: Table | undefined): Promise<void> {
    return this.#producer.discard(committed)
  }

  async #plan(base: SnapshotBase, changes: FileChanges): Promise<SnapshotPlan> {
    const { source } = this.#producer
    const { baseSnapshotId, removed = [], added = [] } = changes
    const since = plannedSequenceNumber(base, baseSnapshotId)
    const filter = this.#options.refuseNewRows
    if (filter !== undefined) await refuseNewRows(source, base, filter, since)
    const operation = operationOf({
      addsData: added.length > 0,
      removesData: removed.length > 0,
      addsDeletes: false,
    })
    if (removed.length === 0) return { operation, removed: [] }
    const active = await requireActive(source, base, removed)
    const deletes = await readDeletes(source, base)
    refuseNewDeletes(base.table.metadata, deletes, active, since)
    const dangling = await danglingDeletes(source, base, deletes, active)
    return { operation, removed: [...active, ...dangling] }
  }
}

function checkChanges({ removed = [], added = [] }: FileChanges): void {
  const other = [...removed, ...added].find((file) => file.content !== 'data')
  if (other !== undefined) {
    throw new ValidationError('an overwrite replaces data files; deletes go through a row delta', {
      facts: { file: other.filePath },
    })
  }
}
