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
} from '../../catalog/index.ts'
import { CorruptDataError, ValidationError } from '../../common/index.ts'
import { quoteIdentifier, quoteLiteral } from '../sql-text.ts'
import { primitiveType } from './parquet-statistics.ts'
import { bucketMacros, transformSql } from './partition-sql.ts'

/** A batch that falls into more partitions than this is a mistake of the spec, not a workload. */
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
  readonly sql: string
  readonly resultType: PrimitiveType
}

/** Reads `batch_rows`; makes `batch_partitioned` when there is a spec. */
export async function partitionRows(
  connection: DuckDBConnection,
  schema: Schema,
  spec: PartitionSpec,
): Promise<PartitionedRows> {
  if (spec.fields.length === 0) {
    const result = await connection.runAndReadAll('SELECT count(*) FROM batch_rows')
    const rowCount = Number(result.getRows()[0]?.[0])
    return { table: 'batch_rows', groups: [{ partition: [], condition: '', rowCount }] }
  }
  const keys: KeyColumn[] = []
  const joins: string[] = []
  for (const macro of bucketMacros)
    await connection.run(macro.replace('TEMP MACRO', 'OR REPLACE TEMP MACRO'))
  for (const [index, field] of spec.fields.entries()) {
    keys.push(await keyColumn(connection, schema, field, index, joins))
  }
  const computed = keys.map((key) => `${key.sql} AS ${key.name}`).join(', ')
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE batch_partitioned AS
     SELECT batch_rows.*, ${computed} FROM batch_rows ${joins.join(' ')}`,
  )
  const names = keys.map((key) => key.name).join(', ')
  const result = await connection.runAndReadAll(
    `SELECT ${names}, count(*) FROM batch_partitioned GROUP BY ${names} ORDER BY ${names}`,
  )
  const rows = result.getRows()
  if (rows.length > tuplesMax) {
    throw new ValidationError('one batch falls into too many partitions; partition more coarsely', {
      facts: { partitions: rows.length, limit: tuplesMax },
    })
  }
  return { table: 'batch_partitioned', groups: rows.map((row) => rowGroup(keys, row)) }
}

function rowGroup(keys: readonly KeyColumn[], row: readonly DuckDBValue[]): RowGroup {
  return {
    partition: keys.map((key, index) => partitionValue(key.resultType, row[index] ?? null)),
    condition: keys.map((key, index) => `${key.name} ${sameAs(row[index] ?? null)}`).join(' AND '),
    rowCount: Number(row[keys.length]),
  }
}

async function keyColumn(
  connection: DuckDBConnection,
  schema: Schema,
  field: PartitionField,
  index: number,
  joins: string[],
): Promise<KeyColumn> {
  const source = sourceColumn(schema, field)
  const type = primitiveType(source.type, source.name)
  const resultType = transformResultType(field.transform, type)
  const name = unusedName(schema, index)
  const column = `batch_rows.${quoteIdentifier(source.name)}`
  const sql = transformSql(field.transform, type, column)
  if (sql !== undefined) {
    const isWhole = field.transform.kind !== 'identity' && field.transform.kind !== 'truncate'
    return { name, sql: isWhole ? sql : comparable(resultType, sql), resultType }
  }
  const map = `batch_map_${index}`
  await transformDistinct(connection, map, column, type, field)
  joins.push(`LEFT JOIN ${map} ON ${map}.source IS NOT DISTINCT FROM ${sourceText(type, column)}`)
  return { name, sql: `${map}.result`, resultType }
}

/** The catalog's own transform over the distinct values, as a temporary table (source, result). */
async function transformDistinct(
  connection: DuckDBConnection,
  table: string,
  column: string,
  type: PrimitiveType,
  field: PartitionField,
): Promise<void> {
  const distinct = await connection.runAndReadAll(
    `SELECT DISTINCT ${sourceText(type, column)} FROM batch_rows`,
  )
  const isBucket = field.transform.kind === 'bucket'
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE ${table} (source VARCHAR, result ${isBucket ? 'INTEGER' : 'VARCHAR'})`,
  )
  const appender = await connection.createAppender(table)
  for (const [text] of distinct.getRows()) {
    const value = typeof text === 'string' ? valueFromJson(type, text) : null
    const result = applyTransform(field.transform, type, value)
    if (typeof text === 'string') appender.appendVarchar(text)
    else appender.appendNull()
    if (result === null) appender.appendNull()
    else if (isBucket) appender.appendInteger(Number(result))
    else appender.appendVarchar(partitionText(type, result))
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
