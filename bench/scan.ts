/**
 * The decoders alone: CPU seconds per million records of about 230 bytes, with the copy into a spool
 * of JSON rows or of columns.
 *
 *   npx tsx bench/scan.ts [--records 500000] [--runs 5] [--decoders json,columns,bytes,text]
 *
 * Decoders of one run share the code that calls them; for figures of one alone name only that.
 */
import { PassThrough } from 'node:stream'
import { parseArgs } from 'node:util'
import type { NestedField } from '../catalog/format/index.ts'
import { JsonTextDecoder, openJsonDecoder } from '../ingest/decode/json/json-decoder.ts'
import { keyValueFormat, type RawType } from '../ingest/decode/key-value/key-value-format.ts'
import { RowScanner } from '../ingest/decode/json/row-scanner.ts'
import { plainKeyRules } from '../ingest/decode/key-rules.ts'
import { compileScanPlan } from '../ingest/decode/json/scan-plan.ts'
import { DecodeResult, type RowDecoder } from '../ingest/decode/row-decoder.ts'
import { openRowBuffer } from '../ingest/spool/open-row-buffer.ts'
import type { RecordBatch } from '../ingest/record-batch/record-batch.ts'
import { generateRecords } from './generate.ts'

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '500000' },
    runs: { type: 'string', default: '5' },
    decoders: { type: 'string', default: 'json,columns' },
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
const data32 = new Int32Array(records).fill(-1)
const batch: RecordBatch = {
  topic: 'bench',
  partition: 3,
  count: records,
  data,
  offsets,
  timestamps,
  timestampType: 0,
  valueStarts: starts,
  valueEnds: ends,
  keyStarts: data32,
  keyEnds: data32,
  headerStarts: data32,
  headerEnds: data32,
  nextOffset: BigInt(records),
}
const place = { offset: '$o', timestamp: '$t', partition: '$p', record: '$r' }
const decoders: Readonly<Record<string, () => RowDecoder>> = {
  json: () => new JsonTextDecoder(new RowScanner(compileScanPlan(fields, 'strict')), place),
  columns: () => openJsonDecoder(fields, place, { coercion: 'strict' }),
  bytes: () => openKeyValue('binary'),
  text: () => openKeyValue('string'),
}
const chosen = values.decoders.split(',').map((name) => {
  const openDecoder = decoders[name]
  if (openDecoder === undefined) throw new Error(`no decoder ${name}`)
  return { name, openDecoder }
})
console.log(`${records} records, ${(data.length / records).toFixed(0)} bytes each`)
const times = new Map<string, number[]>()
for (let run = 0; run < Number(values.runs); run++) {
  for (const { name, openDecoder } of chosen) {
    const decoder = openDecoder()
    const rows = openRowBuffer(decoder.format)
    const before = process.cpuUsage()
    for (let index = 0; index < records; index++) {
      if (decoder.decode(batch, index, rows) !== DecodeResult.good) throw new Error(decoder.fault)
      if ((index & 1023) === 0 && rows.isFull) rows.clear()
    }
    const cpu = process.cpuUsage(before)
    times.set(name, [...(times.get(name) ?? []), (cpu.user + cpu.system) / records])
  }
}
for (const [name, runs] of times) {
  runs.sort((a, b) => a - b)
  console.log(
    `${name}: CPU-s per million: median ${runs[Math.floor(runs.length / 2)]?.toFixed(2)} (${runs[0]?.toFixed(2)}-${runs.at(-1)?.toFixed(2)})`,
  )
}

function openKeyValue(type: RawType): RowDecoder {
  const format = keyValueFormat({ key: type, value: type })
  return format.openDecoder(
    { fields: format.columns ?? [], isOpen: () => false, rules: plainKeyRules },
    place,
  )
}
