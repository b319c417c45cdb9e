/**
 * Row filters for scan planning: comparisons of one column with literals.
 *
 * A filter may be weaker than the query's own predicate (the engine evaluates that again), never
 * stronger. `column` is a path of field names, outermost first.
 */
import type { Value } from '../format/types.ts'

export type ComparisonOperator = '=' | '!=' | '<' | '<=' | '>' | '>='

/** The operator that holds where the given one does not, for values that are not null. */
export const oppositeOperators: Readonly<Record<ComparisonOperator, ComparisonOperator>> = {
  '=': '!=',
  '!=': '=',
  '<': '>=',
  '<=': '>',
  '>': '<=',
  '>=': '<',
}

export type Expression =
  | { readonly kind: 'always-true' }
  | { readonly kind: 'always-false' }
  | { readonly kind: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'not'; readonly child: Expression }
  | {
      readonly kind: 'comparison'
      readonly operator: ComparisonOperator
      readonly column: readonly string[]
      /** Already in the column's own type (see `Value`). */
      readonly literal: Value
    }
  | { readonly kind: 'in'; readonly column: readonly string[]; readonly literals: readonly Value[] }
  | { readonly kind: 'is-null' | 'not-null'; readonly column: readonly string[] }
  | {
      readonly kind: 'starts-with'
      readonly column: readonly string[]
      readonly prefix: string
    }
