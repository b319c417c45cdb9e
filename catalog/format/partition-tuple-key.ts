/** One text per partition of a table, for maps and sets. */
import { encodeValue } from './single-value.ts'
import type { PrimitiveType, Value } from './types.ts'

/** Equal tuples of one spec have equal keys; NaN equals NaN, -0.0 is not 0.0 (iceberg-facts 20). */
export function partitionTupleKey(
  specId: number,
  types: readonly PrimitiveType[],
  partition: readonly (Value | null)[],
): string {
  const values = types.map((type, index) => {
    const value = partition[index] ?? null
    return value === null ? 'null' : Buffer.from(encodeValue(type, value)).toString('hex')
  })
  return [specId, ...values].join('|')
}
