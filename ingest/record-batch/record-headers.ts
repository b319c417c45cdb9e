/**
 * Record headers, decoded only for the few records that need them, which are dead letters.
 */
import { CorruptDataError } from '../../common/index.ts'
import { VarintCursor } from './varint-cursor.ts'
import type { RecordHeader } from './record-header.ts'

/** Decodes one record's header range of a `RecordBatch`; an empty range has none. */
export function decodeRecordHeaders(
  data: Uint8Array,
  start: number,
  end: number,
): readonly RecordHeader[] {
  if (start === end) return []
  const cursor = new VarintCursor(data, start)
  const count = cursor.varint()
  const headers: RecordHeader[] = []
  const take = (length: number): Uint8Array => {
    const from = cursor.at
    cursor.at += length
    if (length < 0 || cursor.at > end) throw corrupt(start, end)
    return data.subarray(from, cursor.at)
  }
  if (count < 0) throw corrupt(start, end)
  for (let index = 0; index < count; index++) {
    const name = Buffer.from(take(cursor.varint())).toString('utf8')
    const length = cursor.varint()
    headers.push({ name, value: length === -1 ? null : take(length) })
  }
  if (cursor.at !== end) throw corrupt(start, end)
  return headers
}

function corrupt(start: number, end: number): CorruptDataError {
  return new CorruptDataError('record headers contradict their own lengths', {
    facts: { start, end },
  })
}
