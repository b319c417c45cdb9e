import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RecordBatchEncoder } from './record-batch-encoder.ts'
import { loadRecordCompression } from './record-compression.ts'
import { RecordSetSlicer } from './record-batch-slicer.ts'
import type { RecordBatch } from './record-batch.ts'
import { retainRecords } from './retained-records.ts'

const compression = await loadRecordCompression()
const bytes = fc.option(fc.uint8Array({ maxLength: 20 }))
const record = fc.record({
  key: bytes,
  value: bytes,
  headers: fc.array(fc.record({ name: fc.string({ maxLength: 5 }), value: bytes }), {
    maxLength: 2,
  }),
  timestampMs: fc.integer({ min: 0 }),
})

function describeRecord(batch: RecordBatch, index: number): unknown {
  const part = (starts: Int32Array, ends: Int32Array): unknown =>
    (starts[index] ?? -1) < 0 ? null : [...batch.data.subarray(starts[index], ends[index])]
  return {
    offset: batch.offsets[index],
    timestamp: batch.timestamps[index],
    key: part(batch.keyStarts, batch.keyEnds),
    value: part(batch.valueStarts, batch.valueEnds),
    headers: part(batch.headerStarts, batch.headerEnds),
  }
}

describe('retainRecords()', () => {
  it('keeps the chosen records when the memory of the batch is used again', () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 10 }), fc.nat(), (records, pick) => {
        const encoder = new RecordBatchEncoder(compression)
        for (const one of records) encoder.append(one)
        const set = encoder.finish({ baseOffset: 7n, codec: 'lz4' })
        const slicer = new RecordSetSlicer(set, {
          topic: 't',
          partition: 0,
          compression,
          position: 0n,
        })
        const batch = slicer.next(1 << 20)
        if (batch === undefined) throw new Error('no batch')
        const indexes = records
          .map((_, index) => index)
          .filter((index) => (pick >> index) % 2 === 0)
        const before = indexes.map((index) => describeRecord(batch, index))
        const kept = retainRecords(batch, indexes)
        batch.data.fill(0xff)
        expect(indexes.map((_, row) => describeRecord(kept, row))).toEqual(before)
      }),
    )
  })
})
