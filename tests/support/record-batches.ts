/** Batches of records as a source gives them, from plain keys and values. */
import { RecordColumns } from '../../ingest/record-batch/record-columns.ts'
import type { RecordBatch } from '../../ingest/record-batch/record-batch.ts'

export interface RawRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
}

export interface BatchPlace {
  readonly topic?: string
  readonly partition?: number
  /** By record; counted from 0 where there is none. */
  readonly offsets?: readonly bigint[]
  readonly timestamps?: readonly bigint[]
}

/** Bytes that belong to no record stand before, between and behind them. */
export function batchOf(records: readonly RawRecord[], place: BatchPlace = {}): RecordBatch {
  const columns = new RecordColumns(records.length)
  const parts: Uint8Array[] = [Buffer.from('?')]
  let at = 1
  const put = (bytes: Uint8Array | null): readonly [number, number] => {
    if (bytes === null) return [-1, -1]
    const start = at
    parts.push(bytes, Buffer.from('"'))
    at += bytes.length + 1
    return [start, start + bytes.length]
  }
  for (const [index, { key, value }] of records.entries()) {
    columns.setOffsetBigint(index, place.offsets?.[index] ?? BigInt(index))
    columns.setTimestampBigint(index, place.timestamps?.[index] ?? 1_700_000_000_000n)
    ;[columns.keyStarts[index], columns.keyEnds[index]] = put(key) as [number, number]
    ;[columns.valueStarts[index], columns.valueEnds[index]] = put(value) as [number, number]
    columns.headerStarts[index] = at
    columns.headerEnds[index] = at
  }
  columns.count = records.length
  return columns.toBatch({
    topic: place.topic ?? 'events',
    partition: place.partition ?? 0,
    data: Buffer.concat(parts),
    timestampType: 0,
    nextOffset: BigInt(records.length),
  })
}
