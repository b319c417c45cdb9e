/**
 * Filters bound to a schema: columns are field ids, `not` is pushed down to the leaves.
 *
 * SQL's three-valued logic allows the push: a comparison with null is neither true nor false, and
 * both the predicate and its negation drop the row.
 */
import { indexFields, findField } from '../format/schema.ts'
import { isPrimitive } from '../format/type-text.ts'
import type { PrimitiveType, Schema, Value } from '../format/types.ts'
import { type ComparisonOperator, type Expression, oppositeOperators } from './expression.ts'

/** A condition on one column. */
export type Test =
  | { readonly kind: 'comparison'; readonly operator: ComparisonOperator; readonly literal: Value }
  | { readonly kind: 'in' | 'not-in'; readonly literals: readonly Value[] }
  | { readonly kind: 'is-null' | 'not-null' }
  | { readonly kind: 'starts-with' | 'not-starts-with'; readonly prefix: string }

export type Predicate =
  | { readonly kind: 'always-true' | 'always-false' }
  | { readonly kind: 'and' | 'or'; readonly left: Predicate; readonly right: Predicate }
  | {
      readonly kind: 'test'
      readonly fieldId: number
      readonly type: PrimitiveType
      readonly test: Test
    }

export const alwaysTrue: Predicate = { kind: 'always-true' }
export const alwaysFalse: Predicate = { kind: 'always-false' }

/**
 * Binds a filter. What cannot be bound (an unknown column, a column inside a list or map, a nested
 * one) becomes always-true: planning may keep too much, never too little.
 */
export function bindFilter(filter: Expression, schema: Schema): Predicate {
  return bind(filter, schema, false)
}

function bind(filter: Expression, schema: Schema, negated: boolean): Predicate {
  switch (filter.kind) {
    case 'always-true':
      return negated ? alwaysFalse : alwaysTrue
    case 'always-false':
      return negated ? alwaysTrue : alwaysFalse
    case 'not':
      return bind(filter.child, schema, !negated)
    case 'and':
    case 'or':
      return combine(
        (filter.kind === 'and') !== negated ? 'and' : 'or',
        bind(filter.left, schema, negated),
        bind(filter.right, schema, negated),
      )
    case 'comparison':
    case 'in':
    case 'is-null':
    case 'not-null':
    case 'starts-with': {
      // No value is in an empty list, not even null, so the negation holds for null too.
      if (filter.kind === 'in' && filter.literals.length === 0) {
        return negated ? alwaysTrue : alwaysFalse
      }
      const column = bindColumn(filter.column, schema)
      if (column === undefined) return alwaysTrue
      const test = negated ? negate(leafTest(filter)) : leafTest(filter)
      return { kind: 'test', ...column, test }
    }
  }
}

export function combine(kind: 'and' | 'or', left: Predicate, right: Predicate): Predicate {
  const decides = kind === 'and' ? 'always-false' : 'always-true'
  const drops = kind === 'and' ? 'always-true' : 'always-false'
  if (left.kind === decides || right.kind === drops) return left
  if (right.kind === decides || left.kind === drops) return right
  return { kind, left, right }
}

type Leaf = Exclude<
  Expression,
  { readonly kind: 'always-true' | 'always-false' | 'and' | 'or' | 'not' }
>

function leafTest(leaf: Leaf): Test {
  switch (leaf.kind) {
    case 'comparison':
      return { kind: 'comparison', operator: leaf.operator, literal: leaf.literal }
    case 'in':
      return { kind: 'in', literals: leaf.literals }
    case 'is-null':
    case 'not-null':
      return { kind: leaf.kind }
    case 'starts-with':
      return { kind: 'starts-with', prefix: leaf.prefix }
  }
}

function negate(test: Test): Test {
  switch (test.kind) {
    case 'comparison':
      return { ...test, operator: oppositeOperators[test.operator] }
    case 'in':
      return { kind: 'not-in', literals: test.literals }
    case 'not-in':
      return { kind: 'in', literals: test.literals }
    case 'is-null':
      return { kind: 'not-null' }
    case 'not-null':
      return { kind: 'is-null' }
    case 'starts-with':
      return { kind: 'not-starts-with', prefix: test.prefix }
    case 'not-starts-with':
      return { kind: 'starts-with', prefix: test.prefix }
  }
}

function bindColumn(
  path: readonly string[],
  schema: Schema,
): { readonly fieldId: number; readonly type: PrimitiveType } | undefined {
  const field = findField(schema, path)
  if (field === undefined || !isPrimitive(field.type)) return undefined
  if (indexFields(schema).get(field.id)?.repeated !== false) return undefined
  return { fieldId: field.id, type: field.type }
}
