/**
 * A record that cannot become a row, kept whole with the reason: raw key, value and headers, and its
 * place in the log, so that it can be looked at, mended and sent again.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { NestedField, RowSpool, SideField } from '../catalog/index.ts'
import { stringifyJson } from '../common/index.ts'
import type { RecordHeader } from './kafka/record-batch-encoder.ts'
import { decodeRecordHeaders } from './record-headers.ts'
import type { RecordBatch, TopicPartition } from './record-source.ts'

export interface DeadLetter extends TopicPartition {
  readonly offset: bigint
  readonly timestampMs: bigint
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
  readonly reason: string
  readonly sizeBytes: number
}

/** The columns of a dead-letter table. Ids are placeholders: the catalog assigns them. */
export const deadLetterFields: readonly NestedField[] = [
  column('stream', { type: 'string' }),
  column('topic', { type: 'string' }),
  column('partition', { type: 'int' }),
  column('offset', { type: 'long' }),
  column('timestamp', { type: 'timestamptz' }),
  column('key', { type: 'binary' }),
  column('value', { type: 'binary' }),
  column('headers', {
    type: 'list',
    elementId: 0,
    elementRequired: false,
    element: {
      type: 'struct',
      fields: [column('key', { type: 'string' }), column('value', { type: 'binary' })],
    },
  }),
  column('error', { type: 'string' }),
  column('failed_at', { type: 'timestamptz' }),
]

/** Columns that hold milliseconds in the spool. */
export const deadLetterSideFields: readonly SideField[] = [
  { field: 'timestamp', from: { kind: 'millis', key: '$timestamp' } },
  { field: 'failed_at', from: { kind: 'millis', key: '$failed_at' } },
]

export function deadLetterOf(batch: RecordBatch, index: number, reason: string): DeadLetter {
  const { data } = batch
  const key = rangeOf(data, batch.keyStarts[index], batch.keyEnds[index])
  const value = rangeOf(data, batch.valueStarts[index], batch.valueEnds[index])
  return {
    topic: batch.topic,
    partition: batch.partition,
    offset: batch.offsets[index] ?? 0n,
    timestampMs: batch.timestamps[index] ?? 0n,
    key,
    value,
    headers: decodeRecordHeaders(
      data,
      batch.headerStarts[index] ?? 0,
      batch.headerEnds[index] ?? 0,
    ).map((header) => ({
      name: header.name,
      value: header.value === null ? null : Uint8Array.from(header.value),
    })),
    reason,
    sizeBytes: 200 + (key?.length ?? 0) + (value?.length ?? 0),
  }
}

/** Writes the letters as rows of the dead-letter table into a spool file. */
export async function spoolDeadLetters(
  letters: readonly DeadLetter[],
  stream: string,
  failedAtMs: number,
  directory: string,
): Promise<RowSpool> {
  await mkdir(directory, { recursive: true })
  const path = join(directory, 'dead-letters.ndjson')
  const rows = letters.map((letter) => `${deadLetterRow(letter, stream, failedAtMs)}\n`)
  const text = rows.join('')
  await writeFile(path, text)
  return {
    path,
    rowCount: rows.length,
    sizeBytes: Buffer.byteLength(text),
    rowBytesMax: rows.reduce((max, row) => Math.max(max, Buffer.byteLength(row)), 0),
  }
}

function deadLetterRow(letter: DeadLetter, stream: string, failedAtMs: number): string {
  return stringifyJson({
    $timestamp: letter.timestampMs,
    $failed_at: failedAtMs,
    stream,
    topic: letter.topic,
    partition: letter.partition,
    offset: letter.offset,
    key: base64(letter.key),
    value: base64(letter.value),
    headers: letter.headers.map((header) => ({ key: header.name, value: base64(header.value) })),
    error: letter.reason,
  })
}

function base64(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : Buffer.from(bytes).toString('base64')
}

/** A copy, because the batch's buffer is large and the letter may wait for minutes. */
function rangeOf(
  data: Uint8Array,
  start: number | undefined,
  end: number | undefined,
): Uint8Array | null {
  return start === undefined || start < 0 ? null : Uint8Array.from(data.subarray(start, end))
}

function column(name: string, type: NestedField['type']): NestedField {
  return { id: 0, name, required: false, type }
}
