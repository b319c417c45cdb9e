/**
 * Which column statistics go into manifests (properties `write.metadata.metrics.default`,
 * `.column.<name>`, `.max-inferred-column-defaults`).
 */
import { encodeValue } from '../format/single-value.ts'
import { fieldName, indexFields } from '../format/schema.ts'
import { isPrimitive } from '../format/type-text.ts'
import type { PrimitiveType, Schema, Value } from '../format/types.ts'
import {
  columnProperty,
  type Properties,
  propertyOf,
  statedProperty,
  tableProperties,
} from '../table/properties.ts'
import type { MetricsMode } from '../table/property-syntax.ts'
import {
  truncateBinaryLower,
  truncateBinaryUpper,
  truncateStringLower,
  truncateStringUpper,
} from './truncate-bounds.ts'

const defaultMode: MetricsMode = { kind: 'truncate', width: 16 }

/** The mode of every primitive column, nested ones included, by field id. */
export function metricsModes(
  schema: Schema,
  properties: Properties,
): ReadonlyMap<number, MetricsMode> {
  const stated = statedProperty(properties, tableProperties.metricsDefault)
  const inferredMax = propertyOf(properties, tableProperties.metricsColumnsMax)
  const modes = new Map<number, MetricsMode>()
  for (const [id, { field, repeated }] of indexFields(schema)) {
    if (!isPrimitive(field.type)) continue
    const column = fieldName(schema, id) ?? ''
    const own = columnProperty(properties, tableProperties.metricsOfColumn, column)
    // Without a stated mode, a wide table keeps statistics of its first columns only.
    const inferred: MetricsMode =
      stated === undefined && modes.size >= inferredMax ? { kind: 'none' } : (stated ?? defaultMode)
    const mode = own ?? inferred
    // Bounds of values inside a list or map say nothing about a row, so only counts are kept (iceberg-facts 30).
    modes.set(id, repeated && mode.kind !== 'none' ? { kind: 'counts' } : mode)
  }
  return modes
}

/** The lower bound as the manifest holds it; undefined where the mode keeps none. */
export function lowerBoundFor(
  type: PrimitiveType,
  least: Value,
  mode: MetricsMode,
): Uint8Array | undefined {
  if (isNoBound(least, mode)) return undefined
  if (mode.kind !== 'truncate') return encodeValue(type, negativeZero(least))
  if (typeof least === 'string' && type.type === 'string') {
    return encodeValue(type, truncateStringLower(least, mode.width))
  }
  if (type.type === 'binary') return truncateBinaryLower(least as Uint8Array, mode.width)
  return encodeValue(type, negativeZero(least))
}

/** The upper bound as the manifest holds it; undefined where there is none to state. */
export function upperBoundFor(
  type: PrimitiveType,
  greatest: Value,
  mode: MetricsMode,
): Uint8Array | undefined {
  if (isNoBound(greatest, mode)) return undefined
  if (mode.kind !== 'truncate') return encodeValue(type, positiveZero(greatest))
  if (typeof greatest === 'string' && type.type === 'string') {
    const bound = truncateStringUpper(greatest, mode.width)
    return bound === undefined ? undefined : encodeValue(type, bound)
  }
  if (type.type === 'binary') return truncateBinaryUpper(greatest as Uint8Array, mode.width)
  return encodeValue(type, positiveZero(greatest))
}

function isNoBound(value: Value, mode: MetricsMode): boolean {
  return mode.kind === 'none' || mode.kind === 'counts' || Number.isNaN(value)
}

/** Parquet statistics may not distinguish -0.0 from 0.0, so a lower bound takes -0.0. */
function negativeZero(value: Value): Value {
  return value === 0 ? -0 : value
}

function positiveZero(value: Value): Value {
  return value === 0 ? 0 : value
}
