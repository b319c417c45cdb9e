/**
 * A record that cannot become a row, kept whole with the reason: raw key, value and headers, and its
 * coordinates in the log, so that it can be inspected, corrected and sent again.
 */
import type { NestedField } from '../../catalog/format/index.ts'
import type { SideField } from '../../catalog/index.ts'
import type { RecordHeader } from '../record-batch/record-header.ts'
import { decodeRecordHeaders } from '../record-batch/record-headers.ts'
import type { TopicPartition } from '../offsets/topic-partition.ts'
import type { RecordBatch } from '../record-batch/record-batch.ts'

export interface DeadLetter extends TopicPartition {
  readonly offset: bigint
  readonly timestampMs: bigint
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
  readonly reason: string
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

/** The letter points into the batch's buffers, so it is valid only as long as they are. */
export function deadLetterOf(batch: RecordBatch, index: number, reason: string): DeadLetter {
  const { data } = batch
  return {
    topic: batch.topic,
    partition: batch.partition,
    offset: batch.offsets[index] ?? 0n,
    timestampMs: batch.timestamps[index] ?? 0n,
    key: rangeOf(data, batch.keyStarts[index], batch.keyEnds[index]),
    value: rangeOf(data, batch.valueStarts[index], batch.valueEnds[index]),
    headers: decodeRecordHeaders(
      data,
      batch.headerStarts[index] ?? 0,
      batch.headerEnds[index] ?? 0,
    ),
    reason,
  }
}

function rangeOf(
  data: Uint8Array,
  start: number | undefined,
  end: number | undefined,
): Uint8Array | null {
  return start === undefined || start < 0 ? null : data.subarray(start, end)
}

function column(name: string, type: NestedField['type']): NestedField {
  return { id: 0, name, required: false, type }
}
