/** Setting and removing table properties. */
import type { Table } from '../catalog.ts'
import type { TableUpdate } from '../table/update.ts'
import type { ActionCommit, MetadataAction } from './action.ts'

export interface PropertyChanges {
  readonly updates?: Readonly<Record<string, string>>
  readonly removals?: readonly string[]
}

export class UpdateProperties implements MetadataAction {
  readonly #changes: PropertyChanges | ((table: Table) => PropertyChanges)

  /** A function is given the table of each attempt, as the actions before this one leave it. */
  constructor(changes: PropertyChanges | ((table: Table) => PropertyChanges)) {
    this.#changes = changes
  }

  /** Properties are last-writer-wins, as everywhere in Iceberg: only the table itself is asserted. */
  async commit(table: Table): Promise<ActionCommit> {
    const changes = typeof this.#changes === 'function' ? this.#changes(table) : this.#changes
    return {
      requirements: [{ type: 'assert-table-uuid', uuid: table.metadata.tableUuid }],
      updates: propertyUpdates(changes),
    }
  }
}

function propertyUpdates({ updates = {}, removals = [] }: PropertyChanges): readonly TableUpdate[] {
  const set: TableUpdate = { action: 'set-properties', updates }
  const remove: TableUpdate = { action: 'remove-properties', removals }
  return [
    ...(Object.keys(updates).length > 0 ? [set] : []),
    ...(removals.length > 0 ? [remove] : []),
  ]
}
