/** `CALL system.rollback_to_snapshot`, with Spark's arguments and output: main moves to an ancestor. */
import { mainBranch } from '../catalog/format/index.ts'
import {
  commitAction,
  ManageRefs,
  newestOffsets,
  offsetsProperty,
  offsetsPropertyKey,
  type Table,
} from '../catalog/index.ts'
import { CorruptDataError } from '../common/index.ts'
import { defineProcedure, type Procedure, required } from '../sql/index.ts'
import type { Lake } from './lake.ts'
import { requireSafeStore } from './safe-store.ts'

export function rollbackToSnapshotProcedure(lake: Lake): Procedure {
  return defineProcedure({
    name: 'rollback_to_snapshot',
    summary: 'makes an older snapshot of main the current one; it must be an ancestor',
    arguments: { table: required('table'), snapshot_id: required('long') },
    columns: { previous_snapshot_id: 'BIGINT', current_snapshot_id: 'BIGINT' },
    run: async ({ snapshot_id: snapshotId, table: identifier }, { signal }) => {
      await requireSafeStore(lake)
      const { catalog, clock, logger, random } = lake
      let previous: bigint | undefined
      const action = new ManageRefs({
        changes: [{ kind: 'rollback', name: mainBranch, snapshotId }],
        check: ({ metadata }) => {
          // A commit whose reply was lost may have succeeded: then main is at the snapshot already.
          if (metadata.currentSnapshotId !== snapshotId) previous = metadata.currentSnapshotId
        },
      })
      const tools = { clock, logger, random, ...(signal === undefined ? {} : { signal }) }
      const table = await commitAction(catalog, identifier, action, tools)
      const current = table.metadata.currentSnapshotId ?? snapshotId
      const notes = previous === undefined ? [] : await streamNotes(table)
      return { rows: [[previous ?? current, current]], notes }
    },
  })
}

/**
 * A stream's offsets are in its snapshots and in a table property, and a rollback does not change the
 * property (E2). So a stream reads again what was rolled back only after a person has set its offsets.
 */
async function streamNotes(table: Table): Promise<readonly string[]> {
  const { restoreOffsets } = await import('../ingest/index.ts')
  const { metadata } = table
  const property = offsetsPropertyKey(mainBranch)
  if (offsetsProperty(metadata, mainBranch) === undefined) return []
  try {
    restoreOffsets(table, mainBranch)
  } catch (error) {
    if (!(error instanceof CorruptDataError)) throw error
    return [
      `a stream that fills this table now stops, because its offsets are ahead of the rows: ${error.message}`,
    ]
  }
  if (newestOffsets(metadata, mainBranch) !== undefined) return []
  return [
    `a stream that fills this table goes on at the offsets of ${property}, which a rollback leaves as they ` +
      'are: it does not read the records of the lost rows again',
  ]
}
