/** The raw key and value of every record in two columns, `key` and `value`. */
import type { NestedField } from '../../../catalog/format/index.ts'
import { SettingsError, UnsupportedError } from '../../../common/index.ts'
import type { RecordBatch } from '../../record-batch/record-batch.ts'
import { columnLayout } from '../../spool/column-layout.ts'
import type { CoordinateKeys } from '../../spool/coordinate-keys.ts'
import type { RecordFormat, RowDecoder, SampledColumns } from '../row-decoder.ts'
import { isText, KeyValueDecoder } from './key-value-decoder.ts'

/** `string` for UTF-8 text: a record with other bytes is then a dead letter. */
export type RawType = 'binary' | 'string'

export interface KeyValueTypes {
  readonly key: RawType
  readonly value: RawType
}

export function keyValueFormat(types: KeyValueTypes): RecordFormat {
  return {
    columns: [rawColumn('key', types.key), rawColumn('value', types.value)],
    requireFillable: ({ name, type }) => {
      if (type.type === 'binary' || type.type === 'string') return
      throw new UnsupportedError('raw keys and values fill binary and string columns only', {
        facts: { column: name, type: type.type },
      })
    },
    sample: (batches, recordsMax) => sampleRaw(types, batches, recordsMax),
    // All columns are declared, so no record has an unknown field.
    evolve: () => () => ({ added: [], notes: [] }),
    openDecoder: (fields, coordinateKeys) => openKeyValueDecoder(types, fields, coordinateKeys),
  }
}

function openKeyValueDecoder(
  types: KeyValueTypes,
  fields: readonly NestedField[],
  coordinateKeys: CoordinateKeys,
): RowDecoder {
  const key = columnOf(fields, 'key', types.key)
  const value = columnOf(fields, 'value', types.value)
  const required = fields.find((field) => field.required && field !== key && field !== value)
  if (required !== undefined) {
    throw new UnsupportedError(
      'the table requires a value of a column that records do not fill with schema.mode key_value',
      { facts: { column: required.name } },
    )
  }
  const layout = columnLayout([key, value], coordinateKeys)
  if (layout === undefined) throw new Error('assertion failed: raw columns are flat')
  return new KeyValueDecoder({ coordinateKeys, layout }, key.required, value.required)
}

function columnOf(fields: readonly NestedField[], name: string, type: RawType): NestedField {
  const field = fields.find((candidate) => candidate.name === name)
  if (field?.type.type === type) return field
  throw new SettingsError(
    'the table lacks a column that schema.mode key_value fills; write to a new table, or set its type',
    { facts: { column: name, declared: type, actual: field?.type.type ?? 'no such column' } },
  )
}

function sampleRaw(
  types: KeyValueTypes,
  batches: readonly RecordBatch[],
  recordsMax: number,
): SampledColumns {
  const isReadable = (type: RawType, data: Uint8Array, start: number, end: number): boolean =>
    type === 'binary' || start < 0 || isText(data, start, end)
  let sampledCount = 0
  let readableCount = 0
  for (const batch of batches) {
    const { data, keyStarts, keyEnds, valueStarts, valueEnds } = batch
    for (let index = 0; index < batch.count && sampledCount < recordsMax; index++) {
      sampledCount++
      if (!isReadable(types.key, data, keyStarts[index] ?? -1, keyEnds[index] ?? -1)) continue
      if (isReadable(types.value, data, valueStarts[index] ?? -1, valueEnds[index] ?? -1))
        readableCount++
    }
  }
  const fields = [rawColumn('key', types.key), rawColumn('value', types.value)]
  return { sampledCount, readableCount, fields, notes: [] }
}

function rawColumn(name: string, type: RawType): NestedField {
  return { id: 0, name, required: false, type: { type } }
}
