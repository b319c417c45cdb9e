/**
 * Column metrics of a written file, from what DuckDB's COPY returns (RETURN_STATS): free, since the
 * writer computed them anyway (spec, "Manifests": data file fields 108-128; iceberg-facts 25-30).
 */
import {
  compareValues,
  encodeValue,
  type NestedField,
  type PrimitiveType,
  type Schema,
  type Type,
  type Value,
  valueFromJson,
} from '../../catalog/index.ts'
import { CorruptDataError, UnsupportedError } from '../../common/index.ts'

/** One column of RETURN_STATS as text: column_size_bytes, num_values, null_count, min, max, has_nan. */
export type ColumnStatistics = ReadonlyMap<string, string>

export interface FileMetrics {
  readonly columnSizes: Map<number, bigint>
  readonly valueCounts: Map<number, bigint>
  readonly nullValueCounts: Map<number, bigint>
  readonly nanValueCounts: Map<number, bigint>
  readonly lowerBounds: Map<number, Uint8Array>
  readonly upperBounds: Map<number, Uint8Array>
}

/** `statistics` is keyed by DuckDB's quoted column path, e.g. `"a"."element"."x"`. */
export function fileMetrics(
  schema: Schema,
  statistics: ReadonlyMap<string, ColumnStatistics>,
): FileMetrics {
  const metrics: FileMetrics = {
    columnSizes: new Map(),
    valueCounts: new Map(),
    nullValueCounts: new Map(),
    nanValueCounts: new Map(),
    lowerBounds: new Map(),
    upperBounds: new Map(),
  }
  for (const field of schema.fields) collect(metrics, statistics, field, quote(field.name), true)
  return metrics
}

function collect(
  metrics: FileMetrics,
  statistics: ReadonlyMap<string, ColumnStatistics>,
  field: Pick<NestedField, 'id' | 'type'>,
  path: string,
  mayHaveBounds: boolean,
): void {
  const { type } = field
  switch (type.type) {
    case 'struct':
      for (const child of type.fields) {
        collect(metrics, statistics, child, `${path}.${quote(child.name)}`, mayHaveBounds)
      }
      return
    case 'list': {
      const element = { id: type.elementId, type: type.element }
      collect(metrics, statistics, element, `${path}."element"`, false)
      return
    }
    case 'map':
      collect(metrics, statistics, { id: type.keyId, type: type.key }, `${path}."key"`, false)
      collect(metrics, statistics, { id: type.valueId, type: type.value }, `${path}."value"`, false)
      return
    default: {
      const column = statistics.get(path)
      if (column !== undefined) addLeaf(metrics, field.id, type, column, mayHaveBounds)
    }
  }
}

function addLeaf(
  metrics: FileMetrics,
  id: number,
  type: PrimitiveType,
  column: ColumnStatistics,
  mayHaveBounds: boolean,
): void {
  const put = (target: Map<number, bigint>, key: string): void => {
    const text = column.get(key)
    if (text !== undefined) target.set(id, BigInt(text))
  }
  put(metrics.columnSizes, 'column_size_bytes')
  put(metrics.valueCounts, 'num_values')
  put(metrics.nullValueCounts, 'null_count')
  const isFloating = type.type === 'float' || type.type === 'double'
  if (isFloating) {
    // JSON has no NaN; a file that holds one came another way and its count is not known here.
    if (column.get('has_nan') === 'true') return
    metrics.nanValueCounts.set(id, 0n)
  }
  const lower = column.get('min')
  const upper = column.get('max')
  if (!mayHaveBounds || lower === undefined || upper === undefined) return
  const lowerValue = statisticValue(type, lower)
  const upperValue = statisticValue(type, upper)
  if (compareValues(type, lowerValue, upperValue) > 0) {
    throw new CorruptDataError('column statistics are out of order', {
      facts: { id, lower, upper },
    })
  }
  metrics.lowerBounds.set(id, encodeValue(type, floorZero(lowerValue)))
  metrics.upperBounds.set(id, encodeValue(type, ceilZero(upperValue)))
}

/** A value as DuckDB prints it in statistics. */
function statisticValue(type: PrimitiveType, text: string): Value {
  switch (type.type) {
    case 'boolean':
      return text === '1' || text === 'true'
    case 'int':
    case 'float':
    case 'double':
      return Number(text)
    case 'long':
      return BigInt(text)
    case 'binary':
      return Uint8Array.from(Buffer.from(text, 'hex'))
    case 'timestamp':
      return valueFromJson(type, text.replace(' ', 'T'))
    case 'timestamptz':
      return valueFromJson(type, text.replace(' ', 'T').replace(/\+00$/, '+00:00'))
    case 'date':
    case 'time':
    case 'string':
    case 'uuid':
    case 'decimal':
      return valueFromJson(type, text)
    case 'fixed':
      throw new UnsupportedError('fixed columns are not written')
  }
}

/** DuckDB orders -0.0 and 0.0 as equal, Iceberg does not: widen the bound to hold both. */
function floorZero(value: Value): Value {
  return value === 0 ? -0 : value
}

function ceilZero(value: Value): Value {
  return value === 0 ? 0 : value
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** The primitive type of a top-level or nested column that a partition field takes its value from. */
export function primitiveType(type: Type, column: string): PrimitiveType {
  if (type.type === 'struct' || type.type === 'list' || type.type === 'map') {
    throw new UnsupportedError('a nested column cannot be partitioned by', {
      facts: { column, type: type.type },
    })
  }
  return type
}
