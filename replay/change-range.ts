/** Replaces the range's rows on the target while other writers commit to it (P8). */
import type { DataFile, Snapshot, TableIdentifier } from '../catalog/format/index.ts'
import {
  commitAction,
  type FileChanges,
  OverwriteFiles,
  type OverwriteFilesOptions,
  type SnapshotOptions,
  type Table,
} from '../catalog/index.ts'
import { findRangeFiles, requireNoNewRows, rewriteRows } from './range-files.ts'
import type { RangeTools } from './range-tools.ts'
import { headSnapshot } from './branch-head.ts'
import { commitTools } from './replay-branch.ts'
import type { RowRange } from './row-range.ts'

export interface RangeOfTable {
  readonly tools: RangeTools
  readonly identifier: TableIdentifier
  readonly target: string
  readonly range: RowRange
}

/**
 * Changes the range's rows on `target`. The change is computed again for a newer state of the table where
 * rows of the range have come to the target since.
 */
export async function changeRange(
  { tools, identifier, target, range }: RangeOfTable,
  options: Omit<OverwriteFilesOptions, 'branch' | 'changes'> & {
    readonly changes: (table: Table) => Promise<Omit<FileChanges, 'baseSnapshotId'>>
  },
): Promise<Table> {
  let planned: Snapshot | undefined
  const action = new OverwriteFiles(tools, {
    ...options,
    branch: target,
    check: async (base) => {
      await options.check?.(base)
      const now = headSnapshot(base, target)
      if (now?.snapshotId === planned?.snapshotId) return
      await requireNoNewRows(tools, base, target, planned?.sequenceNumber ?? 0n, range)
    },
    changes: async (table) => {
      planned = headSnapshot(table, target)
      return { baseSnapshotId: planned?.snapshotId, ...(await options.changes(table)) }
    },
  })
  return commitAction(tools.catalog, identifier, action, commitTools(tools))
}

/**
 * Replaces the range's rows on the current target by those of the branch. Used where the target's files were
 * replaced since the branch was created, or its history lacks the snapshot that the branch began at.
 */
export async function redoOnTarget(
  rangeOfTable: RangeOfTable,
  branch: string,
  hooks: Pick<SnapshotOptions, 'check' | 'extraUpdates'>,
): Promise<Table> {
  const { tools, target, range } = rangeOfTable
  return changeRange(rangeOfTable, {
    ...hooks,
    standingOn: [branch],
    changes: async (table) => {
      const replaced = await findRangeFiles(tools, table, target, range)
      const replayed = await findRangeFiles(tools, table, branch, range)
      const removed = [...replaced.whole, ...replaced.partial]
      // Files that the target has already stay: an earlier publishing that was not recorded added them.
      const present = pathsOf(removed)
      const kept = pathsOf(replayed.whole.filter((file) => present.has(file.filePath)))
      const added: DataFile[] = [
        ...(await rewriteRows(tools, table, target, replaced.partial, range, 'outside')),
        ...replayed.whole.filter((file) => !kept.has(file.filePath)),
        ...(await rewriteRows(tools, table, branch, replayed.partial, range, 'inside')),
      ]
      return { removed: removed.filter((file) => !kept.has(file.filePath)), added }
    },
    // The same entries as of any other publishing, so that publishing again changes nothing.
    summary: ({ metadata }) => ({
      'source-snapshot-id': String(metadata.refs[branch]?.snapshotId ?? ''),
      'tidewater.published-branch': branch,
    }),
  })
}

function pathsOf(files: readonly DataFile[]): ReadonlySet<string> {
  return new Set(files.map((file) => file.filePath))
}
