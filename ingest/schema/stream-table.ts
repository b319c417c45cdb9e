/**
 * The tables of a stream, rows and dead letters: made when they are missing, with the columns that the
 * settings ask for.
 */
import {
  assignFreshIds,
  currentSchema,
  defaultPartitionSpec,
  type NestedField,
  type PartitionByOptions,
  partitionFieldName,
  parsePartitionBy,
  formatIdentifier,
  type TableIdentifier,
} from '../../catalog/format/index.ts'
import { type Catalog, loadTableIfExists, type Table } from '../../catalog/index.ts'
import { AlreadyExistsError, NotFoundError, ValidationError } from '../../common/index.ts'
import type { StreamSettings } from '../settings/stream-settings.ts'
import { deadLetterFields } from '../dead-letter/dead-letter.ts'
import { withInferred } from './inferred-columns.ts'
import { metadataFields } from './metadata-columns.ts'

/** Columns that a person declares leave the names of partition fields to that person. */
export function partitionOptions({ schema }: StreamSettings): PartitionByOptions {
  return { avoidsColumns: schema.mode === 'json_infer' }
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
  const partitionSpec = parsePartitionBy(partitionBy, schema, partitionOptions(settings))
  const isInferred = settings.schema.mode === 'json_infer'
  return createTable(catalog, identifier, {
    schema,
    partitionSpec,
    properties: isInferred ? { ...properties, ...withInferred({}, '', fields) } : properties,
  })
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
  checkDeadLetterTable(existing)
  return existing
}

/** Throws ValidationError for a table that cannot hold dead letters. */
export function checkDeadLetterTable({ identifier, metadata }: Table): void {
  const columns = new Map(currentSchema(metadata).fields.map((field) => [field.name, field]))
  for (const field of deadLetterFields) {
    if (columns.get(field.name)?.type.type === field.type.type) continue
    throw new ValidationError(
      'the dead-letter table exists with other columns; name another in errors.dlq.table',
      { facts: { table: formatIdentifier(identifier), column: field.name } },
    )
  }
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

/** Notes of partition fields that have another name than their terms say, because a column has that one. */
export function renamedPartitionFields(
  { output }: StreamSettings,
  { metadata }: Table,
): readonly string[] {
  const { fields } = defaultPartitionSpec(metadata)
  return output.partitionBy.flatMap(({ column, name, text, transform }, index): string[] => {
    const field = fields[index]
    const usual = partitionFieldName(column, transform)
    if (name !== undefined || field === undefined || field.name === usual) return []
    return [`the field of ${text} is called ${field.name}, because a column is called ${usual}`]
  })
}
