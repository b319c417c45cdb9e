/** What CALL runs over a lake: each procedure in a file of its own (`call-*.ts`), listed here. */
import type { Procedure } from '../sql/index.ts'
import { expireSnapshotsProcedure } from './call-expire-snapshots.ts'
import { removeOrphanFilesProcedure } from './call-remove-orphan-files.ts'
import { rewriteDataFilesProcedure } from './call-rewrite-data-files.ts'
import { rollbackToSnapshotProcedure } from './call-rollback-to-snapshot.ts'
import type { Lake } from './lake.ts'

export function lakeProcedures(lake: Lake): readonly Procedure[] {
  return [
    rewriteDataFilesProcedure(lake),
    expireSnapshotsProcedure(lake),
    removeOrphanFilesProcedure(lake),
    rollbackToSnapshotProcedure(lake),
  ]
}
