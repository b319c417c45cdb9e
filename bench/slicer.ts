/**
 * What slicing costs: records per second and CPU seconds per million, by codec, with and without
 * checksums. One core, no broker: `npx tsx bench/slicer.ts [records] [value bytes]`.
 *
 * Values are JSON of high entropy: repeated ones would flatter every codec.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { RecordBatchEncoder } from '../ingest/record-batch/record-batch-encoder.ts'
import { RecordSetSlicer } from '../ingest/record-batch/record-batch-slicer.ts'
import {
  loadRecordCompression,
  recordCodecs,
  type RecordCodec,
  type RecordCompression,
} from '../ingest/record-batch/record-compression.ts'

const records = Number(process.argv[2] ?? 400_000)
/** As a Java producer with batch.size=131072 sends them. */
const recordsPerBatch = 500
const rounds = 5

const compression = await loadRecordCompression()
const values = Array.from({ length: 20_000 }, (_, index) => makeValue(index))
const averageBytes = values.reduce((total, { length }) => total + length, 0) / values.length
console.log(`${records} records of ${averageBytes.toFixed(0)} bytes, ${recordsPerBatch} a batch`)
for (const codec of recordCodecs) {
  const recordSet = makeRecordSet(compression, codec)
  for (const verifyChecksums of [true, false]) measure(recordSet, codec, verifyChecksums)
}

function measure(recordSet: Uint8Array, codec: RecordCodec, verifyChecksums: boolean): void {
  let best = Number.POSITIVE_INFINITY
  let cpu = 0
  for (let round = 0; round < rounds; round++) {
    const cpuBefore = process.cpuUsage()
    const began = performance.now()
    slice(recordSet, verifyChecksums)
    const seconds = (performance.now() - began) / 1000
    const used = process.cpuUsage(cpuBefore)
    if (seconds < best) {
      best = seconds
      cpu = (used.user + used.system) / 1e6
    }
  }
  const millions = records / 1e6
  const rate = (millions / best).toFixed(2).padStart(6)
  const perMillion = (cpu / millions).toFixed(3)
  const checksum = verifyChecksums ? 'checked  ' : 'unchecked'
  const packed = (recordSet.length / 1e6).toFixed(1).padStart(6)
  console.log(
    `${codec.padEnd(6)} ${checksum} ${packed} MB  ${rate} M records/s  ${perMillion} CPU-s per million`,
  )
}

function slice(recordSet: Uint8Array, verifyChecksums: boolean): void {
  const options = { topic: 't', partition: 0, position: 0n, compression, verifyChecksums }
  // As fetches bring it: 8 MiB at a time, so that the garbage is that of the real path too.
  let seen = 0
  const slicer = new RecordSetSlicer(recordSet, options)
  for (let batch = slicer.next(8 << 20); batch !== undefined; batch = slicer.next(8 << 20)) {
    seen += batch.count
  }
  if (seen !== records) throw new Error(`sliced ${seen} of ${records} records`)
}

function makeRecordSet(codecs: RecordCompression, codec: RecordCodec): Uint8Array {
  const encoder = new RecordBatchEncoder(codecs)
  const batches: Uint8Array[] = []
  for (let index = 0; index < records; ) {
    const baseOffset = BigInt(index)
    const end = Math.min(records, index + recordsPerBatch)
    for (; index < end; index++) {
      const value = values[index % values.length] ?? ''
      encoder.append({ key: null, value, timestampMs: 1_700_000_000_000 + index })
    }
    batches.push(encoder.finish({ baseOffset, codec }))
  }
  return Buffer.concat(batches)
}

function makeValue(index: number): string {
  return JSON.stringify({
    id: randomUUID(),
    user: randomBytes(4).readUInt32BE(),
    amount: randomBytes(4).readUInt32BE() / 100,
    ts: new Date(1_700_000_000_000 + index * 977).toISOString(),
    page: `/p/${randomBytes(6).toString('hex')}`,
    referrer: randomBytes(12).toString('base64'),
    country: 'AT',
    session: randomBytes(12).toString('hex'),
    ok: index % 3 === 0,
  })
}
