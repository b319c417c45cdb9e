/**
 * Whether a manifest, a partition or a data file may hold rows that pass a filter
 * (spec, "Scan Planning").
 */
import { decodeValue } from '../format/single-value.ts'
import type { DataFile, FieldSummary, ManifestFile, PrimitiveType, Value } from '../format/types.ts'
import type { Predicate } from './predicate.ts'
import { isFloating, mightMatch, rangeOf, type ValueRange } from './value-range.ts'

/** `partitionPredicate` comes from `projectPredicate`. */
export function manifestMightMatch(manifest: ManifestFile, partitionPredicate: Predicate): boolean {
  const { partitions } = manifest
  if (partitions === undefined) return partitionPredicate.kind !== 'always-false'
  return evaluate(partitionPredicate, (position, type) => {
    const summary = partitions[position]
    return summary === undefined ? unknownRange : rangeOfSummary(summary, type)
  })
}

export function partitionMightMatch(
  partition: readonly (Value | null)[],
  partitionPredicate: Predicate,
): boolean {
  return evaluate(partitionPredicate, (position) => rangeOf(partition[position] ?? null))
}

/** Decides by the column statistics of the file. */
export function fileMightMatch(file: DataFile, predicate: Predicate): boolean {
  if (file.recordCount === 0n) return false
  return evaluate(predicate, (fieldId, type) => rangeOfColumn(file, fieldId, type))
}

const unknownRange: ValueRange = {
  lower: undefined,
  upper: undefined,
  mayHoldNull: true,
  mayHoldNan: true,
  mayHoldValue: true,
}

function evaluate(
  predicate: Predicate,
  rangeAt: (id: number, type: PrimitiveType) => ValueRange,
): boolean {
  switch (predicate.kind) {
    case 'always-true':
      return true
    case 'always-false':
      return false
    case 'and':
      return evaluate(predicate.left, rangeAt) && evaluate(predicate.right, rangeAt)
    case 'or':
      return evaluate(predicate.left, rangeAt) || evaluate(predicate.right, rangeAt)
    case 'test':
      return mightMatch(predicate.test, predicate.type, rangeAt(predicate.fieldId, predicate.type))
  }
}

function rangeOfSummary(summary: FieldSummary, type: PrimitiveType): ValueRange {
  const lower = decodeBound(type, summary.lowerBound)
  const upper = decodeBound(type, summary.upperBound)
  const unbounded = summary.lowerBound === undefined && summary.upperBound === undefined
  const mayHoldNan = isFloating(type) && summary.containsNan !== false
  return {
    lower,
    upper,
    mayHoldNull: summary.containsNull,
    mayHoldNan,
    // The spec leaves the bounds out only where all values are null or NaN.
    mayHoldValue: !unbounded || !(summary.containsNull || summary.containsNan === true),
  }
}

function rangeOfColumn(file: DataFile, fieldId: number, type: PrimitiveType): ValueRange {
  const values = file.valueCounts?.get(fieldId)
  const nulls = file.nullValueCounts?.get(fieldId)
  const nans = isFloating(type) ? file.nanValueCounts?.get(fieldId) : 0n
  const onlyNullOrNan =
    values !== undefined && nulls !== undefined && values - nulls - (nans ?? 0n) <= 0n
  return {
    lower: decodeBound(type, file.lowerBounds?.get(fieldId)),
    upper: decodeBound(type, file.upperBounds?.get(fieldId)),
    mayHoldNull: nulls !== 0n,
    mayHoldNan: nans !== 0n && !(values !== undefined && nulls !== undefined && values === nulls),
    mayHoldValue: !onlyNullOrNan,
  }
}

/** Undefined for a bound that cannot be read, or is NaN, as some writers wrote. */
function decodeBound(type: PrimitiveType, bytes: Uint8Array | undefined): Value | undefined {
  if (bytes === undefined) return undefined
  try {
    const value = decodeValue(type, bytes)
    return Number.isNaN(value) ? undefined : value
  } catch {
    return undefined
  }
}
