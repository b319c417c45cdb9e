/**
 * From a filter on columns to a filter on partition values (spec, "Scan Planning", inclusive
 * projection): every row that passes the filter lies in a partition that passes the projection.
 */
import { applyTransform, firstCodePoints } from '../format/transform.ts'
import type { PartitionSpec, PrimitiveType, Transform, Value } from '../format/types.ts'
import { alwaysTrue, combine, type Predicate, type Test } from './predicate.ts'

/** `fieldId` of the result's tests is the position of the partition field in the spec. */
export function projectPredicate(
  predicate: Predicate,
  spec: PartitionSpec,
  partitionTypes: readonly PrimitiveType[],
): Predicate {
  if (predicate.kind === 'and' || predicate.kind === 'or') {
    return combine(
      predicate.kind,
      projectPredicate(predicate.left, spec, partitionTypes),
      projectPredicate(predicate.right, spec, partitionTypes),
    )
  }
  if (predicate.kind !== 'test') return predicate
  let projected: Predicate = alwaysTrue
  spec.fields.forEach((field, position) => {
    if (field.sourceId !== predicate.fieldId) return
    const test = projectTest(predicate.test, field.transform, predicate.type)
    const type = partitionTypes[position]
    if (test === undefined || type === undefined) return
    const own: Predicate = { kind: 'test', fieldId: position, type, test }
    projected = combine('and', projected, withWrapped(own, predicate.test, field.transform))
  })
  return projected
}

const leastOf: Readonly<Record<string, Value>> = { int: -(2 ** 31), long: -(2n ** 63n) }

/**
 * `truncate` gives the least ints and longs a large partition value where the multiple below them wraps around
 * (see `truncateValue`). A range predicate has to include that partition too.
 */
function withWrapped(
  own: Predicate & { readonly kind: 'test' },
  test: Test,
  transform: Transform,
): Predicate {
  const least = leastOf[own.type.type]
  if (transform.kind !== 'truncate' || least === undefined) return own
  if (test.kind !== 'comparison' || test.operator === '=') return own
  const wrapped = applyTransform(transform, own.type, least)
  if (wrapped === null || wrapped <= least) return own
  if (test.operator === '<' || test.operator === '<=') {
    const equalsWrapped: Test = { kind: 'comparison', operator: '=', literal: wrapped }
    return combine('or', own, { ...own, test: equalsWrapped })
  }
  const projected = own.test.kind === 'comparison' ? own.test.literal : undefined
  return projected !== undefined && projected > test.literal ? alwaysTrue : own
}

/** Undefined where partition values show nothing about the test. */
function projectTest(test: Test, transform: Transform, type: PrimitiveType): Test | undefined {
  switch (transform.kind) {
    case 'identity':
      return test
    case 'void':
    case 'unknown':
      return undefined
    case 'bucket':
      return projectToBucket(test, transform, type)
    case 'truncate':
      return projectToTruncate(test, transform, type)
    case 'year':
    case 'month':
    case 'day':
    case 'hour':
      return projectInOrder(test, transform, type)
  }
}

function projectToBucket(test: Test, transform: Transform, type: PrimitiveType): Test | undefined {
  if (test.kind === 'is-null' || test.kind === 'not-null') return test
  const literals = equalLiterals(test)
  return literals === undefined ? undefined : oneOf(literals, transform, type)
}

function projectToTruncate(
  test: Test,
  transform: Transform & { readonly kind: 'truncate' },
  type: PrimitiveType,
): Test | undefined {
  if (test.kind === 'starts-with') {
    const prefix = firstCodePoints(test.prefix, transform.width)
    return prefix.length === test.prefix.length
      ? { kind: 'starts-with', prefix }
      : { kind: 'comparison', operator: '=', literal: prefix }
  }
  return projectInOrder(test, transform, type)
}

/** A transform that keeps the order turns `<` and `<=` into `<=`, `>` and `>=` into `>=`. */
function projectInOrder(test: Test, transform: Transform, type: PrimitiveType): Test | undefined {
  if (test.kind === 'is-null' || test.kind === 'not-null') return test
  const literals = equalLiterals(test)
  if (literals !== undefined) return oneOf(literals, transform, type)
  if (test.kind !== 'comparison' || test.operator === '!=') return undefined
  const literal = applyTransform(transform, type, test.literal)
  if (literal === null) return undefined
  const down = test.operator === '<' || test.operator === '<='
  return down
    ? { kind: 'comparison', operator: '<=', literal: forOldWriters(transform, literal) }
    : { kind: 'comparison', operator: '>=', literal }
}

function equalLiterals(test: Test): readonly Value[] | undefined {
  if (test.kind === 'in') return test.literals
  return test.kind === 'comparison' && test.operator === '=' ? [test.literal] : undefined
}

function oneOf(literals: readonly Value[], transform: Transform, type: PrimitiveType): Test {
  const projected = literals.flatMap((literal) => {
    const value = applyTransform(transform, type, literal)
    if (value === null) return []
    const old = forOldWriters(transform, value)
    return old === value ? [value] : [value, old]
  })
  return { kind: 'in', literals: projected }
}

/**
 * Early writers rounded times before 1970 up instead of down, so their partition values may be one too great
 * (apache/iceberg#1981), and readers have to include those.
 */
function forOldWriters(transform: Transform, value: Value): Value {
  const temporal = transform.kind !== 'truncate' && transform.kind !== 'bucket'
  return temporal && typeof value === 'number' && value < 0 ? value + 1 : value
}
