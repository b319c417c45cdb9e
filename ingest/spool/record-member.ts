/**
 * The parts of a record that its spooled row of JSON would lose, kept in one member of the row: key, headers,
 * and the value when its bytes were changed. When the engine refuses the row, its dead letter is complete.
 */
import type { RecordHeader } from '../record-batch/record-header.ts'
import { decodeRecordHeaders } from '../record-batch/record-headers.ts'
import type { RecordBatch } from '../record-batch/record-batch.ts'

export interface KeptRecord {
  readonly key: Uint8Array | null
  readonly headers: readonly RecordHeader[]
  /** Undefined when the row itself still has the value's bytes. */
  readonly value: Uint8Array | undefined
}

const absent = '-'

/** `"name":"key.headers.value"` in base64, or undefined when the row has all parts of the record. */
export function recordMember(
  name: string,
  batch: RecordBatch,
  index: number,
  isChanged: boolean,
): Buffer | undefined {
  const keyStart = batch.keyStarts[index] as number
  const headersStart = batch.headerStarts[index] as number
  const headersEnd = batch.headerEnds[index] as number
  if (keyStart < 0 && headersStart === headersEnd && !isChanged) return undefined
  const text = (start: number, end: number): string =>
    Buffer.from(batch.data.buffer, batch.data.byteOffset + start, end - start).toString('base64')
  const key = keyStart < 0 ? absent : text(keyStart, batch.keyEnds[index] as number)
  const headers = headersStart === headersEnd ? absent : text(headersStart, headersEnd)
  const value = isChanged
    ? text(batch.valueStarts[index] as number, batch.valueEnds[index] as number)
    : absent
  return Buffer.from(`${JSON.stringify(name)}:"${key}.${headers}.${value}"`)
}

/** Reads back what `recordMember` put at `at` of a row; `length` counts its bytes and the comma. */
export function parseRecordMember(
  row: Buffer,
  at: number,
  name: string,
): { readonly kept: KeptRecord; readonly length: number } {
  const head = Buffer.from(`${JSON.stringify(name)}:"`)
  if (!row.subarray(at, at + head.length).equals(head)) {
    return { kept: { key: null, headers: [], value: undefined }, length: 0 }
  }
  const start = at + head.length
  const end = row.indexOf(0x22, start)
  const [key = absent, headers = absent, value = absent] = row
    .subarray(start, end)
    .toString('latin1')
    .split('.')
  const headerBytes = headers === absent ? Buffer.alloc(0) : Buffer.from(headers, 'base64')
  return {
    kept: {
      key: key === absent ? null : Buffer.from(key, 'base64'),
      headers: decodeRecordHeaders(headerBytes, 0, headerBytes.length),
      value: value === absent ? undefined : Buffer.from(value, 'base64'),
    },
    length: end + 1 - at + (row[end + 1] === 0x2c ? 1 : 0),
  }
}
