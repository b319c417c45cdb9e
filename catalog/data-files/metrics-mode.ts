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
export function lowerBoundFor(type: PrimitiveType, least: Value, mode: MetricsMode): Bound {
  return boundFor(lower, type, least, mode)
}

/** The upper bound as the manifest holds it; undefined where there is none to state. */
export function upperBoundFor(type: PrimitiveType, greatest: Value, mode: MetricsMode): Bound {
  return boundFor(upper, type, greatest, mode)
}

type Bound = Uint8Array | undefined

/** What differs between the two bounds; a cut upper bound must not be less than its value. */
interface Side {
  readonly truncateString: (value: string, width: number) => string | undefined
  readonly truncateBinary: (value: Uint8Array, width: number) => Bound
  /** Parquet statistics may not distinguish -0.0 from 0.0, so a lower bound takes -0.0. */
  readonly zero: number
}

const lower: Side = {
  truncateString: truncateStringLower,
  truncateBinary: truncateBinaryLower,
  zero: -0,
}
const upper: Side = {
  truncateString: truncateStringUpper,
  truncateBinary: truncateBinaryUpper,
  zero: 0,
}

function boundFor(side: Side, type: PrimitiveType, value: Value, mode: MetricsMode): Bound {
  if (mode.kind === 'none' || mode.kind === 'counts' || Number.isNaN(value)) return undefined
  if (mode.kind === 'truncate' && type.type === 'string' && typeof value === 'string') {
    const text = side.truncateString(value, mode.width)
    return text === undefined ? undefined : encodeValue(type, text)
  }
  if (mode.kind === 'truncate' && type.type === 'binary') {
    return side.truncateBinary(value as Uint8Array, mode.width)
  }
  return encodeValue(type, value === 0 ? side.zero : value)
}
