/**
 * `CALL system.remove_orphan_files`, with Spark's arguments and output. Two differences keep files: it
 * deletes only with `dry_run => false`, and never a file that is younger than a day.
 */
import { describeLeft } from '../catalog/index.ts'
import { removeOrphanFiles } from '../compactor/index.ts'
import {
  defineProcedure,
  optional,
  type Procedure,
  refused,
  required,
  withDefault,
} from '../sql/index.ts'
import type { Lake } from './lake.ts'

export function removeOrphanFilesProcedure(lake: Lake): Procedure {
  const asStored = refused('string', 'locations are compared as they are, s3, s3a and s3n as one')
  return defineProcedure({
    name: 'remove_orphan_files',
    summary: "names files in the table's folder that nothing of it uses; dry_run => false deletes",
    arguments: {
      table: required('table'),
      older_than: optional('timestamp'),
      location: refused('string', "it looks in the table's own folder"),
      dry_run: withDefault('boolean', true),
      max_concurrent_deletes: refused('int', 'files are deleted in requests of up to 500'),
      file_list_view: refused('string', "it lists the table's own folder"),
      equal_schemes: asStored,
      equal_authorities: asStored,
      prefix_mismatch_mode: asStored,
      prefix_listing: refused('boolean', 'the store is always listed by prefix'),
      stream_results: refused('boolean', 'there is no driver whose memory it would spare'),
    },
    columns: { orphan_file_location: 'VARCHAR' },
    run: async ({ dry_run: isDryRun, older_than: olderThan, table }, { signal }) => {
      const { left, orphans } = await removeOrphanFiles(lake, table, {
        execute: !isDryRun,
        ...(signal === undefined ? {} : { signal }),
        ...(olderThan === undefined
          ? {}
          : { olderThanMs: lake.clock.now() - Number(olderThan / 1000n) }),
      })
      const note = isDryRun
        ? 'a dry run: nothing was deleted; dry_run => false deletes these files'
        : `deleted ${orphans.length} files`
      return {
        rows: orphans.map(({ location }) => [location]),
        notes: [
          ...(orphans.length === 0 ? [] : [note]),
          ...(left.length === 0 ? [] : [describeLeft(left)]),
        ],
      }
    },
  })
}
