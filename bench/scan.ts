/**
 * The row scanner alone: CPU seconds per million records of about 230 bytes, copy included.
 *
 *   npx tsx bench/scan.ts [--records 500000] [--runs 5]
 */
import { PassThrough } from 'node:stream'
import { parseArgs } from 'node:util'
import type { NestedField } from '../catalog/index.ts'
import { PlacePrefix } from '../ingest/json/place-prefix.ts'
import { RowScanner, ScanResult } from '../ingest/json/row-scanner.ts'
import { compileScanPlan } from '../ingest/json/scan-plan.ts'
import { SpoolBuffer } from '../ingest/json/spool-buffer.ts'
import { generateRecords } from './generate.ts'

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '500000' },
    runs: { type: 'string', default: '5' },
  },
})
const records = Number(values.records)
const types = [
  'long',
  'timestamptz',
  'string',
  'string',
  'double',
  'int',
  'double',
  'double',
  'boolean',
  'string',
  'int',
] as const
const names = ['id', 'ts', 'user', 'session', 'amount', 'qty', 'lat', 'lon', 'ok', 'tag', 'n']
const fields: NestedField[] = names.map((name, index) => ({
  id: index + 1,
  name,
  required: false,
  type: { type: types[index] ?? 'string' },
}))

const stream = new PassThrough()
const chunks: Buffer[] = []
stream.on('data', (chunk: Buffer) => chunks.push(chunk))
await generateRecords(stream, records)
stream.end()
const data = Buffer.concat(chunks)
const starts = new Int32Array(records)
const ends = new Int32Array(records)
for (let index = 0, at = 0; index < records; index++) {
  starts[index] = at
  ends[index] = data.indexOf(0x0a, at)
  at = (ends[index] ?? 0) + 1
}

const offsets = BigInt64Array.from({ length: records }, (_, index) => BigInt(index))
const timestamps = offsets.map((offset) => 1_700_000_000_000n + offset / 100n)
const times: number[] = []
for (let run = 0; run < Number(values.runs); run++) {
  const scanner = new RowScanner(compileScanPlan(fields, 'strict'))
  const prefix = new PlacePrefix({ offset: '$o', timestamp: '$t', partition: '$p' })
  const out = new SpoolBuffer(64 << 20)
  prefix.enter('bench', 3)
  const before = process.cpuUsage()
  for (let index = 0; index < records; index++) {
    prefix.write(offsets, timestamps, index)
    const result = scanner.scan(
      data,
      starts[index] ?? 0,
      ends[index] ?? 0,
      prefix.bytes,
      prefix.length,
      out,
    )
    if (result !== ScanResult.good) throw new Error(scanner.fault)
    if (out.length > 32 << 20) out.clear()
  }
  const cpu = process.cpuUsage(before)
  times.push(((cpu.user + cpu.system) / records) * 1)
}
times.sort((a, b) => a - b)
console.log(`${records} records, ${(data.length / records).toFixed(0)} bytes each`)
console.log(
  `CPU-s per million: median ${times[Math.floor(times.length / 2)]?.toFixed(2)} (${times[0]?.toFixed(2)}-${times.at(-1)?.toFixed(2)})`,
)
