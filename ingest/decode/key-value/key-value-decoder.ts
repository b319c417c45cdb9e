/** Copies the bytes of keys and values into columns; text columns take only valid UTF-8. */
import { isUtf8 } from 'node:buffer'
import type { RecordBatch } from '../../record-batch/record-batch.ts'
import { appendBinary, appendText } from '../../spool/column-buffer.ts'
import { ColumnKind } from '../../spool/column-layout.ts'
import type { ColumnarRows } from '../../spool/columnar-rows.ts'
import type { RowFormat } from '../../spool/row-buffer.ts'
import { DecodeResult, type RowDecoder } from '../row-decoder.ts'

const { text: TEXT } = ColumnKind
/** Indexes of the columns in the layout. */
const KEY = 0
const VALUE = 1

export class KeyValueDecoder implements RowDecoder {
  readonly format: RowFormat
  fault = ''
  readonly unknownField = undefined
  readonly #isKeyRequired: boolean
  readonly #isValueRequired: boolean

  /** The layout of `format` has the columns `key` and `value`, in this order. */
  constructor(format: RowFormat, isKeyRequired: boolean, isValueRequired: boolean) {
    this.format = format
    this.#isKeyRequired = isKeyRequired
    this.#isValueRequired = isValueRequired
  }

  decode(batch: RecordBatch, index: number, rows: ColumnarRows): number {
    const { data, keyStarts, keyEnds, valueStarts, valueEnds } = batch
    rows.beginRow()
    const keyStart = keyStarts[index] as number
    const valueStart = valueStarts[index] as number
    if (
      this.#append(rows, KEY, data, keyStart, keyEnds[index] as number) &&
      this.#append(rows, VALUE, data, valueStart, valueEnds[index] as number)
    ) {
      rows.endRow(batch, index)
      return DecodeResult.good
    }
    rows.dropRow()
    return DecodeResult.bad
  }

  bytesOf({ keyStarts, keyEnds, valueStarts, valueEnds }: RecordBatch, index: number): number {
    const keyStart = keyStarts[index] as number
    const valueStart = valueStarts[index] as number
    const keyBytes = keyStart < 0 ? 0 : (keyEnds[index] as number) - keyStart
    return valueStart < 0 ? keyBytes : keyBytes + (valueEnds[index] as number) - valueStart
  }

  #append(
    rows: ColumnarRows,
    column: number,
    data: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    if (start < 0) {
      const isRequired = column === KEY ? this.#isKeyRequired : this.#isValueRequired
      if (isRequired) this.fault = `null ${columnName(column)}, and the column is required`
      return !isRequired
    }
    const buffer = rows.fields[column]
    if (buffer === undefined) throw new Error('assertion failed: rows of another format')
    if (buffer.kind !== TEXT) appendBinary(buffer, data, start, end)
    else if (isText(data, start, end)) appendText(buffer, data, start, end)
    else {
      this.fault = `the ${columnName(column)} is not valid utf-8`
      return false
    }
    buffer.lastRow = rows.rowCount
    return true
  }
}

/** Whether data[start, end) is valid UTF-8. */
export function isText(data: Uint8Array, start: number, end: number): boolean {
  for (let pos = start; pos < end; pos++) {
    if ((data[pos] as number) >= 0x80) return isUtf8(data.subarray(pos, end))
  }
  return true
}

function columnName(column: number): string {
  return column === KEY ? 'key' : 'value'
}
