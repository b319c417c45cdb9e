/** Records whose values are JSON objects: a member is a column of the same name. */
import type { NestedField } from '../../../catalog/format/index.ts'
import { UnsupportedError } from '../../../common/index.ts'
import type { FilledColumns, RecordFormat, RecordInBatch, SchemaEvolution } from '../row-decoder.ts'
import type { Coercion } from './coercion.ts'
import type { EpochColumn } from './epoch-unit.ts'
import { evolveSchema } from './evolve-schema.ts'
import { openJsonDecoder } from './json-decoder.ts'
import { JsonSample } from './json-sample.ts'
import { jsonTypeFault, type SchemaGrowth } from './scan-plan.ts'
import { newShape } from './shape.ts'
import { ShapeCursor } from './shape-cursor.ts'
import { neededTypes, typeChanges } from './type-changes.ts'

export interface JsonFormatOptions {
  /** The declared columns; undefined when they are inferred from a sample. */
  readonly columns: readonly NestedField[] | undefined
  readonly coercion: Coercion
  /** Whether a field without a column gets one. */
  readonly addsColumns: boolean
  readonly tombstones: 'dead_letter' | 'skip'
  /** Declared timestamps that records write as numbers. */
  readonly epochColumns: readonly EpochColumn[]
}

export function jsonFormat(options: JsonFormatOptions): RecordFormat {
  const { columns, coercion, addsColumns, epochColumns, tombstones } = options
  const growthOf = ({ isOpen }: FilledColumns): SchemaGrowth | undefined =>
    addsColumns ? { changesTypes: columns === undefined, isOpen } : undefined
  return {
    columns,
    requireFillable: ({ name, type }) => {
      const fault = jsonTypeFault(type, true)
      if (fault !== undefined) throw new UnsupportedError(fault, { facts: { column: name } })
    },
    openSample: (recordsMax, rules) => new JsonSample(recordsMax, rules),
    evolve: (records, filled) => {
      const growth = coercion === 'strict' ? growthOf(filled) : undefined
      return evolveByValues(records, filled, growth)
    },
    openDecoder: (filled, coordinateKeys, options) =>
      openJsonDecoder(filled.fields, coordinateKeys, {
        coercion,
        tombstones,
        growth: growthOf(filled),
        rules: filled.rules,
        epochColumns,
        ...options,
      }),
  }
}

function evolveByValues(
  records: readonly RecordInBatch[],
  filled: FilledColumns,
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
  const needed = growth === undefined ? [] : neededTypes(filled, growth, records)
  return (schema, rules) => ({
    ...evolveSchema(schema, shape, rules),
    ...typeChanges(schema, needed),
  })
}
