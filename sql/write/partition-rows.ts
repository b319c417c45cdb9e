/**
 * Splits the typed rows of a batch by partition tuple: which tuples there are, how many rows each
 * has, and the condition that selects them.
 */
import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api'
import {
  applyTransform,
  fieldById,
  type NestedField,
  type PartitionField,
  type PartitionSpec,
  type PrimitiveType,
  type Schema,
  transformResultType,
  type Value,
  valueFromJson,
} from '../../catalog/format/index.ts'
import { CorruptDataError, ValidationError } from '../../common/index.ts'
import { quoteIdentifier, quoteLiteral } from '../text/sql-text.ts'
import { primitiveType } from './parquet-statistics.ts'
import { transformSql } from './partition-sql.ts'

/** A batch with more partitions than this means that the partition spec is wrong for the data. */
const tuplesMax = 10_000

export interface RowGroup {
  readonly partition: readonly (Value | null)[]
  /** SQL over the columns of `table`; empty for an unpartitioned table. */
  readonly condition: string
  readonly rowCount: number
}

export interface PartitionedRows {
  readonly table: string
  readonly groups: readonly RowGroup[]
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
  readonly keys: readonly KeyColumn[]
  /** Select items that the table of rows needs beside the schema's columns. */
  readonly selectItems: readonly string[]
}

export function planPartitions(schema: Schema, spec: PartitionSpec): PartitionPlan {
  const keys = spec.fields.map((field, index) => keyColumn(schema, field, index))
  const selectItems = keys.flatMap((key) =>
    key.sql === undefined ? [] : [`${key.sql} AS ${key.name}`],
  )
  return { keys, selectItems }
}

/** The rows of a group with the columns of the schema. */
export function groupSelect({ fields }: Schema, table: string, group: RowGroup): string {
  const columns = fields.map((field) => quoteIdentifier(field.name)).join(', ')
  return `SELECT ${columns} FROM ${table}${group.condition === '' ? '' : ` WHERE ${group.condition}`}`
}

/**
 * Splits `batch_rows`, which holds the columns that `plan` needs. Where a transform has no SQL the
 * rows are joined with a table of their distinct values, as `batch_partitioned`.
 */
export async function partitionRows(
  connection: DuckDBConnection,
  plan: PartitionPlan,
): Promise<PartitionedRows> {
  const { keys } = plan
  if (keys.length === 0) {
    const result = await connection.runAndReadAll('SELECT count(*) FROM batch_rows')
    const rowCount = Number(result.getRows()[0]?.[0])
    return { table: 'batch_rows', groups: [{ partition: [], condition: '', rowCount }] }
  }
  const table = await joinTransformed(connection, keys)
  const names = keys.map((key) => key.name).join(', ')
  const result = await connection.runAndReadAll(
    `SELECT ${names}, count(*) FROM ${table} GROUP BY ${names} ORDER BY ${names}`,
  )
  const rows = result.getRows()
  if (rows.length > tuplesMax) {
    throw new ValidationError('one batch falls into too many partitions; partition more coarsely', {
      facts: { partitions: rows.length, limit: tuplesMax },
    })
  }
  return { table, groups: rows.map((row) => rowGroup(keys, row)) }
}

/** The table that holds every key: the rows themselves unless a transform needs JavaScript. */
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
    `CREATE OR REPLACE TEMP TABLE batch_partitioned AS
     SELECT batch_rows.*, ${results} FROM batch_rows ${joins.join(' ')}`,
  )
  return 'batch_partitioned'
}

function rowGroup(keys: readonly KeyColumn[], row: readonly DuckDBValue[]): RowGroup {
  return {
    partition: keys.map((key, index) => partitionValue(key.resultType, row[index] ?? null)),
    condition: keys.map((key, index) => `${key.name} ${sameAs(row[index] ?? null)}`).join(' AND '),
    rowCount: Number(row[keys.length]),
  }
}

function keyColumn(schema: Schema, field: PartitionField, index: number): KeyColumn {
  const source = sourceColumn(schema, field)
  const sourceType = primitiveType(source.type, source.name)
  const resultType = transformResultType(field.transform, sourceType)
  const column = quoteIdentifier(source.name)
  const sql = transformSql(field.transform, sourceType, column)
  const isWhole = field.transform.kind !== 'identity' && field.transform.kind !== 'truncate'
  return {
    name: unusedName(schema, index),
    sql: sql === undefined || isWhole ? sql : comparable(resultType, sql),
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
  const distinct = await connection.runAndReadAll(
    `SELECT DISTINCT ${sourceText(sourceType, column)} FROM batch_rows`,
  )
  const isBucket = field.transform.kind === 'bucket'
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE ${table} (source VARCHAR, result ${isBucket ? 'INTEGER' : 'VARCHAR'})`,
  )
  const appender = await connection.createAppender(table)
  for (const [text] of distinct.getRows()) {
    const value = typeof text === 'string' ? valueFromJson(sourceType, text) : null
    const result = applyTransform(field.transform, sourceType, value)
    if (typeof text === 'string') appender.appendVarchar(text)
    else appender.appendNull()
    if (result === null) appender.appendNull()
    else if (isBucket) appender.appendInteger(Number(result))
    else appender.appendVarchar(partitionText(sourceType, result))
    appender.endRow()
  }
  appender.closeSync()
}

function partitionText(type: PrimitiveType, value: Value): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (type.type !== 'decimal') return String(value)
  const digits = String(value)
    .replace('-', '')
    .padStart(type.scale + 1, '0')
  const whole = digits.slice(0, digits.length - type.scale)
  const sign = String(value).startsWith('-') ? '-' : ''
  return type.scale === 0 ? sign + whole : `${sign}${whole}.${digits.slice(-type.scale)}`
}

/** Text from which `valueFromJson` reads the same value back. */
function sourceText(type: PrimitiveType, column: string): string {
  return type.type === 'binary' ? `lower(hex(${column}))` : `CAST(${column} AS VARCHAR)`
}

/** A form that groups by Iceberg's notion of equality and comes back to JavaScript exactly. */
function comparable(type: PrimitiveType, sql: string): string {
  switch (type.type) {
    case 'date':
      return `CAST(date_diff('day', DATE '1970-01-01', ${sql}) AS INTEGER)`
    case 'timestamp':
    case 'timestamptz':
      return `epoch_us(${sql})`
    case 'time':
      return `CAST(epoch_us(${sql}) AS BIGINT)`
    case 'decimal':
    case 'uuid':
      return `CAST(${sql} AS VARCHAR)`
    case 'binary':
      return `lower(hex(${sql}))`
    default:
      return sql
  }
}

function partitionValue(type: PrimitiveType, value: DuckDBValue): Value | null {
  if (value === null) return null
  switch (type.type) {
    case 'boolean':
    case 'int':
    case 'date':
    case 'float':
    case 'double':
    case 'string':
      return value as Value
    case 'long':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      return BigInt(value as bigint)
    case 'decimal':
    case 'uuid':
    case 'binary':
      return valueFromJson(type, value as string)
    case 'fixed':
      throw new CorruptDataError('fixed columns are not written')
  }
}

function sameAs(value: DuckDBValue): string {
  if (value === null) return 'IS NULL'
  if (typeof value === 'string') {
    // A NUL ends SQL text, so such a string travels as hex.
    if (!value.includes('\0')) return `= ${quoteLiteral(value)}`
    return `= decode(unhex('${Buffer.from(value, 'utf8').toString('hex')}'))`
  }
  if (typeof value === 'number' && !Number.isFinite(value)) return `= '${value}'::DOUBLE`
  return `= ${String(value)}`
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

function unusedName(schema: Schema, index: number): string {
  const taken = new Set(schema.fields.map((field) => field.name.toLowerCase()))
  let name = `__partition_${index}`
  while (taken.has(name)) name = `_${name}`
  return name
}
