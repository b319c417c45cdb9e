/** `CALL system.rewrite_data_files`, with Spark's arguments and output. */
import { UnsupportedError } from '../common/index.ts'
import { rewriteOptions, type RewriteReport } from '../compactor/index.ts'
import { defineProcedure, optional, type Procedure, refused, required } from '../sql/index.ts'
import type { Lake } from './lake.ts'
import { openCompactor } from './open-compactor.ts'

export function rewriteDataFilesProcedure(lake: Lake): Procedure {
  return defineProcedure({
    name: 'rewrite_data_files',
    summary: 'merges small data files, splits large ones, applies deletes; no row changes',
    arguments: {
      table: required('table'),
      strategy: optional('string'),
      sort_order: refused('string', 'files are merged in the order of their rows (binpack)'),
      options: optional('map'),
      where: optional('string'),
    },
    columns: {
      rewritten_data_files_count: 'INTEGER',
      added_data_files_count: 'INTEGER',
      rewritten_bytes_count: 'BIGINT',
      failed_data_files_count: 'INTEGER',
      removed_delete_files_count: 'INTEGER',
    },
    run: async ({ options = {}, strategy, table, where }, { signal }) => {
      if (strategy !== undefined && strategy.toLowerCase() !== 'binpack') {
        throw new UnsupportedError('rewrite_data_files has the strategy binpack only', {
          facts: { strategy },
        })
      }
      // Faults of the options before anything is opened.
      rewriteOptions({}, options)
      const compactor = await openCompactor(lake, signal === undefined ? {} : { signal })
      try {
        const report = await compactor.rewrite(table, {
          options: (properties) => rewriteOptions(properties, options),
          ...(where === undefined ? {} : { filter: await compactor.filterOf(table, where) }),
        })
        return { rows: [countsOf(report)], notes: notesOf(report) }
      } finally {
        await compactor.close()
      }
    },
  })
}

/** A failure ends the rewrite with an error, so no file that failed is ever counted. */
function countsOf({ deleteFilesRemoved, groups }: RewriteReport): readonly (number | bigint)[] {
  return [
    groups.reduce((sum, { filesBefore }) => sum + filesBefore, 0),
    groups.reduce((sum, { filesAfter }) => sum + filesAfter, 0),
    groups.reduce((sum, { bytesBefore }) => sum + bytesBefore, 0n),
    0,
    Number(deleteFilesRemoved),
  ]
}

function notesOf({ skipped }: RewriteReport): readonly string[] {
  return skipped.map(({ file, reason }) => `left as it is (${reason}): ${file.filePath}`)
}
