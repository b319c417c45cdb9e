/**
 * Partition values computed by DuckDB over a whole batch (spec, "Partition Transforms" and Appendix
 * B). Where SQL has no equal of the transform (bucket over text and the like) the distinct source
 * values are transformed by the catalog's own code and joined back.
 */
import type { DuckDBValue } from '@duckdb/node-api'
import {
  applyTransform,
  type PrimitiveType,
  type Transform,
  type Value,
} from '../../catalog/format/index.ts'
import { UnsupportedError } from '../../common/index.ts'
import { engineValue } from '../text/engine-value.ts'
import { duckdbTypeName } from '../text/type-name.ts'

const microsPerDay = 86_400_000_000n
const microsPerHour = 3_600_000_000n

/** SQL for the transform of `column` (already quoted), or undefined when only JavaScript can. */
export function transformSql(
  transform: Transform,
  type: PrimitiveType,
  column: string,
): string | undefined {
  const sql = finiteSql(transform, type, column)
  if (sql === undefined || transform.kind === 'void' || !hasDate(type)) return sql
  return withInfinities(sql, transform, type, column)
}

/** NULL for the infinities of times, too. Values come back from DuckDB exactly, and group as Iceberg compares. */
function finiteSql(transform: Transform, type: PrimitiveType, column: string): string | undefined {
  switch (transform.kind) {
    case 'void':
      return `CAST(NULL AS ${duckdbTypeName(type)})`
    case 'identity':
      return comparable(type, column)
    case 'year':
    case 'month':
      // date_diff counts boundaries crossed, which floors before 1970 as the spec requires.
      return `CAST(date_diff('${transform.kind}', DATE '1970-01-01', ${asDate(type, column)}) AS INTEGER)`
    case 'day':
      if (type.type === 'date') return epochDays(column)
      return `CAST(${floorTo(`epoch_us(${column})`, microsPerDay)} / ${microsPerDay} AS INTEGER)`
    case 'hour': {
      const hours = `(${floorTo(`epoch_us(${column})`, microsPerHour)} / ${microsPerHour})`
      const held = `CASE WHEN ${hours} > 2147483647 THEN 2147483647 WHEN ${hours} < -2147483648 THEN -2147483648 ELSE ${hours} END`
      return `CAST(${held} AS INTEGER)`
    }
    case 'truncate': {
      const sql = truncateSql(transform.width, type, column)
      return sql === undefined ? undefined : comparable(type, sql)
    }
    case 'bucket':
      return bucketSql(transform.buckets, type, column)
    case 'unknown':
      throw new UnsupportedError('cannot write with this partition transform', {
        facts: { transform: transform.text },
      })
  }
}

function hasDate({ type }: PrimitiveType): boolean {
  return type === 'date' || type === 'timestamp' || type === 'timestamptz'
}

/** The infinities are numbers to Iceberg, far out, and DuckDB's functions of times make NULL of them. */
function withInfinities(
  sql: string,
  transform: Transform,
  type: PrimitiveType,
  column: string,
): string {
  const cases = ['infinity', '-infinity'].map((text) => {
    const result = applyTransform(transform, type, engineValue(type, text))
    return `WHEN ${column} = '${text}'::${duckdbTypeName(type)} THEN ${String(result)}`
  })
  return `coalesce(${sql}, CASE ${cases.join(' ')} END)`
}

/** A form that groups by Iceberg's notion of equality and comes back to JavaScript exactly. */
function comparable(type: PrimitiveType, sql: string): string {
  switch (type.type) {
    case 'date':
      return epochDays(sql)
    case 'timestamp':
    case 'timestamptz':
    case 'time':
      return `CAST(epoch_us(${sql}) AS BIGINT)`
    case 'float':
    case 'double':
    case 'decimal':
    case 'uuid':
      // Text distinguishes -0.0 from 0.0, which are equal to DuckDB.
      return `CAST(${sql} AS VARCHAR)`
    case 'binary':
      return `lower(hex(${sql}))`
    default:
      return sql
  }
}

/** A value of `comparable`, or a result of any transform, read from a row. */
export function partitionValue(type: PrimitiveType, value: DuckDBValue): Value | null {
  if (value === null) return null
  switch (type.type) {
    case 'long':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      return BigInt(value as bigint)
    case 'float':
    case 'double':
    case 'decimal':
    case 'uuid':
    case 'binary':
      return engineValue(type, value as string)
    default:
      return value as Value
  }
}

function epochDays(sql: string): string {
  return `CAST(date_diff('day', DATE '1970-01-01', ${sql}) AS INTEGER)`
}

/** Not by a cast from TIMESTAMPTZ: that goes through the session's zone and costs ten times as much. */
function asDate(type: PrimitiveType, column: string): string {
  return type.type === 'date' ? column : `CAST(make_timestamp(epoch_us(${column})) AS DATE)`
}

function truncateSql(width: number, type: PrimitiveType, column: string): string | undefined {
  switch (type.type) {
    case 'int':
    case 'long': {
      // Just above the least value the multiple leaves the type's range; Java's arithmetic wraps.
      const bits = type.type === 'int' ? 32n : 64n
      const floored = floorTo(`CAST(${column} AS HUGEINT)`, BigInt(width))
      const wrapped = `if(${floored} < ${-(2n ** (bits - 1n))}, ${floored} + ${2n ** bits}, ${floored})`
      return `CAST(${wrapped} AS ${duckdbTypeName(type)})`
    }
    case 'string':
      return `left(${column}, ${width})`
    default:
      return undefined
  }
}

/** The largest multiple of `width` that is not above the value; remainders stay positive. */
function floorTo(value: string, width: bigint): string {
  return `(${value} - (((${value}) % ${width} + ${width}) % ${width}))`
}

function bucketSql(buckets: number, type: PrimitiveType, column: string): string | undefined {
  switch (type.type) {
    case 'int':
    case 'long':
      return `tide_bucket(CAST(${column} AS BIGINT), ${buckets})`
    case 'date':
      return `tide_bucket(CAST(${epochDays(column)} AS BIGINT), ${buckets})`
    case 'timestamp':
    case 'timestamptz':
      return `tide_bucket(epoch_us(${column}), ${buckets})`
    default:
      return undefined
  }
}

/**
 * murmur3_x86_32 (seed 0) over the 8 little-endian bytes of a long. Products of two 32-bit numbers
 * fit 64 unsigned bits, so each step multiplies and masks.
 */
export const bucketMacros: readonly string[] = [
  `CREATE TEMP MACRO tide_rotl(x, n, m) AS ((x * m) & 4294967295) | (x >> (32 - n))`,
  `CREATE TEMP MACRO tide_mix_k(k) AS
     (tide_rotl((k * 3432918353::UBIGINT) & 4294967295, 15, 32768::UBIGINT) * 461845907::UBIGINT) & 4294967295`,
  `CREATE TEMP MACRO tide_mix_h(h, k) AS
     (tide_rotl(xor(h, k), 13, 8192::UBIGINT) * 5::UBIGINT + 3864292196::UBIGINT) & 4294967295`,
  `CREATE TEMP MACRO tide_fmix_1(h) AS (xor(h, h >> 16) * 2246822507::UBIGINT) & 4294967295`,
  `CREATE TEMP MACRO tide_fmix_2(h) AS (xor(h, h >> 13) * 3266489909::UBIGINT) & 4294967295`,
  `CREATE TEMP MACRO tide_fmix(h) AS xor(tide_fmix_2(tide_fmix_1(xor(h, 8::UBIGINT))), tide_fmix_2(tide_fmix_1(xor(h, 8::UBIGINT))) >> 16)`,
  `CREATE TEMP MACRO tide_hash_long(v) AS tide_fmix(tide_mix_h(
     tide_mix_h(0::UBIGINT, tide_mix_k(CAST(v & 4294967295 AS UBIGINT))),
     tide_mix_k(CAST((v >> 32) & 4294967295 AS UBIGINT))))`,
  `CREATE TEMP MACRO tide_bucket(v, n) AS CAST((tide_hash_long(v) & 2147483647) % n AS INTEGER)`,
]
