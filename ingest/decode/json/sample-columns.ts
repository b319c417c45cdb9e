/** The bounded first look at a topic from which a schema is inferred. */
import { isJsonObject, type Json, parseJsonTokens } from '../../../common/index.ts'
import type { RecordBatch } from '../../source/record-source.ts'
import { type InferredSchema, inferFields, newShape, observe } from './infer-schema.ts'

/** A sample of long records ends here: it is held in memory. */
export const sampleBytesMax = 32 << 20

export interface SampledRecords {
  readonly count: number
  readonly values: readonly Json[]
}

/** Up to `max` records that are JSON objects; others will be dead letters and say nothing. */
export function firstReadable(batches: readonly RecordBatch[], max: number): SampledRecords {
  const values: Json[] = []
  for (const batch of batches) {
    for (let index = 0; index < batch.count && values.length < max; index++) {
      const value = readValue(batch, index)
      if (value !== undefined) values.push(value)
    }
  }
  return { count: values.length, values }
}

export function sampleColumns(records: SampledRecords): InferredSchema {
  const shape = newShape()
  for (const value of records.values) observe(shape, value)
  return inferFields(shape)
}

function readValue(batch: RecordBatch, index: number): Json | undefined {
  const start = batch.valueStarts[index] ?? -1
  if (start < 0) return undefined
  try {
    const bytes = batch.data.subarray(start, batch.valueEnds[index])
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    const value = parseJsonTokens(text)
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
