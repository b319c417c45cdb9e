/**
 * Partition transforms as metadata writes them: `day`, `bucket[16]`, `truncate[4]`.
 *
 * An unknown transform is kept as its text, so that a table of a later spec is not damaged.
 */
import { ValidationError } from '../../common/index.ts'
import type { Transform } from './types.ts'

/** Transforms without a parameter. */
export const plainTransformKinds = ['identity', 'void', 'year', 'month', 'day', 'hour'] as const

export function parseTransform(text: string): Transform {
  const lower = text.toLowerCase()
  const plain = plainTransformKinds.find((kind) => kind === lower)
  if (plain !== undefined) return { kind: plain }
  const match = /^(bucket|truncate)\[(\d+)\]$/.exec(lower)
  if (match === null) return { kind: 'unknown', text }
  return match[1] === 'bucket'
    ? { kind: 'bucket', buckets: parseParameter(match[2], text) }
    : { kind: 'truncate', width: parseParameter(match[2], text) }
}

export function formatTransform(transform: Transform): string {
  if (transform.kind === 'bucket') return `bucket[${transform.buckets}]`
  if (transform.kind === 'truncate') return `truncate[${transform.width}]`
  return transform.kind === 'unknown' ? transform.text : transform.kind
}

export function sameTransform(left: Transform, right: Transform): boolean {
  return formatTransform(left) === formatTransform(right)
}

function parseParameter(digits: string | undefined, text: string): number {
  const parameter = Number(digits)
  if (Number.isInteger(parameter) && parameter > 0 && parameter < 2 ** 31) return parameter
  throw new ValidationError('transform parameter must be a positive 32-bit integer', {
    facts: { transform: text },
  })
}
