/** Setting and removing table properties as a commit of its own. */
import type { Table } from '../catalog.ts'
import type { TableUpdate } from '../table/update.ts'
import type { ActionCommit, TransactionAction } from './action.ts'

export interface PropertyChanges {
  readonly updates?: Readonly<Record<string, string>>
  readonly removals?: readonly string[]
}

export class UpdateProperties implements TransactionAction<undefined> {
  readonly #changes: PropertyChanges

  constructor(changes: PropertyChanges) {
    this.#changes = changes
  }

  prepare(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  /** Properties are last-writer-wins, as everywhere in Iceberg: only the table itself is asserted. */
  commit({ metadata }: Table): Promise<ActionCommit> {
    const { updates = {}, removals = [] } = this.#changes
    const wanted: TableUpdate[] = []
    if (Object.keys(updates).length > 0) wanted.push({ action: 'set-properties', updates })
    if (removals.length > 0) wanted.push({ action: 'remove-properties', removals })
    return Promise.resolve({
      requirements: [{ type: 'assert-table-uuid', uuid: metadata.tableUuid }],
      updates: wanted,
    })
  }
}
