/**
 * Removes data files and adds others, computed from the table (operations `overwrite`, `delete`, `append`):
 * a row delta without deletes.
 *
 * What the change was computed from must still hold when it is committed: every file to remove is active, none
 * of its rows was deleted since, and, with `refuseNewRows`, no other commit added rows that may match.
 * Given as a function, the change is computed again on the newer table; given as a value, it fails with
 * ConflictError.
 */
import type { Table } from '../catalog.ts'
import { type RowChanges, RowDelta, type RowDeltaOptions } from './row-delta.ts'
import type { SnapshotTools } from './snapshot-producer.ts'

export type FileChanges = Pick<RowChanges, 'baseSnapshotId' | 'removed' | 'added'>

export interface OverwriteFilesOptions
  extends Omit<RowDeltaOptions, 'changes' | 'refuseNewDeletes'> {
  readonly changes: FileChanges | ((table: Table) => Promise<FileChanges>)
}

export class OverwriteFiles extends RowDelta {
  constructor(tools: SnapshotTools, options: OverwriteFilesOptions) {
    // A file that loses rows to another commit is a conflict only where it is removed.
    super(tools, { ...options, refuseNewDeletes: false })
  }
}
