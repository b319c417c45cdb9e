/** Records whose values are JSON objects: a member is a column of the same name. */
import type { NestedField } from '../../../catalog/format/index.ts'
import type { FilledColumns, RecordFormat, RecordInBatch, SchemaEvolution } from '../row-decoder.ts'
import type { Coercion } from './coercion.ts'
import type { EpochColumn } from './epoch-unit.ts'
import { evolveSchema } from './evolve-schema.ts'
import { openJsonDecoder } from './json-decoder.ts'
import { JsonSample } from './json-sample.ts'
import { compileScanPlan, type SchemaGrowth } from './scan-plan.ts'
import { newShape } from './shape.ts'
import { ShapeCursor } from './shape-cursor.ts'
import { neededTypes, typeChanges } from './type-changes.ts'

export interface JsonFormatOptions {
  /** The declared columns; undefined when they are inferred from a sample. */
  readonly columns: readonly NestedField[] | undefined
  readonly coercion: Coercion
  /** Whether a field without a column gets one. */
  readonly addsColumns: boolean
  /** Declared timestamps that records write as numbers. */
  readonly epochColumns: readonly EpochColumn[]
}

export function jsonFormat({
  columns,
  coercion,
  addsColumns,
  epochColumns,
}: JsonFormatOptions): RecordFormat {
  const growthOf = ({ isOpen }: FilledColumns): SchemaGrowth | undefined =>
    addsColumns ? { changesTypes: columns === undefined, isOpen } : undefined
  return {
    columns,
    requireFillable: (field) => void compileScanPlan([field], coercion),
    openSample: (recordsMax) => new JsonSample(recordsMax),
    evolve: (records, filled) => {
      const growth = coercion === 'strict' ? growthOf(filled) : undefined
      return evolveByValues(records, filled.fields, growth)
    },
    openDecoder: (filled, coordinateKeys) =>
      openJsonDecoder(filled.fields, coercion, coordinateKeys, growthOf(filled), epochColumns),
  }
}

function evolveByValues(
  records: readonly RecordInBatch[],
  fields: readonly NestedField[],
  growth: SchemaGrowth | undefined,
): SchemaEvolution {
  const shape = newShape()
  const cursor = new ShapeCursor()
  for (const { batch, index } of records) {
    const { data, valueStarts, valueEnds } = batch
    const start = valueStarts[index] ?? -1
    // A record that does not parse adds nothing; it becomes a dead letter when it is decoded again.
    if (start >= 0) cursor.observeRecord(shape, data, start, valueEnds[index] ?? start)
  }
  const needed = growth === undefined ? [] : neededTypes(fields, growth, records)
  return (schema) => ({ ...evolveSchema(schema, shape), ...typeChanges(schema, needed) })
}
