/**
 * The type that a column would need to hold a value which does not fit it (docs/spec/json-rows.md, J13).
 * Iceberg widens int to long, float to double and a decimal to more digits; any other type replaces an open one.
 */
import type { Type } from '../../../catalog/format/index.ts'
import { numberFault } from './scalar-checks.ts'
import { NodeKind, type ScanNode } from './scan-plan.ts'

const digitsMax = 38

type Column = Pick<ScanNode, 'changeable' | 'kind'>

/** For a number token and its shape; undefined where the column cannot become such a type. */
export function numberTypeFor(
  { kind, changeable }: Column,
  token: string,
  shape: number,
): Type | undefined {
  if (changeable === undefined) return undefined
  const holds = (target: number): boolean => numberFault(target, token, shape) === undefined
  if (kind === NodeKind.float) return holds(NodeKind.double) ? { type: 'double' } : undefined
  if (kind === NodeKind.int && holds(NodeKind.long)) return { type: 'long' }
  if (!changeable.isOpen || kind === NodeKind.double) return undefined
  if (shape === 0 && wholeDigits(token) <= digitsMax) return wholeDecimal
  return holds(NodeKind.double) ? { type: 'double' } : undefined
}

/** For the text of a decimal, without its quotes if it has any. */
export function decimalTypeFor(
  { changeable }: Column,
  text: string,
  isQuoted: boolean,
): Type | undefined {
  if (changeable?.type.type !== 'decimal') return undefined
  const { precision, scale } = changeable.type
  const match = /^-?(\d+)(?:\.(\d+))?$/.exec(text)
  const decimals = (match?.[2] ?? '').replace(/0+$/, '').length
  if (match !== null && decimals <= scale) {
    const needed = Math.max(precision, wholeDigits(match[1] ?? '') + scale)
    return needed <= digitsMax ? { type: 'decimal', precision: needed, scale } : undefined
  }
  // Inference gives this type to integers beyond 64 bits; any other decimal was chosen by a person.
  if (isQuoted || !changeable.isOpen || scale !== 0) return undefined
  return numberFault(NodeKind.double, text, 1) === undefined ? { type: 'double' } : undefined
}

/** Of two types that values of one column need, the one that holds both. */
export function commonType(left: Type, right: Type): Type {
  if (left.type === 'decimal' && right.type === 'decimal') {
    return left.precision >= right.precision ? left : right
  }
  for (const type of ['string', 'double', 'decimal', 'long'] as const) {
    if (left.type === type) return left
    if (right.type === type) return right
  }
  return left
}

const wholeDecimal: Type = { type: 'decimal', precision: digitsMax, scale: 0 }

function wholeDigits(token: string): number {
  return token.replace(/^-?0*/, '').length
}
