/**
 * Appending data files as a new snapshot. An append conflicts with nothing: it wins on any base that the
 * caller's check accepts.
 */
import { ValidationError } from '../../common/index.ts'
import type { Table } from '../catalog.ts'
import type { DataFile } from '../format/types.ts'
import type { ActionCommit } from './action.ts'
import { SnapshotAction } from './snapshot-action.ts'
import type { PreparedSnapshot, SnapshotOptions, SnapshotTools } from './snapshot-producer.ts'

export interface FastAppendOptions extends SnapshotOptions {
  /** May be empty: the snapshot then only carries summary entries. */
  readonly files: readonly DataFile[]
}

export class FastAppend extends SnapshotAction<PreparedSnapshot> {
  readonly #files: readonly DataFile[]

  constructor(tools: SnapshotTools, options: FastAppendOptions) {
    super(tools, options)
    this.#files = options.files
    const other = options.files.find((file) => file.content !== 'data')
    if (other !== undefined) {
      throw new ValidationError('an append adds data files only', {
        facts: { file: other.filePath },
      })
    }
  }

  prepare(table: Table): Promise<PreparedSnapshot> {
    return this.producer.prepare(table, this.#files)
  }

  async commit(base: Table, prepared: PreparedSnapshot): Promise<ActionCommit> {
    const opened = await this.producer.open(base)
    return this.producer.commit(opened, prepared, { operation: 'append', removed: [] })
  }
}
