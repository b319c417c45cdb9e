/**
 * Removes rows by position deletes and adds rows by data files, in one snapshot: merge-on-read changes (spec,
 * "Row-level Deletes", "Position Delete Files"). Whole data files may be removed in the same snapshot, so that a
 * change takes the cheaper way for each file.
 *
 * A position delete names a data file and is lost when that file is replaced, so every named file must
 * still be active when the change is committed. Given as a function, the change is prepared again on the newer
 * table (a compaction moved its rows); given as a value, it fails with ConflictError.
 */
import { UnsupportedError, ValidationError } from '../../common/index.ts'
import type { Table } from '../catalog.ts'
import type { PositionDeletes } from '../data-files/position-deletes.ts'
import { DeleteIndex, onlyReferencedFile } from '../scan/delete-index.ts'
import type { Expression } from '../scan/expression.ts'
import type { DataFile, TableMetadata } from '../format/types.ts'
import type { ActionCommit } from './action.ts'
import { ConflictError } from './conflict-error.ts'
import {
  danglingDeletes,
  plannedSequenceNumber,
  readDeletes,
  refuseNewDeletes,
  refuseNewRows,
  requireActive,
} from './conflicts.ts'
import type { ActiveFile } from '../manifest/active-files.ts'
import { SnapshotAction } from './snapshot-action.ts'
import {
  operationOf,
  type PreparedSnapshot,
  type SnapshotBase,
  type SnapshotOptions,
  type SnapshotPlan,
  type SnapshotTools,
} from './snapshot-producer.ts'

export interface RowChanges {
  /** The head of the branch that the change was computed from; undefined for an empty branch. */
  readonly baseSnapshotId: bigint | undefined
  readonly added?: readonly DataFile[]
  readonly deletes?: readonly PositionDeletes[]
  /** Data files that are removed; their remaining rows are in `added`. */
  readonly removed?: readonly DataFile[]
  /** Position delete files of one data file each, whose positions `deletes` names again. */
  readonly replacedDeletes?: readonly DataFile[]
}

export interface RowDeltaOptions extends SnapshotOptions {
  /**
   * A function runs again whenever its result is out of date, which a ConflictError of `check` says, too;
   * it has to delete the files that it wrote before.
   */
  readonly changes: RowChanges | ((table: Table) => Promise<RowChanges>)
  /**
   * Serializable isolation: rows that may match and were added after `baseSnapshotId` are a conflict, as for
   * upserts, whose keys another writer may have inserted in between. Absent: only the files that the change
   * names count (snapshot isolation).
   */
  readonly refuseNewRows?: Expression | 'anywhere'
  /**
   * Rows of the named files that were deleted after `baseSnapshotId` are a conflict: for updates, whose
   * added rows would bring them back. Removed files and replaced deletes always count so.
   */
  readonly refuseNewDeletes?: boolean
}

export interface PreparedRowDelta extends PreparedSnapshot {
  readonly changes: RowChanges
}

export class RowDelta extends SnapshotAction<PreparedRowDelta> {
  readonly #options: RowDeltaOptions

  constructor(tools: SnapshotTools, options: RowDeltaOptions) {
    super(tools, options)
    this.#options = options
  }

  async prepare(table: Table): Promise<PreparedRowDelta> {
    const { changes } = this.#options
    const computed = typeof changes === 'function' ? await changes(table) : changes
    const { added = [], deletes = [] } = computed
    checkContents(computed)
    const files = [...added, ...deletes.map((one) => one.file)]
    return { ...(await this.producer.prepare(table, files)), changes: computed }
  }

  async commit(base: Table, prepared: PreparedRowDelta): Promise<ActionCommit | 'stale'> {
    try {
      const opened = await this.producer.open(base)
      const plan = await this.#plan(opened, prepared.changes)
      return await this.producer.commit(opened, prepared, plan)
    } catch (error) {
      const canRecompute = typeof this.#options.changes === 'function'
      if (error instanceof ConflictError && canRecompute) return 'stale'
      throw error
    }
  }

  async #plan(base: SnapshotBase, changes: RowChanges): Promise<SnapshotPlan> {
    const { source } = this.producer
    const { baseSnapshotId, added = [], deletes = [], removed = [] } = changes
    const { metadata } = base.table
    const since = plannedSequenceNumber(base, baseSnapshotId)
    const filter = this.#options.refuseNewRows
    if (filter !== undefined) await refuseNewRows(source, base, filter, since)
    const operation = operationOf({
      addsData: added.length > 0,
      removesData: removed.length > 0,
      addsDeletes: deletes.length > 0,
    })
    const named = await this.#checkDeletes(base, changes)
    const replaced = changes.replacedDeletes ?? []
    const isUpdate = this.#options.refuseNewDeletes === true || replaced.length > 0
    if (!isUpdate && removed.length === 0) return { operation, removed: [] }
    const active = await requireActive(source, base, removed)
    const deleteFiles = await readDeletes(source, base)
    refuseNewDeletes(metadata, deleteFiles, isUpdate ? [...active, ...named] : active, since)
    const dangling = await danglingDeletes(source, base, deleteFiles, active)
    const obsolete = replacedIn(deleteFiles, replaced)
    return { operation, removed: [...active, ...new Set([...dangling, ...obsolete])] }
  }

  /** The active files that the deletes name. Throws where a reader would not apply the deletes to one of them. */
  async #checkDeletes(
    base: SnapshotBase,
    { added = [], deletes = [] }: RowChanges,
  ): Promise<readonly ActiveFile[]> {
    const { source } = this.producer
    const { metadata } = base.table
    const own = new Map(added.map((file) => [file.filePath, file]))
    for (const one of deletes) {
      for (const path of one.referencedFiles) {
        const file = own.get(path)
        if (file !== undefined) checkReaches(metadata, one.file, file)
      }
    }
    const places = deletes.flatMap(({ file: { specId, partition }, referencedFiles }) =>
      referencedFiles
        .filter((filePath) => !own.has(filePath))
        .map((filePath) => ({ filePath, specId, partition })),
    )
    const active = await requireActive(source, base, distinct(places))
    const byPath = new Map(active.map(({ entry }) => [entry.dataFile.filePath, entry.dataFile]))
    for (const one of deletes) {
      for (const path of one.referencedFiles) {
        const file = byPath.get(path)
        if (file !== undefined) checkReaches(metadata, one.file, file)
      }
    }
    return active
  }
}

function checkContents(changes: RowChanges): void {
  const { added = [], deletes = [], removed = [], replacedDeletes = [] } = changes
  const notData = [...added, ...removed].find((file) => file.content !== 'data')
  if (notData !== undefined) {
    throw new ValidationError('a delete file is given among the data files', {
      facts: { file: notData.filePath },
    })
  }
  const named = new Set(deletes.flatMap(({ referencedFiles }) => referencedFiles))
  const both = removed.find((file) => named.has(file.filePath))
  if (both !== undefined) {
    throw new ValidationError('a data file is removed and has rows deleted in one commit', {
      facts: { file: both.filePath },
    })
  }
  for (const file of replacedDeletes) checkReplaced(file, deletes)
  for (const { file, referencedFiles } of deletes) {
    const facts = { file: file.filePath }
    if (file.content === 'equality-deletes') {
      throw new UnsupportedError('equality deletes are not written; give positions', { facts })
    }
    if (file.content !== 'position-deletes') {
      throw new ValidationError('a data file is given among the delete files', { facts })
    }
    if (referencedFiles.length === 0) {
      throw new ValidationError('a position delete file must say which data files it names', {
        facts,
      })
    }
  }
}

/** Taking away the deletes of a file that gets no others would bring its rows back. */
function checkReplaced(file: DataFile, deletes: readonly PositionDeletes[]): void {
  const target = file.content === 'position-deletes' ? onlyReferencedFile(file) : undefined
  const heirs = deletes.filter(({ referencedFiles }) => referencedFiles.some((p) => p === target))
  const positions = heirs.reduce((sum, heir) => sum + heir.file.recordCount, 0n)
  if (heirs.length > 0 && positions >= file.recordCount) return
  throw new ValidationError(
    'only position deletes of one data file can be replaced, by as many or more of the same file',
    { facts: { file: file.filePath } },
  )
}

/** Throws ConflictError when one of `replaced` is no longer active. */
function replacedIn(
  active: readonly ActiveFile[],
  replaced: readonly DataFile[],
): readonly ActiveFile[] {
  const byPath = new Map(active.map((each) => [each.entry.dataFile.filePath, each]))
  const missing = replaced.map(({ filePath }) => filePath).filter((path) => !byPath.has(path))
  if (missing.length > 0) {
    throw new ConflictError('delete files were replaced by another commit; plan again', missing, {})
  }
  return replaced.flatMap(({ filePath }) => byPath.get(filePath) ?? [])
}

/** A delete file in another partition, or whose bounds leave the path out, would not be applied. */
function checkReaches(metadata: TableMetadata, deletes: DataFile, file: DataFile): void {
  const entry = { status: 'added', sequenceNumber: 0n, dataFile: deletes } as const
  if (new DeleteIndex(metadata, [entry]).deletesFor(file, 0n).length > 0) return
  throw new ValidationError('readers would not apply this delete file to a data file it names', {
    facts: { deletes: deletes.filePath, file: file.filePath },
  })
}

function distinct<T extends { readonly filePath: string }>(places: readonly T[]): readonly T[] {
  return [...new Map(places.map((place) => [place.filePath, place])).values()]
}
