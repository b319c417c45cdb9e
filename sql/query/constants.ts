/**
 * Constant parts of a query (`DATE '2026-01-01'`, `now() - INTERVAL 1 HOUR`), evaluated by DuckDB
 * itself, in the transaction that the query will run in, so that both see the same `now()`.
 */
import {
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBTimeValue,
  DuckDBBlobValue,
  DuckDBTypeId,
  DuckDBUUIDValue,
  type DuckDBConnection,
  type DuckDBType,
  type DuckDBValue,
} from '@duckdb/node-api'
import { isJsonObject } from '../../common/index.ts'
import { quoteLiteral } from '../sql-text.ts'
import { child, children, expressionTexts, textOf, textsOf, type Node } from './syntax-tree.ts'

/** A constant with exactly the value that DuckDB would compare with. */
export type Constant =
  /** An exact number: numerator / denominator; `digits` of its integer part as DuckDB types it. */
  | {
      readonly kind: 'exact'
      readonly numerator: bigint
      readonly denominator: bigint
      readonly wholeDigits: number
      readonly scale: number
    }
  | { readonly kind: 'double'; readonly value: number }
  | { readonly kind: 'date'; readonly days: number }
  | { readonly kind: 'time'; readonly micros: bigint }
  | { readonly kind: 'timestamp' | 'timestamptz'; readonly micros: bigint }
  | { readonly kind: 'string' | 'uuid'; readonly text: string }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'binary'; readonly bytes: Uint8Array }

/** A constant to evaluate; `castTo` is the column's type, which DuckDB gives to a bare string. */
export interface ConstantRequest {
  readonly expression: Node
  readonly castTo: string | undefined
}

/** Functions of constants that give the same answer whenever they are called in one transaction. */
const stableFunctions = new Set(
  `+ - * / // % || now today get_current_timestamp current_date current_timestamp trunc abs round
  floor ceil to_years to_quarters to_months to_weeks to_days to_hours to_minutes to_seconds
  to_milliseconds to_microseconds date_trunc datetrunc make_date make_timestamp make_timestamptz
  to_timestamp epoch_ms date_add date_sub date_diff strptime lower upper concat`.split(/\s+/),
)
const valueFunctions = new Set(['current_date', 'current_timestamp', 'localtimestamp'])

/** A bare string literal: its type is decided by what it is compared with. */
export function isStringLiteral(node: Node): boolean {
  return textOf(node, 'class') === 'CONSTANT' && constantTypeId(node) === 'VARCHAR'
}

/** True when `node` reads no column; `isColumn` says whether a name like current_date is one. */
export function isConstant(node: Node, isColumn: (name: string) => boolean): boolean {
  switch (textOf(node, 'class')) {
    case 'CONSTANT':
      return true
    case 'CAST':
      return isConstant(child(node, 'child'), isColumn)
    case 'COLUMN_REF': {
      const names = textsOf(node, 'column_names')
      const name = names[0]?.toLowerCase() ?? ''
      return names.length === 1 && valueFunctions.has(name) && !isColumn(name)
    }
    case 'FUNCTION':
      return (
        stableFunctions.has(textOf(node, 'function_name').toLowerCase()) &&
        !isJsonObject(node['filter']) &&
        node['distinct'] !== true &&
        children(node['children']).every((argument) => isConstant(argument, isColumn))
      )
    default:
      return false
  }
}

/**
 * Values of the requests, in order; undefined for NULL and for a type we do not push down. When an
 * expression fails (the query itself will then say why) only bare literals have a value.
 *
 * A failure ends DuckDB's transaction, so `restart` must begin a new one.
 */
export async function evaluateConstants(
  connection: DuckDBConnection,
  requests: readonly ConstantRequest[],
  restart: () => Promise<void>,
): Promise<readonly (Constant | undefined)[]> {
  try {
    return await evaluateAll(connection, requests)
  } catch {
    await restart()
  }
  const isLiteral = (request: ConstantRequest): boolean =>
    request.castTo !== undefined || textOf(request.expression, 'class') === 'CONSTANT'
  try {
    const values = (await evaluateAll(connection, requests.filter(isLiteral))).values()
    return requests.map((request) => (isLiteral(request) ? values.next().value : undefined))
  } catch {
    await restart()
    return requests.map(() => undefined)
  }
}

async function evaluateAll(
  connection: DuckDBConnection,
  requests: readonly ConstantRequest[],
): Promise<readonly (Constant | undefined)[]> {
  const computed = requests.filter((request) => request.castTo === undefined)
  const casts = requests.filter((request) => request.castTo !== undefined)
  const expressions = computed.map((request) => ({ ...request.expression, alias: '' }))
  const fromComputed =
    computed.length === 0
      ? []
      : await evaluate(connection, await expressionTexts(connection, expressions))
  const castTexts = casts.map(
    ({ expression, castTo }) => `TRY_CAST(${quoteLiteral(literalText(expression))} AS ${castTo})`,
  )
  const fromCasts =
    casts.length === 0 ? [] : await evaluate(connection, `SELECT ${castTexts.join(', ')}`)
  const computedValues = fromComputed.values()
  const castValues = fromCasts.values()
  return requests.map(
    (request) => (request.castTo === undefined ? computedValues : castValues).next().value,
  )
}

async function evaluate(
  connection: DuckDBConnection,
  select: string,
): Promise<readonly (Constant | undefined)[]> {
  const reader = await connection.runAndReadAll(select)
  const row = reader.getRows()[0] ?? []
  return row.map((value, index) => toConstant(value, reader.columnType(index)))
}

function toConstant(value: DuckDBValue, type: DuckDBType): Constant | undefined {
  if (value === null) return undefined
  if (typeof value === 'bigint') return exact(value, 0, integerDigits.get(type.typeId) ?? 38)
  if (typeof value === 'string') return { kind: 'string', text: value }
  if (typeof value === 'boolean') return { kind: 'boolean', value }
  if (typeof value === 'number') {
    const isDouble = type.typeId === DuckDBTypeId.DOUBLE || type.typeId === DuckDBTypeId.FLOAT
    if (isDouble) return { kind: 'double', value }
    return exact(BigInt(value), 0, integerDigits.get(type.typeId) ?? 38)
  }
  if (value instanceof DuckDBDecimalValue) {
    return exact(value.value, value.scale, value.width - value.scale)
  }
  return toTemporalConstant(value)
}

function toTemporalConstant(value: DuckDBValue): Constant | undefined {
  if (value instanceof DuckDBDateValue) {
    return value.isFinite ? { kind: 'date', days: value.days } : undefined
  }
  if (value instanceof DuckDBTimestampTZValue) {
    return value.isFinite ? { kind: 'timestamptz', micros: value.micros } : undefined
  }
  if (value instanceof DuckDBTimestampValue) {
    return value.isFinite ? { kind: 'timestamp', micros: value.micros } : undefined
  }
  if (value instanceof DuckDBTimeValue) return { kind: 'time', micros: value.micros }
  if (value instanceof DuckDBUUIDValue) return { kind: 'uuid', text: value.toString() }
  if (value instanceof DuckDBBlobValue) return { kind: 'binary', bytes: value.bytes }
  return undefined
}

function exact(unscaled: bigint, scale: number, digits: number): Constant {
  return {
    kind: 'exact',
    numerator: unscaled,
    denominator: 10n ** BigInt(scale),
    wholeDigits: digits,
    scale,
  }
}

/** Digits that DuckDB reserves when it compares an integer of this type with a decimal. */
const integerDigits: ReadonlyMap<DuckDBTypeId, number> = new Map([
  [DuckDBTypeId.TINYINT, 3],
  [DuckDBTypeId.UTINYINT, 3],
  [DuckDBTypeId.SMALLINT, 5],
  [DuckDBTypeId.USMALLINT, 5],
  [DuckDBTypeId.INTEGER, 10],
  [DuckDBTypeId.UINTEGER, 10],
  [DuckDBTypeId.BIGINT, 19],
  [DuckDBTypeId.UBIGINT, 20],
])

function literalText(node: Node): string {
  return textOf(child(node, 'value'), 'value')
}

function constantTypeId(node: Node): string {
  const value = node['value']
  const type = isJsonObject(value) ? value['type'] : undefined
  return isJsonObject(type) ? textOf(type, 'id') : ''
}
