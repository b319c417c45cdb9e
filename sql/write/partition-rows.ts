/**
 * Splits the typed rows of a batch by partition tuple: which tuples there are, how many rows each has,
 * and a table in which every row bears the number of its tuple.
 *
 * A tuple is told apart in SQL by values that group as Iceberg compares (-0.0 is not 0.0, a NULL is a
 * value of its own), so that JavaScript sees each tuple once and each row never.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import {
  applyTransform,
  fieldById,
  formatDecimal,
  type NestedField,
  type PartitionField,
  type PartitionSpec,
  type PrimitiveType,
  type Schema,
  transformResultType,
  type Value,
} from '../../catalog/format/index.ts'
import { ValidationError } from '../../common/index.ts'
import { engineValue } from '../text/engine-value.ts'
import { quoteIdentifier } from '../text/sql-text.ts'
import { primitiveType } from './parquet-statistics.ts'
import { partitionValue, transformSql } from './partition-sql.ts'

export interface PartitionTuple {
  readonly partition: readonly (Value | null)[]
  readonly rowCount: number
}

export interface PartitionedRows {
  /** A relation with the schema's columns and, where there are several tuples, `numberColumn`. */
  readonly table: string
  /** Holds for each row the place of its tuple in `tuples`, from 0. */
  readonly numberColumn: string
  readonly tuples: readonly PartitionTuple[]
}

interface KeyColumn {
  readonly name: string
  /** Undefined where only JavaScript can compute it. */
  readonly sql: string | undefined
  /** The source column, quoted. */
  readonly column: string
  readonly field: PartitionField
  readonly sourceType: PrimitiveType
  readonly resultType: PrimitiveType
}

/** What a batch is split by, computed before the rows are typed so that they are materialised once. */
export interface PartitionPlan {
  readonly schema: Schema
  readonly keys: readonly KeyColumn[]
  /** Select items that the table of rows needs beside the schema's columns. */
  readonly selectItems: readonly string[]
}

export function planPartitions(schema: Schema, spec: PartitionSpec): PartitionPlan {
  const keys = spec.fields.map((field, index) => keyColumn(schema, field, index))
  const selectItems = keys.flatMap((key) =>
    key.sql === undefined ? [] : [`${key.sql} AS ${key.name}`],
  )
  return { schema, keys, selectItems }
}

/** The columns of a schema as a select list. */
export function columnList({ fields }: Schema): string {
  return fields.map((field) => quoteIdentifier(field.name)).join(', ')
}

/**
 * Splits `batch_rows`, which holds the columns that `plan` needs. Rows of several tuples are moved into
 * `batch_sorted`, those of one tuple together: so many files are written in one pass over it.
 */
export async function partitionRows(
  connection: DuckDBConnection,
  plan: PartitionPlan,
  batchRows: 'table' | 'view',
): Promise<PartitionedRows> {
  const { keys, schema } = plan
  const numberColumn = unusedName(schema, 'tuple')
  if (keys.length === 0) {
    const result = await connection.runAndReadAll('SELECT count(*) FROM batch_rows')
    const rowCount = Number(result.getRows()[0]?.[0])
    return { table: 'batch_rows', numberColumn, tuples: [{ partition: [], rowCount }] }
  }
  const table = await joinTransformed(connection, keys)
  const names = keys.map((key) => key.name).join(', ')
  const number = quoteIdentifier(numberColumn)
  const count = quoteIdentifier(unusedName(schema, 'rows'))
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE batch_tuples AS
     SELECT (row_number() OVER (ORDER BY ${names}) - 1)::INTEGER AS ${number}, *
     FROM (SELECT ${names}, count(*) AS ${count} FROM ${table} GROUP BY ${names})`,
  )
  const tuples = await readTuples(
    connection,
    plan,
    `SELECT ${count}, ${names} FROM batch_tuples ORDER BY ${number}`,
  )
  if (tuples.length <= 1) return { table, numberColumn, tuples }
  const same = keys.map(({ name }) => `r.${name} IS NOT DISTINCT FROM t.${name}`).join(' AND ')
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE batch_sorted AS
     SELECT ${columnList(schema)}, t.${number} FROM ${table} AS r JOIN batch_tuples AS t ON ${same}
     ORDER BY t.${number}`,
  )
  // Two copies of a large batch would not fit into memory.
  if (batchRows === 'table') await connection.run('DROP TABLE batch_rows')
  return { table: 'batch_sorted', numberColumn, tuples }
}

/** Drops what `partitionRows` made. */
export async function dropPartitioned(connection: DuckDBConnection): Promise<void> {
  await connection.run('DROP VIEW IF EXISTS batch_keyed')
  for (const table of ['batch_sorted', 'batch_tuples']) {
    await connection.run(`DROP TABLE IF EXISTS ${table}`)
  }
}

async function readTuples(
  connection: DuckDBConnection,
  { keys }: PartitionPlan,
  select: string,
): Promise<readonly PartitionTuple[]> {
  const result = await connection.runAndReadAll(select)
  return result.getRows().map(([count, ...values]) => ({
    rowCount: Number(count),
    partition: keys.map((key, index) => partitionValue(key.resultType, values[index] ?? null)),
  }))
}

/** The relation that holds every key: the rows themselves unless a transform needs JavaScript. */
async function joinTransformed(
  connection: DuckDBConnection,
  keys: readonly KeyColumn[],
): Promise<string> {
  const missing = keys.filter((key) => key.sql === undefined)
  if (missing.length === 0) return 'batch_rows'
  const joins: string[] = []
  for (const key of missing) {
    const map = `map${key.name}`
    await transformDistinct(connection, map, key)
    const source = sourceText(key.sourceType, key.column)
    joins.push(`LEFT JOIN ${map} ON ${map}.source IS NOT DISTINCT FROM ${source}`)
  }
  const results = missing.map((key) => `map${key.name}.result AS ${key.name}`).join(', ')
  await connection.run(
    `CREATE OR REPLACE TEMP VIEW batch_keyed AS
     SELECT batch_rows.*, ${results} FROM batch_rows ${joins.join(' ')}`,
  )
  return 'batch_keyed'
}

function keyColumn(schema: Schema, field: PartitionField, index: number): KeyColumn {
  const source = sourceColumn(schema, field)
  const sourceType = primitiveType(source.type, source.name)
  const resultType = transformResultType(field.transform, sourceType)
  const column = quoteIdentifier(source.name)
  return {
    name: unusedName(schema, `partition_${index}`),
    sql: transformSql(field.transform, sourceType, column),
    column,
    field,
    sourceType,
    resultType,
  }
}

/** The catalog's own transform over the distinct values, as a temporary table (source, result). */
async function transformDistinct(
  connection: DuckDBConnection,
  table: string,
  { column, field, sourceType }: KeyColumn,
): Promise<void> {
  const isBucket = field.transform.kind === 'bucket'
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE ${table} (source VARCHAR, result ${isBucket ? 'INTEGER' : 'VARCHAR'})`,
  )
  const distinct = await connection.run(
    `SELECT DISTINCT ${sourceText(sourceType, column)} FROM batch_rows`,
  )
  const appender = await connection.createAppender(table)
  for (;;) {
    const chunk = await distinct.fetchChunk()
    if (chunk === null || chunk.rowCount === 0) break
    for (const text of chunk.getColumnValues(0)) {
      const value = typeof text === 'string' ? engineValue(sourceType, text) : null
      const result = applyTransform(field.transform, sourceType, value)
      if (typeof text === 'string') appender.appendVarchar(text)
      else appender.appendNull()
      if (result === null) appender.appendNull()
      else if (isBucket) appender.appendInteger(Number(result))
      else appender.appendVarchar(partitionText(sourceType, result))
      appender.endRow()
    }
  }
  appender.closeSync()
}

/** Text from which `engineValue` reads the same value back. */
function partitionText(type: PrimitiveType, value: Value): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  return type.type === 'decimal' ? formatDecimal(value as bigint, type.scale) : String(value)
}

/** The same of a column. */
function sourceText(type: PrimitiveType, column: string): string {
  return type.type === 'binary' ? `lower(hex(${column}))` : `CAST(${column} AS VARCHAR)`
}

function sourceColumn(schema: Schema, field: PartitionField): NestedField {
  const source = fieldById(schema, field.sourceId)
  if (source === undefined || !schema.fields.includes(source)) {
    throw new ValidationError('a partition field takes its value from no top-level column', {
      facts: { partitionField: field.name, sourceId: field.sourceId },
    })
  }
  return source
}

/** A name of our own that no column has. */
function unusedName(schema: Schema, word: string): string {
  const taken = new Set(schema.fields.map((field) => field.name.toLowerCase()))
  let name = `__${word}`
  while (taken.has(name)) name = `_${name}`
  return name
}
