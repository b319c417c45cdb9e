/** Copies of records that are needed after the next poll. */
import { RecordColumns } from './record-columns.ts'
import type { RecordBatch } from './record-batch.ts'

/** The records of `batch` at `indexes` (default: all), in memory of their own. */
export function retainRecords(batch: RecordBatch, indexes?: readonly number[]): RecordBatch {
  const chosen = indexes ?? Array.from({ length: batch.count }, (_, index) => index)
  const columns = new RecordColumns(chosen.length)
  const data = Buffer.allocUnsafe(chosen.reduce((sum, index) => sum + bytesOf(batch, index), 0))
  let at = 0
  const copy = (
    from: Int32Array,
    until: Int32Array,
    index: number,
    starts: Int32Array,
    ends: Int32Array,
    row: number,
  ): void => {
    const start = from[index] as number
    const isNull = start < 0
    starts[row] = isNull ? -1 : at
    if (!isNull) {
      const bytes = batch.data.subarray(start, until[index])
      data.set(bytes, at)
      at += bytes.length
    }
    ends[row] = isNull ? -1 : at
  }
  for (const [row, index] of chosen.entries()) {
    columns.setOffsetBigint(row, batch.offsets[index] ?? 0n)
    columns.setTimestampBigint(row, batch.timestamps[index] ?? 0n)
    copy(batch.keyStarts, batch.keyEnds, index, columns.keyStarts, columns.keyEnds, row)
    copy(batch.valueStarts, batch.valueEnds, index, columns.valueStarts, columns.valueEnds, row)
    copy(batch.headerStarts, batch.headerEnds, index, columns.headerStarts, columns.headerEnds, row)
  }
  columns.count = chosen.length
  const { topic, partition, timestampType, nextOffset } = batch
  return columns.toBatch({ topic, partition, data, timestampType, nextOffset })
}

function bytesOf(batch: RecordBatch, index: number): number {
  const span = (starts: Int32Array, ends: Int32Array): number => {
    const start = starts[index] as number
    return start < 0 ? 0 : (ends[index] as number) - start
  }
  return (
    span(batch.keyStarts, batch.keyEnds) +
    span(batch.valueStarts, batch.valueEnds) +
    span(batch.headerStarts, batch.headerEnds)
  )
}
