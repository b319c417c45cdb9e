/**
 * Column metrics of a written file, from what DuckDB's COPY returns (RETURN_STATS): free, since the
 * writer computed them anyway (spec, "Manifests": data file fields 108-128; iceberg-facts 25-30).
 */
import {
  compareValues,
  type NestedField,
  type PrimitiveType,
  type Schema,
} from '../../catalog/format/index.ts'
import {
  type ColumnMetrics,
  lowerBoundFor,
  metricsModes,
  packMetrics,
  upperBoundFor,
} from '../../catalog/index.ts'
import type { MetricsMode } from '../../catalog/table/index.ts'
import { CorruptDataError, UnsupportedError } from '../../common/index.ts'
import { engineValue, isInfiniteTime } from '../text/engine-value.ts'
import { quoteIdentifier } from '../text/sql-text.ts'

/** One column of RETURN_STATS as text: column_size_bytes, num_values, null_count, min, max, has_nan. */
export type ColumnStatistics = ReadonlyMap<string, string>

/** Of the statistics of a file while they are gathered. */
type GatheredMetrics = {
  readonly [Member in keyof ColumnMetrics]: ColumnMetrics[Member] extends ReadonlyMap<
    number,
    infer Metric
  >
    ? Map<number, Metric>
    : never
}

/** `statistics` is keyed by DuckDB's quoted column path, e.g. `"a"."element"."x"`. */
export function fileMetrics(
  schema: Schema,
  properties: Readonly<Record<string, string>>,
  statistics: ReadonlyMap<string, ColumnStatistics>,
): ColumnMetrics {
  const modes = metricsModes(schema, properties)
  const metrics: GatheredMetrics = {
    columnSizes: new Map(),
    valueCounts: new Map(),
    nullValueCounts: new Map(),
    nanValueCounts: new Map(),
    lowerBounds: new Map(),
    upperBounds: new Map(),
  }
  for (const field of schema.fields)
    collect(metrics, modes, statistics, field, quoteIdentifier(field.name))
  return packMetrics(metrics)
}

function collect(
  metrics: GatheredMetrics,
  modes: ReadonlyMap<number, MetricsMode>,
  statistics: ReadonlyMap<string, ColumnStatistics>,
  field: Pick<NestedField, 'id' | 'type'>,
  path: string,
): void {
  const { type } = field
  switch (type.type) {
    case 'struct':
      for (const child of type.fields) {
        collect(metrics, modes, statistics, child, `${path}.${quoteIdentifier(child.name)}`)
      }
      return
    case 'list': {
      const element = { id: type.elementId, type: type.element }
      collect(metrics, modes, statistics, element, `${path}."element"`)
      return
    }
    case 'map':
      collect(metrics, modes, statistics, { id: type.keyId, type: type.key }, `${path}."key"`)
      collect(metrics, modes, statistics, { id: type.valueId, type: type.value }, `${path}."value"`)
      return
    default: {
      const column = statistics.get(path)
      const mode = modes.get(field.id)
      if (column === undefined || mode === undefined || mode.kind === 'none') return
      addLeaf(metrics, field.id, type, column, mode)
    }
  }
}

function addLeaf(
  metrics: GatheredMetrics,
  id: number,
  type: PrimitiveType,
  column: ColumnStatistics,
  mode: MetricsMode,
): void {
  const put = (target: Map<number, bigint>, key: string): void => {
    const text = column.get(key)
    if (text !== undefined) target.set(id, BigInt(text))
  }
  put(metrics.columnSizes, 'column_size_bytes')
  put(metrics.valueCounts, 'num_values')
  put(metrics.nullValueCounts, 'null_count')
  if (type.type === 'float' || type.type === 'double') {
    // The engine does not count NaNs; JSON has none, so this case is rare.
    if (column.get('has_nan') === 'true') return
    metrics.nanValueCounts.set(id, 0n)
  }
  const min = column.get('min')
  const max = column.get('max')
  if (min === undefined || max === undefined) return
  // An infinity is no time that another engine could compare with; without bounds nothing is pruned.
  if (hasDate(type) && (isInfiniteTime(min) || isInfiniteTime(max))) return
  const least = engineValue(type, min)
  const greatest = engineValue(type, max)
  if (compareValues(type, least, greatest) > 0) {
    throw new CorruptDataError('column statistics are out of order', { facts: { id, min, max } })
  }
  const lower = lowerBoundFor(type, least, mode)
  const upper = upperBoundFor(type, greatest, mode)
  if (lower !== undefined) metrics.lowerBounds.set(id, lower)
  if (upper !== undefined) metrics.upperBounds.set(id, upper)
}

function hasDate({ type }: PrimitiveType): boolean {
  return type === 'date' || type === 'timestamp' || type === 'timestamptz'
}

/** The primitive type of a top-level or nested column that a partition field takes its value from. */
export function primitiveType(type: NestedField['type'], column: string): PrimitiveType {
  if (type.type === 'struct' || type.type === 'list' || type.type === 'map') {
    throw new UnsupportedError('a nested column cannot be partitioned by', {
      facts: { column, type: type.type },
    })
  }
  return type
}
