/**
 * Conditions of a query into the filter of one table's scan.
 *
 * The filter is a consequence of the query's own conditions, never stronger (docs/spec/sql.md Q3):
 * what is not understood for certain is left out. DuckDB evaluates the conditions again.
 */
import type { PrimitiveType } from '../../catalog/format/index.ts'
import {
  type ComparisonOperator,
  type Expression,
  oppositeOperators,
} from '../../catalog/scan/index.ts'
import type { ColumnFinder, ResolvedColumn } from './column-finder.ts'
import type { Constant } from '../text/constant-value.ts'
import { isConstant, isStringLiteral, type ConstantRequest } from './constants.ts'
import { commonConstants, convertComparison } from './literal-conversion.ts'
import { child, children, textOf, textsOf, type Node } from './syntax-tree.ts'
import { duckdbTypeName } from '../text/type-name.ts'

/** A filter whose constants are still to be evaluated. */
export interface PendingFilter {
  readonly requests: readonly ConstantRequest[]
  /** Undefined: nothing can be pushed down. `values` belong to `requests`. */
  complete(values: readonly (Constant | undefined)[]): Expression | undefined
}

type Pending = (values: readonly (Constant | undefined)[]) => Expression | undefined

/** `acceptsNull` is false under an outer join, where no condition may be pushed that NULL satisfies. */
export function pushdownFilter(
  conditions: readonly Node[],
  columns: ColumnFinder,
  acceptsNull: boolean,
): PendingFilter {
  const requests: ConstantRequest[] = []
  const translation: Translation = { requests, columns, acceptsNull }
  const pending = conditions.map((condition) => translate(translation, condition, false))
  return { requests, complete: allOf(pending) }
}

interface Translation {
  readonly requests: ConstantRequest[]
  readonly columns: ColumnFinder
  readonly acceptsNull: boolean
}

const nothing: Pending = () => undefined

/** `negated`: translate NOT of the node. NOT of a comparison is the opposite one, NULL or not. */
function translate(to: Translation, node: Node, negated: boolean): Pending {
  switch (textOf(node, 'type')) {
    case 'CONJUNCTION_AND':
    case 'CONJUNCTION_OR': {
      const parts = children(node['children']).map((part) => translate(to, part, negated))
      const isAnd = (textOf(node, 'type') === 'CONJUNCTION_AND') !== negated
      return isAnd ? allOf(parts) : anyOf(parts)
    }
    case 'OPERATOR_NOT':
      return translate(to, onlyChild(node), !negated)
    case 'COMPARE_BETWEEN':
    case 'COMPARE_NOT_BETWEEN':
      return translateBetween(to, node, negated !== (textOf(node, 'type') !== 'COMPARE_BETWEEN'))
    case 'COMPARE_IN':
      return negated ? nothing : translateIn(to, node)
    case 'OPERATOR_IS_NULL':
      return translateNullTest(to, node, !negated)
    case 'OPERATOR_IS_NOT_NULL':
      return translateNullTest(to, node, negated)
    case 'FUNCTION':
      return negated ? nothing : translatePrefix(to, node)
    case 'COLUMN_REF':
      return translateBoolean(to, node, !negated)
    case 'COMPARE_NOT_DISTINCT_FROM':
      return negated ? nothing : compare(to, child(node, 'left'), '=', child(node, 'right'))
    default: {
      const operator = comparisonOf(textOf(node, 'type'))
      if (operator === undefined) return nothing
      const effective = negated ? oppositeOperators[operator] : operator
      return compare(to, child(node, 'left'), effective, child(node, 'right'))
    }
  }
}

/** Leaving out a part of a conjunction makes it weaker, which is allowed. */
function allOf(parts: readonly Pending[]): Pending {
  return (values) => {
    const expressions = parts.map((part) => part(values)).filter((part) => part !== undefined)
    return combine('and', expressions)
  }
}

/** Leaving out a part of a disjunction would make it stronger, so all are needed. */
function anyOf(parts: readonly Pending[]): Pending {
  return (values) => {
    const expressions: Expression[] = []
    for (const part of parts) {
      const expression = part(values)
      if (expression === undefined) return undefined
      expressions.push(expression)
    }
    return combine('or', expressions)
  }
}

function combine(kind: 'and' | 'or', parts: readonly Expression[]): Expression | undefined {
  // Balanced, so that a list of thousands does not nest thousands deep.
  if (parts.length <= 1) return parts[0]
  const middle = parts.length >> 1
  const left = combine(kind, parts.slice(0, middle))
  const right = combine(kind, parts.slice(middle))
  return left === undefined || right === undefined ? undefined : { kind, left, right }
}

function translateBetween(to: Translation, node: Node, negated: boolean): Pending {
  const side = columnSide(to, child(node, 'input'))
  if (side === undefined) return nothing
  const bounds = request(to, side, [child(node, 'lower'), child(node, 'upper')])
  return (values) => {
    const [lower, upper] = bounds(values) ?? []
    const parts = [
      compareWith(side, negated ? '<' : '>=', lower),
      compareWith(side, negated ? '>' : '<=', upper),
    ].map(
      (part): Pending =>
        () =>
          part,
    )
    return (negated ? anyOf(parts) : allOf(parts))(values)
  }
}

function compare(to: Translation, left: Node, operator: ComparisonOperator, right: Node): Pending {
  const direct = columnSide(to, left)
  const side = direct ?? columnSide(to, right)
  if (side === undefined) return nothing
  const constant = request(to, side, [direct === undefined ? left : right])
  const oriented = direct === undefined ? mirrored[operator] : operator
  return (values) => compareWith(side, oriented, constant(values)?.[0])
}

interface ColumnSide {
  readonly column: ResolvedColumn
  /** The type that is compared: the column's own, or date. */
  readonly type: PrimitiveType
  /** The column is a timestamp, seen as its day. */
  readonly asDate: boolean
}

function columnSide(to: Translation, node: Node): ColumnSide | undefined {
  if (textOf(node, 'type') === 'COLUMN_REF') {
    const column = to.columns.find(textsOf(node, 'column_names'))
    return column === undefined ? undefined : { column, type: column.type, asDate: false }
  }
  if (textOf(node, 'type') !== 'OPERATOR_CAST' || node['try_cast'] === true) return undefined
  if (textOf(child(node, 'cast_type'), 'id') !== 'DATE') return undefined
  const inner = child(node, 'child')
  if (textOf(inner, 'type') !== 'COLUMN_REF') return undefined
  const column = to.columns.find(textsOf(inner, 'column_names'))
  const type = column?.type.type
  if (column === undefined || (type !== 'timestamp' && type !== 'timestamptz')) return undefined
  return { column, type: { type: 'date' }, asDate: true }
}

function compareWith(
  { column, type, asDate }: ColumnSide,
  operator: ComparisonOperator,
  constant: Constant | undefined,
): Expression | undefined {
  const converted = constant === undefined ? undefined : convertComparison(type, operator, constant)
  if (converted === undefined) return undefined
  if (asDate) return daysAsInstants(column, converted.operator, Number(converted.literal))
  return { kind: 'comparison', column: column.path, ...converted }
}

/** `ts::DATE op day` as a range of `ts`. */
function daysAsInstants(
  column: ResolvedColumn,
  operator: ComparisonOperator,
  day: number,
): Expression | undefined {
  const at = (operator: ComparisonOperator, days: number): Expression => ({
    kind: 'comparison',
    operator,
    column: column.path,
    literal: BigInt(days) * 86_400_000_000n,
  })
  switch (operator) {
    case '=':
      return combine('and', [at('>=', day), at('<', day + 1)])
    case '!=':
      return combine('or', [at('<', day), at('>=', day + 1)])
    case '<':
      return at('<', day)
    case '<=':
      return at('<', day + 1)
    case '>':
      return at('>=', day + 1)
    case '>=':
      return at('>=', day)
    default:
      return undefined
  }
}

function translateIn(to: Translation, node: Node): Pending {
  const [input, ...items] = children(node['children'])
  const side = input === undefined ? undefined : columnSide(to, input)
  if (side === undefined || side.asDate || items.length === 0) return nothing
  const constants = request(to, side, items)
  return (values) => {
    const literals = []
    for (const constant of constants(values) ?? [undefined]) {
      const converted =
        constant === undefined ? undefined : convertComparison(side.type, '=', constant)
      if (converted === undefined) return undefined
      literals.push(converted.literal)
    }
    return { kind: 'in', column: side.column.path, literals }
  }
}

function translateNullTest(to: Translation, node: Node, isNull: boolean): Pending {
  const input = onlyChild(node)
  if (textOf(input, 'type') !== 'COLUMN_REF') return nothing
  const column = to.columns.find(textsOf(input, 'column_names'))
  // Whether a member of a struct counts as null when the struct is null differs between writers.
  if (column === undefined || column.path.length > 1) return nothing
  if (!isNull) return () => ({ kind: 'not-null', column: column.path })
  return to.acceptsNull ? () => ({ kind: 'is-null', column: column.path }) : nothing
}

/** `LIKE 'x%'`, `starts_with(c, 'x')`, `c ^@ 'x'`. */
function translatePrefix(to: Translation, node: Node): Pending {
  const name = textOf(node, 'function_name').toLowerCase()
  const [input, pattern, ...rest] = children(node['children'])
  if (input === undefined || pattern === undefined || rest.length > 0) return nothing
  if (textOf(input, 'type') !== 'COLUMN_REF' || !isStringLiteral(pattern)) return nothing
  const column = to.columns.find(textsOf(input, 'column_names'))
  if (column?.type.type !== 'string') return nothing
  const text = textOf(child(pattern, 'value'), 'value')
  if (name === 'starts_with' || name === 'prefix' || name === '^@') {
    return text === ''
      ? nothing
      : () => ({ kind: 'starts-with', column: column.path, prefix: text })
  }
  if (name !== '~~') return nothing
  const prefix = /^[^%_]*/.exec(text)?.[0] ?? ''
  if (prefix === text) {
    return () => ({ kind: 'comparison', operator: '=', column: column.path, literal: text })
  }
  return prefix === '' ? nothing : () => ({ kind: 'starts-with', column: column.path, prefix })
}

function translateBoolean(to: Translation, node: Node, literal: boolean): Pending {
  const column = to.columns.find(textsOf(node, 'column_names'))
  if (column?.type.type !== 'boolean') return nothing
  return () => ({ kind: 'comparison', operator: '=', column: column.path, literal })
}

/**
 * Requests constants that DuckDB compares with the column in one common type. The result is undefined
 * unless all of the nodes are constants that can be compared one by one.
 */
function request(
  to: Translation,
  { type }: ColumnSide,
  nodes: readonly Node[],
): (values: readonly (Constant | undefined)[]) => readonly Constant[] | undefined {
  const areConstants = nodes.every((node) =>
    isConstant(node, (name) => to.columns.mayBeColumn(name)),
  )
  // A bare string takes the type of its neighbours, which need not be the column's.
  const strings = nodes.filter(isStringLiteral).length
  if (!areConstants || (strings > 0 && strings < nodes.length)) return () => undefined
  const first = to.requests.length
  const castTo = strings > 0 ? duckdbTypeName(type) : undefined
  for (const expression of nodes) to.requests.push({ expression, castTo })
  return (values) => commonConstants(type, values.slice(first, first + nodes.length))
}

function onlyChild(node: Node): Node {
  return children(node['children'])[0] ?? node
}

const comparisons: Readonly<Record<string, ComparisonOperator>> = {
  COMPARE_EQUAL: '=',
  COMPARE_NOTEQUAL: '!=',
  COMPARE_LESSTHAN: '<',
  COMPARE_LESSTHANOREQUALTO: '<=',
  COMPARE_GREATERTHAN: '>',
  COMPARE_GREATERTHANOREQUALTO: '>=',
}

function comparisonOf(type: string): ComparisonOperator | undefined {
  return Object.hasOwn(comparisons, type) ? comparisons[type] : undefined
}

const mirrored: Readonly<Record<ComparisonOperator, ComparisonOperator>> = {
  '=': '=',
  '!=': '!=',
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
}
