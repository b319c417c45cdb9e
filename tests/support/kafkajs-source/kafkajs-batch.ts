/**
 * Messages of kafkajs as columns: key, value and headers of each, one after the other, in one buffer.
 */
import type { KafkaMessage } from 'kafkajs'
import type { TopicPartition } from '../../../ingest/offsets/topic-partition.ts'
import type { RecordBatch } from '../../../ingest/record-batch/record-batch.ts'
import { encodeHeaders } from '../../../ingest/record-batch/record-batch-encoder.ts'
import type { RecordHeader } from '../../../ingest/record-batch/record-header.ts'
import { RecordColumns } from '../../../ingest/record-batch/record-columns.ts'

/** One batch per run of messages with the same kind of timestamp: almost always one. */
export function kafkajsBatches(
  partition: TopicPartition,
  messages: readonly KafkaMessage[],
  nextOffset: bigint,
): RecordBatch[] {
  const batches: RecordBatch[] = []
  for (let start = 0; start < messages.length; ) {
    const type = timestampType(messages[start])
    let end = start + 1
    while (end < messages.length && timestampType(messages[end]) === type) end++
    const behind = messages[end]
    const next = behind === undefined ? nextOffset : BigInt(behind.offset)
    batches.push(toBatch(partition, messages.slice(start, end), type, next))
    start = end
  }
  return batches
}

/** Says only that the position has moved over holes. */
export function emptyBatch(partition: TopicPartition, nextOffset: bigint): RecordBatch {
  return toBatch(partition, [], 0, nextOffset)
}

/** The first records of a batch made here, about `bytesMax` but at least one, and what is left. */
export function splitBatch(
  batch: RecordBatch,
  bytesMax: number,
): { readonly head: RecordBatch; readonly rest: RecordBatch | undefined } {
  // Records lie one behind the other, so the end of a row's headers is the end of the row.
  const start = rowStart(batch)
  let rows = 1
  while (rows < batch.count && (batch.headerEnds[rows - 1] ?? 0) - start < bytesMax) rows++
  if (rows >= batch.count) return { head: batch, rest: undefined }
  return {
    head: sliceRows(batch, 0, rows, batch.offsets[rows] as bigint),
    rest: sliceRows(batch, rows, batch.count, batch.nextOffset),
  }
}

function rowStart(batch: RecordBatch): number {
  const starts = [batch.keyStarts[0] ?? -1, batch.valueStarts[0] ?? -1, batch.headerStarts[0] ?? -1]
  return starts.find((start) => start >= 0) ?? 0
}

function sliceRows(batch: RecordBatch, from: number, to: number, nextOffset: bigint): RecordBatch {
  return {
    ...batch,
    count: to - from,
    nextOffset,
    offsets: batch.offsets.subarray(from, to),
    timestamps: batch.timestamps.subarray(from, to),
    valueStarts: batch.valueStarts.subarray(from, to),
    valueEnds: batch.valueEnds.subarray(from, to),
    keyStarts: batch.keyStarts.subarray(from, to),
    keyEnds: batch.keyEnds.subarray(from, to),
    headerStarts: batch.headerStarts.subarray(from, to),
    headerEnds: batch.headerEnds.subarray(from, to),
  }
}

function toBatch(
  { topic, partition }: TopicPartition,
  messages: readonly KafkaMessage[],
  type: 0 | 1,
  nextOffset: bigint,
): RecordBatch {
  const columns = new RecordColumns(messages.length)
  const headers = messages.map(({ headers: some }) => encodeMessageHeaders(some))
  let bytes = 0
  for (const [row, { key, value }] of messages.entries()) {
    bytes += (key?.length ?? 0) + (value?.length ?? 0) + (headers[row]?.length ?? 0)
  }
  const data = Buffer.allocUnsafeSlow(bytes)
  let at = 0
  const put = (part: Buffer | null, starts: Int32Array, ends: Int32Array, row: number): void => {
    starts[row] = part === null ? -1 : at
    if (part !== null) at += part.copy(data, at)
    ends[row] = part === null ? -1 : at
  }
  for (const [row, message] of messages.entries()) {
    columns.setOffsetBigint(row, BigInt(message.offset))
    columns.setTimestampBigint(row, BigInt(message.timestamp))
    put(message.key, columns.keyStarts, columns.keyEnds, row)
    put(message.value, columns.valueStarts, columns.valueEnds, row)
    put(headers[row] ?? noBytes, columns.headerStarts, columns.headerEnds, row)
  }
  columns.count = messages.length
  return columns.toBatch({ topic, partition, data, timestampType: type, nextOffset })
}

const noBytes = Buffer.alloc(0)

/** kafkajs keeps headers by name, so those of one name come together whatever their order was. */
function encodeMessageHeaders(headers: KafkaMessage['headers']): Buffer {
  const list: RecordHeader[] = []
  for (const [name, values] of Object.entries(headers ?? {})) {
    for (const value of Array.isArray(values) ? values : [values]) {
      list.push({ name, value: toBytes(value) })
    }
  }
  return list.length === 0 ? noBytes : encodeHeaders(list)
}

function toBytes(value: Buffer | string | null | undefined): Buffer | null {
  if (value === null || value === undefined) return null
  return typeof value === 'string' ? Buffer.from(value) : value
}

/** kafkajs keeps the attributes of a message's record batch beside the message. */
function timestampType(message: KafkaMessage | undefined): 0 | 1 {
  const { batchContext } = (message ?? {}) as {
    readonly batchContext?: { readonly timestampType?: number }
  }
  return batchContext?.timestampType === 1 ? 1 : 0
}
