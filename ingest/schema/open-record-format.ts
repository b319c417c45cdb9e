/** The one place where the settings of a stream choose how its records are decoded. */
import { jsonFormat } from '../decode/json/json-format.ts'
import { keyValueFormat } from '../decode/key-value/key-value-format.ts'
import type { RecordFormat } from '../decode/row-decoder.ts'
import type { SchemaSettings } from '../settings/stream-settings.ts'

export function openRecordFormat(schema: SchemaSettings): RecordFormat {
  const { mode, coercion, epochColumns, tombstones, unknownFields } = schema
  const json = { coercion, epochColumns, tombstones, addsColumns: unknownFields === 'add' }
  switch (mode) {
    case 'json_infer':
      return jsonFormat({ columns: undefined, ...json })
    case 'declared':
      return jsonFormat({ columns: schema.fields, ...json })
    case 'key_value':
      return keyValueFormat({ key: schema.keyType, value: schema.valueType })
  }
}
