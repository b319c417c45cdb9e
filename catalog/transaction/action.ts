/**
 * One change to a table, in two steps, so that work which a lost race does not affect is done once. Several of them make
 * a transaction (`transaction.ts`).
 *
 * `prepare` makes files and manifests; `commit` runs for each attempt against the newest base and
 * yields requirements and updates. A base that makes the prepared work stale (a file that it names was
 * removed) is answered with `stale`, and `prepare` runs again on that base. In a transaction both see the
 * table as the actions before this one leave it.
 */
import type { Table } from '../catalog.ts'
import type { TableRequirement } from '../table/requirement.ts'
import type { TableUpdate } from '../table/update.ts'

export interface ActionCommit {
  readonly requirements: readonly TableRequirement[]
  /** Empty when nothing is left to do. */
  readonly updates: readonly TableUpdate[]
}

/** An action that writes files before it is committed. */
export interface FileAction<Prepared> {
  prepare(table: Table): Promise<Prepared>
  commit(base: Table, prepared: Prepared): Promise<ActionCommit | 'stale'>
  /** True when `base` already has this change, because an earlier attempt was applied after all. */
  committedIn?(base: Table, prepared: Prepared): boolean
  /**
   * Deletes what the action made and no table points at. `committed` is the table that holds the
   * change, or undefined when it certainly failed; never called while the outcome is unknown.
   */
  discard?(committed: Table | undefined): Promise<void>
}

/** An action that changes metadata alone, computed from each base with nothing prepared. */
export interface MetadataAction {
  commit(base: Table): Promise<ActionCommit>
}

export type TransactionAction<Prepared> = FileAction<Prepared> | MetadataAction
