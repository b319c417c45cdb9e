/**
 * Replacing data files by others that hold the same rows: compaction (operation `replace`).
 *
 * The new files state the data sequence number of the snapshot that the rewrite began at, so equality
 * deletes that are committed in between still apply to them (iceberg-facts 16). Position deletes name files, so
 * those committed in between on a replaced file would be lost: that is a ConflictError, and the caller plans
 * again. An append in between costs only another manifest list. Delete files that apply to no file any more are
 * removed in the same commit.
 */
import { ValidationError } from '../../common/index.ts'
import type { Table } from '../catalog.ts'
import { snapshotById } from '../format/table-metadata.ts'
import type { DataFile, TableMetadata } from '../format/types.ts'
import type { ActionCommit } from './action.ts'
import { ConflictError } from './conflict-error.ts'
import {
  danglingDeletes,
  deletesApplyingTo,
  newerThan,
  plannedSequenceNumber,
  readDeletes,
  refuseNewDeletes,
  requireActive,
} from './conflicts.ts'
import type { ActiveFile } from '../manifest/active-files.ts'
import { SnapshotAction } from './snapshot-action.ts'
import type { PreparedSnapshot, SnapshotOptions, SnapshotTools } from './snapshot-producer.ts'

export interface RewriteFilesOptions extends SnapshotOptions {
  /** The head of the branch when the rewrite read its input; the input had its deletes applied. */
  readonly startingSnapshotId: bigint
  readonly removed: readonly DataFile[]
  /** Files with exactly the rows of `removed` that were not deleted at the starting snapshot. */
  readonly added: readonly DataFile[]
}

export class RewriteFiles extends SnapshotAction<PreparedSnapshot> {
  readonly #options: RewriteFilesOptions

  constructor(tools: SnapshotTools, options: RewriteFilesOptions) {
    super(tools, options)
    this.#options = options
    const other = [...options.removed, ...options.added].find((file) => file.content !== 'data')
    if (other !== undefined) {
      throw new ValidationError('a rewrite replaces data files by data files', {
        facts: { file: other.filePath },
      })
    }
    if (options.removed.length === 0) {
      throw new ValidationError('a rewrite that replaces no file would add rows')
    }
  }

  async prepare(table: Table): Promise<PreparedSnapshot> {
    const { startingSnapshotId, added } = this.#options
    const starting = snapshotById(table.metadata, startingSnapshotId)
    if (starting !== undefined) {
      return this.producer.prepare(table, added, starting.sequenceNumber)
    }
    throw new ConflictError('the snapshot that the rewrite began at has expired; plan again', [], {
      snapshot: startingSnapshotId,
      table: table.metadata.location,
    })
  }

  async commit(base: Table, prepared: PreparedSnapshot): Promise<ActionCommit> {
    const { startingSnapshotId, removed } = this.#options
    const { source } = this.producer
    const opened = await this.producer.open(base)
    const since = plannedSequenceNumber(opened, startingSnapshotId)
    const active = await requireActive(source, opened, removed)
    const deletes = await readDeletes(source, opened)
    this.#checkDeletes(base.metadata, deletes, active, since)
    const dangling = await danglingDeletes(source, opened, deletes, active)
    return this.producer.commit(opened, prepared, {
      operation: 'replace',
      removed: [
        ...active,
        // A late equality delete reaches the new files through their old sequence number.
        ...dangling.filter(({ entry }) => (entry.sequenceNumber ?? 0n) <= since),
      ],
    })
  }

  #checkDeletes(
    metadata: TableMetadata,
    deletes: readonly ActiveFile[],
    active: readonly ActiveFile[],
    since: bigint,
  ): void {
    const { removed, added } = this.#options
    // Within one spec and partition a late equality delete reaches the new file; elsewhere it may not.
    const moves = new Set([...removed, ...added].map((file) => file.specId)).size > 1
    const fatal = deletes.filter(
      ({ entry }) => moves || entry.dataFile.content === 'position-deletes',
    )
    refuseNewDeletes(metadata, fatal, active, since)
    const late = new Set(newerThan(deletes, since))
    const earlier = deletes.filter((file) => !late.has(file))
    const applied = deletesApplyingTo(metadata, earlier, active)
    const before = rowsOf(active.map(({ entry }) => entry.dataFile))
    const after = rowsOf(added)
    if (after === before || (applied.length > 0 && after < before)) return
    throw new ValidationError('a rewrite must keep every row and add none', {
      facts: { rowsBefore: before, rowsAfter: after, deleteFiles: applied.length },
    })
  }
}

function rowsOf(files: readonly DataFile[]): bigint {
  return files.reduce((sum, file) => sum + file.recordCount, 0n)
}
