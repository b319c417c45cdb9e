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
  formatIdentifier,
  type TableIdentifier,
} from '../../catalog/format/index.ts'
import { type Catalog, loadTableIfExists, type Table } from '../../catalog/index.ts'
import {
  AlreadyExistsError,
  CommitFailedError,
  NotFoundError,
  type RetryPolicy,
  type RetryTools,
  ValidationError,
  withRetry,
} from '../../common/index.ts'
import type { StreamSettings } from '../settings/stream-settings.ts'
import { deadLetterFields } from '../dead-letter/dead-letter.ts'
import type { EvolvedSchema, SchemaEvolution } from '../decode/row-decoder.ts'
import { metadataFields } from './metadata-columns.ts'

/** Racing changes of a schema are rare; this many lost rounds mean that something is wrong. */
const evolveRetry: RetryPolicy = {
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

/** Adds the columns of `evolution` to the table; returns the table as it is then. */
export async function evolveTable(
  catalog: Catalog,
  identifier: TableIdentifier,
  evolution: SchemaEvolution,
  tools: RetryTools,
): Promise<{ readonly table: Table; readonly evolved: EvolvedSchema }> {
  const retry = { ...tools, shouldRetry: (error: unknown) => error instanceof CommitFailedError }
  return withRetry(evolveRetry, retry, async () => {
    const base = await catalog.loadTable(identifier)
    const { metadata } = base
    const evolved = evolution(currentSchema(metadata), metadata.lastColumnId)
    if (evolved.added.length === 0) return { table: base, evolved }
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
          schema: { ...evolved.schema, schemaId: nextSchemaId(metadata.schemas) },
          lastColumnId: evolved.lastColumnId,
        },
        { action: 'set-current-schema', schemaId: -1 },
      ],
    })
    return { table, evolved }
  })
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
