/** Evolving a table's schema as a commit of its own; see `evolve-schema.ts` for the rules. */
import { ValidationError } from '../../common/index.ts'
import type { Table } from '../catalog.ts'
import { findField } from '../format/schema.ts'
import { currentSchema, defaultPartitionSpec, sortOrderById } from '../format/table-metadata.ts'
import type { Schema, TableMetadata } from '../format/types.ts'
import type { ActionCommit, TransactionAction } from './action.ts'
import { evolveSchema, idsWithin, type SchemaChange } from './evolve-schema.ts'

/**
 * The changes, or what to change given the schema at hand: a function sees what rivals have added
 * meanwhile, and may find that nothing is left to do.
 */
export type SchemaChanges = readonly SchemaChange[] | ((schema: Schema) => readonly SchemaChange[])

export class UpdateSchema implements TransactionAction<undefined> {
  readonly #changes: SchemaChanges

  constructor(changes: SchemaChanges) {
    this.#changes = changes
  }

  prepare(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  // A change that is refused rejects, as every failure of an action does.
  async commit({ metadata }: Table): Promise<ActionCommit> {
    return this.#commit(metadata)
  }

  #commit(metadata: TableMetadata): ActionCommit {
    const before = currentSchema(metadata)
    const changes = typeof this.#changes === 'function' ? this.#changes(before) : this.#changes
    if (changes.length === 0) return { requirements: [], updates: [] }
    for (const change of changes) refuseUsedColumn(metadata, before, change)
    const { schema, lastColumnId } = evolveSchema(before, metadata.lastColumnId, changes)
    return {
      requirements: [
        { type: 'assert-table-uuid', uuid: metadata.tableUuid },
        { type: 'assert-current-schema-id', currentSchemaId: metadata.currentSchemaId },
        { type: 'assert-last-assigned-field-id', lastAssignedFieldId: metadata.lastColumnId },
        // A spec that is made meanwhile may use a column that we drop.
        { type: 'assert-default-spec-id', defaultSpecId: metadata.defaultSpecId },
      ],
      updates: [
        { action: 'add-schema', schema, lastColumnId },
        { action: 'set-current-schema', schemaId: -1 },
      ],
    }
  }
}

/** A column that partitions or sorts new files cannot go. */
function refuseUsedColumn(metadata: TableMetadata, schema: Schema, change: SchemaChange): void {
  if (change.kind !== 'drop-column') return
  const target = findField(schema, change.path)
  const ids = target === undefined ? [] : idsWithin(target)
  const spec = defaultPartitionSpec(metadata)
  const order = sortOrderById(metadata, metadata.defaultSortOrderId)
  const used = [...spec.fields, ...order.fields].some(({ sourceId }) => ids.includes(sourceId))
  if (used) {
    throw new ValidationError(
      'a column that the table is partitioned or sorted by cannot be dropped',
      {
        facts: { column: change.path.join('.') },
      },
    )
  }
}
