/** The table of a model: created when it is missing; the run's commit adds the columns of the query. */
import {
  assignFreshIds,
  formatType,
  type NestedField,
  parsePartitionBy,
  type Schema,
  type Type,
  formatIdentifier,
  type TableIdentifier,
} from '../../catalog/format/index.ts'
import {
  loadTableIfExists,
  type SchemaChange,
  stageSchema,
  type Table,
  UpdateSchema,
} from '../../catalog/index.ts'
import { propertyNotes } from '../../catalog/table/index.ts'
import { AlreadyExistsError, ValidationError } from '../../common/index.ts'
import type { ModelConfig } from '../settings/model-settings.ts'
import type { BatchTools } from './model-run.ts'

export interface TargetOptions {
  readonly config: ModelConfig
  /** True when all rows are replaced, so that columns may be dropped or change their types. */
  readonly isReplaced: boolean
}

/** The table that a run writes, with the schema that it will have after the run's commit. */
export interface TargetTable {
  /** Files are written with its schema. */
  readonly table: Table
  /** True when the commit changes the schema of the catalog's table. */
  readonly isSchemaChanged: boolean
  /** Changes the schema in the run's own commit, so that a failed run changes nothing. */
  readonly schemaChange: UpdateSchema
}

/** The table with every column of `columns`; creates it when it is missing, also when others do so at the same time. */
export async function openTarget(
  tools: Pick<BatchTools, 'catalog' | 'clock' | 'logger'>,
  identifier: TableIdentifier,
  columns: readonly NestedField[],
  options: TargetOptions,
): Promise<TargetTable> {
  const { catalog, clock } = tools
  checkColumns(identifier, columns)
  const existing =
    (await loadTableIfExists(catalog, identifier)) ??
    (await createTable(tools, identifier, columns, options.config))
  const changes = (schema: Schema): readonly SchemaChange[] =>
    planSchema(identifier, schema, columns, options)
  const table = stageSchema(existing, changes, clock)
  return {
    table,
    isSchemaChanged: table.metadata.currentSchemaId !== existing.metadata.currentSchemaId,
    schemaChange: new UpdateSchema(changes),
  }
}

async function createTable(
  { catalog, logger }: Pick<BatchTools, 'catalog' | 'logger'>,
  identifier: TableIdentifier,
  columns: readonly NestedField[],
  config: ModelConfig,
): Promise<Table> {
  for (const note of propertyNotes(config.properties)) {
    logger.warn('table.property-without-effect', { note })
  }
  const { schema } = assignFreshIds({ schemaId: 0, identifierFieldIds: [], fields: columns })
  const partitionSpec = parsePartitionBy(config.partitionBy, schema)
  for (let depth = 1; depth <= identifier.namespace.length; depth++) {
    await catalog.createNamespace(identifier.namespace.slice(0, depth)).catch(unlessItExists)
  }
  const { properties } = config
  const created = await catalog
    .createTable({ identifier, schema, partitionSpec, properties })
    .catch(unlessItExists)
  return created ?? catalog.loadTable(identifier)
}

/** The schema changes that rows of `columns` need. Throws ValidationError for types that do not fit. */
function planSchema(
  identifier: TableIdentifier,
  schema: Schema,
  columns: readonly NestedField[],
  { config, isReplaced }: TargetOptions,
): readonly SchemaChange[] {
  const name = formatIdentifier(identifier)
  const changes: SchemaChange[] = []
  for (const column of columns) {
    const existing = schema.fields.find((field) => field.name === column.name)
    if (existing === undefined) changes.push(...addition(column, config, isReplaced, name))
    else if (!holds(existing.type, column.type)) {
      changes.push(...retyping(column, existing, { config, isReplaced }, name))
    }
  }
  if (!isReplaced) return changes
  const given = new Set(columns.map((column) => column.name))
  for (const field of schema.fields) {
    if (!given.has(field.name)) changes.push({ kind: 'drop-column', path: [field.name] })
  }
  return changes
}

function addition(
  column: NestedField,
  { onSchemaChange, snapshot }: ModelConfig,
  isReplaced: boolean,
  table: string,
): readonly SchemaChange[] {
  const add: SchemaChange = { kind: 'add-column', parent: [], name: column.name, type: column.type }
  if (isReplaced || onSchemaChange === 'append_new_columns') return [add]
  if (onSchemaChange === 'ignore') return []
  throw new ValidationError(
    `the query has a new column, and on_schema_change is fail: use append_new_columns${snapshot === undefined ? ', or --full-refresh' : ''}`,
    { facts: { table, column: column.name } },
  )
}

function retyping(
  column: NestedField,
  existing: NestedField,
  { config, isReplaced }: TargetOptions,
  table: string,
): readonly SchemaChange[] {
  const path = [column.name]
  if (isReplaced) {
    const { name, type } = column
    return [
      { kind: 'drop-column', path },
      { kind: 'add-column', parent: [], name, type },
    ]
  }
  if (holds(column.type, existing.type)) return [{ kind: 'widen-column', path, type: column.type }]
  throw new ValidationError(
    config.snapshot === undefined
      ? 'a column of the query has another type than in the table: cast it, or rebuild the table with --full-refresh'
      : 'a column of the query has another type than in the history: cast it in the query, give it another name there, or give the snapshot another name for a new history',
    {
      facts: {
        table,
        column: column.name,
        actual: formatType(column.type),
        expected: formatType(existing.type),
      },
    },
  )
}

/** Whether every value of `narrow` is a value of `wide` (spec, "Schema Evolution"). */
function holds(wide: Type, narrow: Type): boolean {
  if (formatType(wide) === formatType(narrow)) return true
  if (wide.type === 'long') return narrow.type === 'int'
  if (wide.type === 'double') return narrow.type === 'float'
  return (
    wide.type === 'decimal' &&
    narrow.type === 'decimal' &&
    wide.scale === narrow.scale &&
    wide.precision >= narrow.precision
  )
}

/** SQL takes names that differ only in case for the same. */
function checkColumns(identifier: TableIdentifier, columns: readonly NestedField[]): void {
  const seen = new Set<string>()
  for (const { name } of columns) {
    const key = name.toLowerCase()
    if (seen.has(key)) {
      throw new ValidationError('two columns of the query have one name: give each an alias', {
        facts: { table: formatIdentifier(identifier), column: name },
      })
    }
    seen.add(key)
  }
}

function unlessItExists(error: unknown): undefined {
  if (error instanceof AlreadyExistsError) return undefined
  throw error
}
