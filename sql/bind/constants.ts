/**
 * Constant parts of a query (`DATE '2026-01-01'`, `now() - INTERVAL 1 HOUR`), evaluated by DuckDB
 * itself, in the transaction that the query will run in, so that both see the same `now()`.
 */
import { isJsonObject } from '../../common/index.ts'
import { quoteLiteral } from '../text/sql-text.ts'
import type { Constant } from '../text/constant-value.ts'
import type { QuerySession } from '../session/query-session.ts'
import { child, children, expressionTexts, textOf, textsOf, type Node } from './syntax-tree.ts'

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
 * expression fails, only bare literals have a value; the query itself then reports the error.
 *
 * A failure ends DuckDB's transaction; a new one is begun.
 */
export async function evaluateConstants(
  session: QuerySession,
  requests: readonly ConstantRequest[],
): Promise<readonly (Constant | undefined)[]> {
  try {
    return await evaluateAll(session, requests)
  } catch {
    await session.restart()
  }
  const isLiteral = (request: ConstantRequest): boolean =>
    request.castTo !== undefined || textOf(request.expression, 'class') === 'CONSTANT'
  try {
    const values = (await evaluateAll(session, requests.filter(isLiteral))).values()
    return requests.map((request) => (isLiteral(request) ? values.next().value : undefined))
  } catch {
    await session.restart()
    return requests.map(() => undefined)
  }
}

async function evaluateAll(
  session: QuerySession,
  requests: readonly ConstantRequest[],
): Promise<readonly (Constant | undefined)[]> {
  const computed = requests.filter((request) => request.castTo === undefined)
  const casts = requests.filter((request) => request.castTo !== undefined)
  const expressions = computed.map((request) => ({ ...request.expression, alias: '' }))
  const fromComputed =
    computed.length === 0
      ? []
      : await session.constants(await expressionTexts(session, expressions))
  const castTexts = casts.map(
    ({ expression, castTo }) => `TRY_CAST(${quoteLiteral(literalText(expression))} AS ${castTo})`,
  )
  const fromCasts =
    casts.length === 0 ? [] : await session.constants(`SELECT ${castTexts.join(', ')}`)
  const computedValues = fromComputed.values()
  const castValues = fromCasts.values()
  return requests.map(
    (request) => (request.castTo === undefined ? computedValues : castValues).next().value,
  )
}

function literalText(node: Node): string {
  return textOf(child(node, 'value'), 'value')
}

function constantTypeId(node: Node): string {
  const value = node['value']
  const type = isJsonObject(value) ? value['type'] : undefined
  return isJsonObject(type) ? textOf(type, 'id') : ''
}
