/** Records whose values are JSON objects: a member is a column of the same name. */
import type { NestedField } from '../../../catalog/format/index.ts'
import { isJsonObject, type Json, parseJsonTokens } from '../../../common/index.ts'
import type { RecordBatch } from '../../record-batch/record-batch.ts'
import type {
  RecordFormat,
  RecordInBatch,
  SampledColumns,
  SchemaEvolution,
} from '../row-decoder.ts'
import type { Coercion } from './coercion.ts'
import { evolveSchema } from './evolve-schema.ts'
import { inferFields, newShape, observe } from './infer-schema.ts'
import { openJsonDecoder } from './json-decoder.ts'
import { compileScanPlan } from './scan-plan.ts'

export interface JsonFormatOptions {
  /** The declared columns; undefined when they are inferred from a sample. */
  readonly columns: readonly NestedField[] | undefined
  readonly coercion: Coercion
}

export function jsonFormat({ columns, coercion }: JsonFormatOptions): RecordFormat {
  return {
    columns,
    requireFillable: (field) => void compileScanPlan([field], coercion),
    sample: sampleObjects,
    evolve: evolveByValues,
    openDecoder: (fields, coordinateKeys) => openJsonDecoder(fields, coercion, coordinateKeys),
  }
}

/** Records that are not objects become dead letters, so they do not influence the columns. */
function sampleObjects(batches: readonly RecordBatch[], recordsMax: number): SampledColumns {
  const shape = newShape()
  let readableCount = 0
  let heldCount = 0
  for (const batch of batches) {
    heldCount += batch.count
    for (let index = 0; index < batch.count && readableCount < recordsMax; index++) {
      const value = objectOf(batch, index)
      if (value === undefined) continue
      readableCount++
      observe(shape, value)
    }
  }
  return {
    sampledCount: Math.min(recordsMax, heldCount),
    readableCount,
    ...inferFields(shape),
  }
}

function evolveByValues(records: readonly RecordInBatch[]): SchemaEvolution {
  const shape = newShape()
  for (const { batch, index } of records) {
    const value = objectOf(batch, index)
    // A record that does not parse adds nothing; it becomes a dead letter when it is decoded again.
    if (value !== undefined) observe(shape, value)
  }
  return (schema) => evolveSchema(schema, shape)
}

/** A byte order mark is not part of JSON. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function objectOf(batch: RecordBatch, index: number): Json | undefined {
  const start = batch.valueStarts[index] ?? -1
  if (start < 0) return undefined
  try {
    const bytes = batch.data.subarray(start, batch.valueEnds[index])
    const value = parseJsonTokens(utf8.decode(bytes))
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
