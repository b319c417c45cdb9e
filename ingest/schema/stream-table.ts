/**
 * The table of a stream: made when it is missing, checked against the settings, grown when records
 * bring new fields.
 */
import {
  assignFreshIds,
  currentSchema,
  type NestedField,
  parsePartitionBy,
  type Schema,
  formatType,
  formatIdentifier,
  type TableIdentifier,
} from '../../catalog/format/index.ts'
import { type Catalog, loadTableIfExists, type Table } from '../../catalog/index.ts'
import {
  AlreadyExistsError,
  CommitFailedError,
  type Json,
  NotFoundError,
  parseJsonTokens,
  type RetryPolicy,
  type RetryTools,
  SettingsError,
  ValidationError,
  withRetry,
} from '../../common/index.ts'
import type { StreamSettings } from '../settings/stream-settings.ts'
import { deadLetterFields } from '../dead-letter/dead-letter.ts'
import { type GrownSchema, growSchema } from '../decode/json/evolve-schema.ts'
import { newShape, observe, type Shape } from '../decode/json/infer-schema.ts'
import { metadataFields } from './metadata-columns.ts'

/** Racing changes of a schema are rare; this many lost rounds mean that something is wrong. */
const growRetry: RetryPolicy = {
  retriesMax: 20,
  waitMsMin: 20,
  waitMsMax: 1000,
  totalMsMax: 60_000,
}

/** Creates the stream's table with `fields` and its metadata columns; a racing creator is welcome. */
export async function createStreamTable(
  catalog: Catalog,
  settings: StreamSettings,
  fields: readonly NestedField[],
): Promise<Table> {
  const { table: identifier, partitionBy, properties, autoCreate } = settings.output
  if (!autoCreate) {
    throw new NotFoundError('the table does not exist and output.iceberg.auto_create is off', {
      facts: { table: formatIdentifier(identifier) },
    })
  }
  const side = metadataFields(settings.metadata, settings.input.topics.length > 1)
  const { schema } = assignFreshIds({
    schemaId: 0,
    identifierFieldIds: [],
    fields: [...fields, ...side],
  })
  const partitionSpec = parsePartitionBy(partitionBy, schema)
  return createTable(catalog, identifier, { schema, partitionSpec, properties })
}

export async function ensureDeadLetterTable(
  catalog: Catalog,
  identifier: TableIdentifier,
): Promise<Table> {
  const existing = await loadTableIfExists(catalog, identifier)
  if (existing === undefined) {
    const { schema } = assignFreshIds({
      schemaId: 0,
      identifierFieldIds: [],
      fields: deadLetterFields,
    })
    return createTable(catalog, identifier, { schema })
  }
  const columns = new Map(
    currentSchema(existing.metadata).fields.map((field) => [field.name, field]),
  )
  for (const field of deadLetterFields) {
    if (columns.get(field.name)?.type.type === field.type.type) continue
    throw new ValidationError(
      'the dead-letter table exists with other columns; name another in errors.dlq.table',
      { facts: { table: formatIdentifier(identifier), column: field.name } },
    )
  }
  return existing
}

/** Every declared column must stand in the table with the declared type. */
export function checkDeclared(table: Table, fields: readonly NestedField[]): void {
  const columns = new Map(currentSchema(table.metadata).fields.map((field) => [field.name, field]))
  for (const field of fields) {
    const wanted = formatType(field.type)
    const column = columns.get(field.name)
    const found = column === undefined ? 'no such column' : formatType(column.type)
    if (found === wanted) continue
    throw new SettingsError(
      'schema.fields and the table disagree; change the declaration or the table, or write to a new table',
      {
        facts: {
          table: formatIdentifier(table.identifier),
          field: field.name,
          declared: wanted,
          found,
        },
      },
    )
  }
}

/** Adds to the table what `records` hold beyond its schema; returns the table as it is then. */
export async function growTable(
  catalog: Catalog,
  identifier: TableIdentifier,
  records: readonly Uint8Array[],
  tools: RetryTools,
): Promise<{ readonly table: Table; readonly grown: GrownSchema }> {
  const shape = newShape()
  for (const record of records) observeRecord(shape, record)
  const retry = { ...tools, shouldRetry: (error: unknown) => error instanceof CommitFailedError }
  return withRetry(growRetry, retry, async () => {
    const base = await catalog.loadTable(identifier)
    const { metadata } = base
    const grown = growSchema(currentSchema(metadata), metadata.lastColumnId, shape)
    if (grown.added.length === 0) return { table: base, grown }
    const table = await catalog.commitTable({
      identifier,
      requirements: [
        { type: 'assert-table-uuid', uuid: metadata.tableUuid },
        { type: 'assert-current-schema-id', currentSchemaId: metadata.currentSchemaId },
        { type: 'assert-last-assigned-field-id', lastAssignedFieldId: metadata.lastColumnId },
      ],
      updates: [
        {
          action: 'add-schema',
          schema: { ...grown.schema, schemaId: nextSchemaId(metadata.schemas) },
          lastColumnId: grown.lastColumnId,
        },
        { action: 'set-current-schema', schemaId: -1 },
      ],
    })
    return { table, grown }
  })
}

/** One that does not parse brings nothing; it becomes a dead letter when it is scanned again. */
function observeRecord(shape: Shape, record: Uint8Array): void {
  let value: Json
  try {
    value = parseJsonTokens(Buffer.from(record).toString('utf8'))
  } catch {
    return
  }
  observe(shape, value)
}

async function createTable(
  catalog: Catalog,
  identifier: TableIdentifier,
  parts: Omit<Parameters<Catalog['createTable']>[0], 'identifier'>,
): Promise<Table> {
  for (let depth = 1; depth <= identifier.namespace.length; depth++) {
    try {
      await catalog.createNamespace(identifier.namespace.slice(0, depth))
    } catch (error) {
      if (!(error instanceof AlreadyExistsError)) throw error
    }
  }
  try {
    return await catalog.createTable({ identifier, ...parts })
  } catch (error) {
    if (error instanceof AlreadyExistsError) return catalog.loadTable(identifier)
    throw error
  }
}

function nextSchemaId(schemas: readonly Schema[]): number {
  return Math.max(...schemas.map((schema) => schema.schemaId)) + 1
}
