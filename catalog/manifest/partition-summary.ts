/** The per-field summaries of a manifest's partition tuples (spec, "Manifest Lists", field_summary). */
import { compareValues, encodeValue } from '../format/single-value.ts'
import type { FieldSummary, PrimitiveType, Value } from '../format/types.ts'

/** One summary per field of the spec, in spec order; NaN and null are never bounds. */
export function summarizePartitions(
  types: readonly PrimitiveType[],
  partitions: readonly (readonly (Value | null)[])[],
): readonly FieldSummary[] {
  return types.map((type, index) =>
    summarizeField(
      type,
      partitions.map((partition) => partition[index] ?? null),
    ),
  )
}

function summarizeField(type: PrimitiveType, values: readonly (Value | null)[]): FieldSummary {
  let containsNull = false
  let containsNan = false
  let least: Value | undefined
  let greatest: Value | undefined
  for (const value of values) {
    if (value === null) {
      containsNull = true
    } else if (Number.isNaN(value)) {
      containsNan = true
    } else {
      if (least === undefined || compareValues(type, value, least) < 0) least = value
      if (greatest === undefined || compareValues(type, value, greatest) > 0) greatest = value
    }
  }
  return {
    containsNull,
    containsNan,
    ...(least === undefined ? {} : { lowerBound: encodeValue(type, least) }),
    ...(greatest === undefined ? {} : { upperBound: encodeValue(type, greatest) }),
  }
}
