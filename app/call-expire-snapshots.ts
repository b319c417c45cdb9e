/** `CALL system.expire_snapshots`, with Spark's arguments and output. */
import { describeLeft, expireSnapshots } from '../catalog/index.ts'
import { defineProcedure, optional, type Procedure, refused, required } from '../sql/index.ts'
import type { Lake } from './lake.ts'
import { requireSafeStore } from './safe-store.ts'

export function expireSnapshotsProcedure(lake: Lake): Procedure {
  return defineProcedure({
    name: 'expire_snapshots',
    summary: 'forgets old snapshots and deletes the files that only they need',
    arguments: {
      table: required('table'),
      older_than: optional('timestamp'),
      retain_last: optional('int'),
      max_concurrent_deletes: refused('int', 'files are deleted in requests of up to 500'),
      stream_results: refused('boolean', 'there is no driver whose memory it would spare'),
      snapshot_ids: optional('longs'),
      clean_expired_metadata: optional('boolean'),
    },
    columns: {
      deleted_data_files_count: 'BIGINT',
      deleted_position_delete_files_count: 'BIGINT',
      deleted_equality_delete_files_count: 'BIGINT',
      deleted_manifest_files_count: 'BIGINT',
      deleted_manifest_lists_count: 'BIGINT',
      deleted_statistics_files_count: 'BIGINT',
    },
    run: async ({ older_than: olderThan, retain_last: retainLast, ...values }, { signal }) => {
      await requireSafeStore(lake)
      const { catalog, clock, io, logger, random } = lake
      const { left, unreachable } = await expireSnapshots(
        catalog,
        values.table,
        { clock, io, logger, random, ...(signal === undefined ? {} : { signal }) },
        {
          ...(olderThan === undefined ? {} : { olderThanMs: olderThan / 1000n }),
          ...(retainLast === undefined ? {} : { retainLast }),
          ...(values.clean_expired_metadata === undefined
            ? {}
            : { cleansMetadata: values.clean_expired_metadata }),
          ...(values.snapshot_ids === undefined ? {} : { snapshotIds: values.snapshot_ids }),
        },
      )
      const { equalityDeletes, files, manifestLists, manifests, positionDeletes, statistics } =
        unreachable
      const dataFiles = files.length - positionDeletes.length - equalityDeletes.length
      const row = [
        dataFiles,
        positionDeletes.length,
        equalityDeletes.length,
        manifests.length,
        manifestLists.length,
        statistics.length,
      ]
      return { rows: [row.map(BigInt)], notes: left.length === 0 ? [] : [describeLeft(left)] }
    },
  })
}
