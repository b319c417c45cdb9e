/** Evolving a table's schema; see `apply-schema-changes.ts` for the rules. */
import { isDeepStrictEqual } from 'node:util'
import { type Clock, ValidationError } from '../../common/index.ts'
import type { Table } from '../catalog.ts'
import { findField } from '../format/schema.ts'
import { currentSchema, defaultPartitionSpec, sortOrderById } from '../format/table-metadata.ts'
import type { Schema, TableMetadata } from '../format/types.ts'
import { applyUpdates } from '../table/apply-updates.ts'
import { checkNewPartitionNames } from '../table/check-partition-names.ts'
import type { ActionCommit, MetadataAction } from './action.ts'
import { applySchemaChanges, idsWithin, type SchemaChange } from './apply-schema-changes.ts'
import { ConflictError } from './conflict-error.ts'

/**
 * The changes, or what to change given the schema at hand: a function sees what other writers have
 * changed since, and may find that nothing is left to do.
 */
export type SchemaChanges =
  | readonly SchemaChange[]
  | ((schema: Schema, metadata: TableMetadata) => readonly SchemaChange[])

export class UpdateSchema implements MetadataAction {
  readonly #changes: SchemaChanges

  constructor(changes: SchemaChanges) {
    this.#changes = changes
  }

  // A change that is refused rejects, as every failure of an action does.
  async commit({ metadata }: Table): Promise<ActionCommit> {
    return changeSchema(metadata, this.#changes)
  }
}

/**
 * The table as the changes would leave it, with nothing committed: data files are written by its schema
 * before the transaction that makes the changes and adds the files. Such files are added with the
 * option `writtenSchema`, since a lost race may give a column another id.
 */
export function stageSchema(table: Table, changes: SchemaChanges, clock: Clock): Table {
  const { updates } = changeSchema(table.metadata, changes)
  return { ...table, metadata: applyUpdates(table.metadata, updates, { nowMs: clock.now() }) }
}

/** Throws ConflictError where a field of `written` is not a field of the current schema with the same id. */
export function requireWrittenSchema(metadata: TableMetadata, written: Schema): void {
  const current = new Map(currentSchema(metadata).fields.map((field) => [field.id, field]))
  const changed = written.fields.find(({ id, name, type }) => {
    const field = current.get(id)
    return field === undefined || field.name !== name || !isDeepStrictEqual(field.type, type)
  })
  if (changed === undefined) return
  throw new ConflictError('the schema that files were written by is not the one of the table', [], {
    table: metadata.location,
    column: changed.name,
    id: changed.id,
  })
}

function changeSchema(metadata: TableMetadata, given: SchemaChanges): ActionCommit {
  const before = currentSchema(metadata)
  const changes = typeof given === 'function' ? given(before, metadata) : given
  if (changes.length === 0) return { requirements: [], updates: [] }
  for (const change of changes) refuseUsedColumn(metadata, before, change)
  const { schema, lastColumnId } = applySchemaChanges(before, metadata.lastColumnId, changes)
  // A catalog of others may not look.
  checkNewPartitionNames(metadata, withCurrentSchema(metadata, schema))
  return {
    requirements: [
      { type: 'assert-table-uuid', uuid: metadata.tableUuid },
      { type: 'assert-current-schema-id', currentSchemaId: metadata.currentSchemaId },
      { type: 'assert-last-assigned-field-id', lastAssignedFieldId: metadata.lastColumnId },
      // Another writer may create a spec on a column that is dropped here.
      { type: 'assert-default-spec-id', defaultSpecId: metadata.defaultSpecId },
    ],
    updates: [
      { action: 'add-schema', schema, lastColumnId },
      { action: 'set-current-schema', schemaId: -1 },
    ],
  }
}

function withCurrentSchema(metadata: TableMetadata, schema: Schema): TableMetadata {
  const schemaId = -1
  return { ...metadata, schemas: [{ ...schema, schemaId }], currentSchemaId: schemaId }
}

/** Throws when the change drops a column that partitions or sorts new files. */
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
