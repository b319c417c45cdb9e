/**
 * Metadata of a table that does not exist yet.
 *
 * Fields get fresh ids, because a client's ids may come from another table; the partition spec and the sort
 * order are translated to the new ids. Spec: "Table Metadata Fields".
 */
import { UnsupportedError, ValidationError } from '../../common/index.ts'
import { firstPartitionFieldId } from '../format/partition-spec-json.ts'
import { assignFreshIds, childFields, validateSchema } from '../format/schema.ts'
import type {
  NestedField,
  PartitionSpec,
  Schema,
  SortOrder,
  TableMetadata,
} from '../format/types.ts'
import { withoutSlash } from './apply-update.ts'
import { checkPartitionNames } from './check-partition-names.ts'
import { tableProperties } from './properties.ts'

export interface NewTable {
  readonly tableUuid: string
  readonly location: string
  readonly schema: Schema
  readonly partitionSpec?: PartitionSpec
  readonly sortOrder?: SortOrder
  readonly properties?: Readonly<Record<string, string>>
  readonly nowMs: number
}

/** Properties of a new table whose creator does not state them (conventions: zstd, bounded metadata). */
const defaultProperties: Readonly<Record<string, string>> = {
  [tableProperties.parquetCodec.name]: tableProperties.parquetCodec.default,
}

const unsorted: SortOrder = { orderId: 0, fields: [] }

export function newTableMetadata(table: NewTable): TableMetadata {
  const { 'format-version': formatVersion = '2', ...properties } = table.properties ?? {}
  if (formatVersion !== '2') {
    throw new UnsupportedError('new tables are of format version 2', {
      facts: { 'format-version': formatVersion },
    })
  }
  refuseTwinIds(table.schema)
  const fresh = assignFreshIds(table.schema)
  const schema = { ...fresh.schema, schemaId: 0 }
  validateSchema(schema)
  const newId = (id: number): number => translated(fresh.newIds, id)
  const partitionSpec = freshSpec(table.partitionSpec, newId)
  checkPartitionNames(schema, [partitionSpec])
  const sortOrder = freshSortOrder(table.sortOrder, newId)
  return {
    ...blankMetadata,
    tableUuid: table.tableUuid,
    location: withoutSlash(table.location),
    lastUpdatedMs: BigInt(table.nowMs),
    lastColumnId: fresh.lastColumnId,
    schemas: [schema],
    currentSchemaId: 0,
    partitionSpecs: [partitionSpec],
    defaultSpecId: 0,
    lastPartitionId: firstPartitionFieldId - 1 + partitionSpec.fields.length,
    sortOrders: sortOrder === unsorted ? [unsorted] : [unsorted, sortOrder],
    defaultSortOrderId: sortOrder.orderId,
    properties: { ...defaultProperties, ...properties },
  }
}

/** The base of a commit that creates its table by updates alone (REST, "stage-create"). */
export const blankMetadata: TableMetadata = {
  formatVersion: 2,
  tableUuid: '',
  location: '',
  lastSequenceNumber: 0n,
  lastUpdatedMs: 0n,
  lastColumnId: 0,
  schemas: [],
  currentSchemaId: -1,
  partitionSpecs: [],
  defaultSpecId: -1,
  lastPartitionId: firstPartitionFieldId - 1,
  sortOrders: [],
  defaultSortOrderId: -1,
  properties: {},
  snapshots: [],
  snapshotLog: [],
  metadataLog: [],
  refs: {},
}

function freshSpec(spec: PartitionSpec | undefined, newId: (id: number) => number): PartitionSpec {
  const names = spec?.fields.map((field) => field.name) ?? []
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) {
    throw new ValidationError('two partition fields have the same name', { facts: { name: twice } })
  }
  return {
    specId: 0,
    fields: (spec?.fields ?? []).map((field, index) => ({
      ...field,
      sourceId: newId(field.sourceId),
      fieldId: firstPartitionFieldId + index,
    })),
  }
}

function freshSortOrder(order: SortOrder | undefined, newId: (id: number) => number): SortOrder {
  if (order === undefined || order.fields.length === 0) return unsorted
  return {
    orderId: 1,
    fields: order.fields.map((field) => ({ ...field, sourceId: newId(field.sourceId) })),
  }
}

/** A partition or sort field that names an id used twice would be ambiguous. */
function refuseTwinIds(schema: Schema): void {
  const seen = new Set<number>()
  const visit = (fields: readonly NestedField[]): void => {
    for (const { id, name, type } of fields) {
      if (seen.has(id)) {
        throw new ValidationError('two fields of the schema have the same id', {
          facts: { id, field: name },
        })
      }
      seen.add(id)
      visit(childFields(type))
    }
  }
  visit(schema.fields)
}

function translated(newIds: ReadonlyMap<number, number>, id: number): number {
  const fresh = newIds.get(id)
  if (fresh !== undefined) return fresh
  throw new ValidationError('a partition or sort field names a column that does not exist', {
    facts: { sourceId: id },
  })
}
