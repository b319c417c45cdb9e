/** The raw key and value of every record in two columns, `key` and `value`. */
import type { NestedField } from '../../../catalog/format/index.ts'
import { SettingsError, UnsupportedError } from '../../../common/index.ts'
import type { RecordBatch } from '../../record-batch/record-batch.ts'
import { columnLayout } from '../../spool/column-layout.ts'
import type { CoordinateKeys } from '../../spool/coordinate-keys.ts'
import type { RecordFormat, RecordSample, RowDecoder, SampledColumns } from '../row-decoder.ts'
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
    openSample: (recordsMax) => new RawSample(types, recordsMax),
    // All columns are declared, so no record has an unknown field.
    evolve: () => () => ({
      added: [],
      widened: [],
      replaced: [],
      notes: [],
      refused: new Map(),
    }),
    openDecoder: ({ fields }, coordinateKeys) => openKeyValueDecoder(types, fields, coordinateKeys),
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

class RawSample implements RecordSample {
  readonly #types: KeyValueTypes
  readonly #recordsMax: number
  #sampled = 0
  #readable = 0

  constructor(types: KeyValueTypes, recordsMax: number) {
    this.#types = types
    this.#recordsMax = recordsMax
  }

  add({ count, data, keyStarts, keyEnds, valueStarts, valueEnds }: RecordBatch): void {
    const { key, value } = this.#types
    for (let index = 0; index < count && this.#sampled < this.#recordsMax; index++) {
      this.#sampled++
      if (!isReadable(key, data, keyStarts[index] ?? -1, keyEnds[index] ?? -1)) continue
      if (isReadable(value, data, valueStarts[index] ?? -1, valueEnds[index] ?? -1))
        this.#readable++
    }
  }

  /** Keys and values have the types that the settings say. */
  remarks(): readonly [] {
    return []
  }

  columns(): SampledColumns {
    const { key, value } = this.#types
    const others = this.#sampled - this.#readable
    return {
      sampledCount: this.#sampled,
      readableCount: this.#readable,
      unreadable: others === 0 ? undefined : `${others} with a key or value that is not utf-8`,
      fields: [rawColumn('key', key), rawColumn('value', value)],
      notes: [],
    }
  }
}

function isReadable(type: RawType, data: Uint8Array, start: number, end: number): boolean {
  return type === 'binary' || start < 0 || isText(data, start, end)
}

function rawColumn(name: string, type: RawType): NestedField {
  return { id: 0, name, required: false, type: { type } }
}
