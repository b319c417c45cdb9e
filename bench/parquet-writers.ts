/**
 * The two ways to write Parquet from Node that the project knows: DuckDB's COPY (what Tidewater uses)
 * and parquetjs-lite's row loop (docs/adr/0002-parquet-writer.md).
 *
 *   npx tsx bench/parquet-writers.ts [--records 200000] [--runs 3]
 *
 * Both take the same newline-delimited JSON file and write gzip, the one good codec both know; DuckDB
 * writes zstd as well. CPU seconds are of this process, all threads.
 */
import { createReadStream, createWriteStream, statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import parquet from 'parquetjs-lite'
import type { NestedField, Type } from '../catalog/format/index.ts'
import { createDataFileWriter, openDatabase } from '../sql/index.ts'
import { generateRecords } from './generate.ts'

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '200000' },
    runs: { type: 'string', default: '3' },
  },
})
const records = Number(values.records)
const directory = await mkdtemp(join(tmpdir(), 'tide-bench-'))
const source = join(directory, 'rows.ndjson')
const out = createWriteStream(source)
await generateRecords(out, records)
out.end()
await once(out, 'finish')

const columns = {
  id: 'long',
  ts: 'timestamptz',
  user: 'string',
  session: 'string',
  amount: 'double',
  qty: 'int',
  lat: 'double',
  lon: 'double',
  ok: 'boolean',
  tag: 'string',
  n: 'int',
} as const
const parquetjsTypes = {
  long: 'INT64',
  int: 'INT32',
  double: 'DOUBLE',
  boolean: 'BOOLEAN',
  string: 'UTF8',
  timestamptz: 'TIMESTAMP_MICROS',
} as const

async function byDuckdb(codec: string): Promise<number> {
  const database = await openDatabase({ threads: 2 })
  const fields: NestedField[] = Object.entries(columns).map(([name, type], index) => ({
    id: index + 1,
    name,
    required: false,
    type: { type } satisfies Type,
  }))
  const { files } = await createDataFileWriter(database).write({
    schema: { schemaId: 0, identifierFieldIds: [], fields },
    spec: { specId: 0, fields: [] },
    spools: [
      { path: source, rowCount: records, sizeBytes: statSync(source).size, rowBytesMax: 512 },
    ],
    directory,
    sideFields: [],
    properties: { 'write.parquet.compression-codec': codec },
  })
  database.close()
  return files.reduce((sum, file) => sum + Number(file.fileSizeInBytes), 0)
}

async function byParquetjs(): Promise<number> {
  const schema = new parquet.ParquetSchema(
    Object.fromEntries(
      Object.entries(columns).map(([name, type]) => [
        name,
        { type: parquetjsTypes[type], compression: 'GZIP', optional: true },
      ]),
    ),
  )
  const path = join(directory, 'parquetjs.parquet')
  const writer = await parquet.ParquetWriter.openFile(schema, path)
  writer.setRowGroupSize(100_000)
  for await (const line of createInterface({ input: createReadStream(source) })) {
    const row = JSON.parse(line) as { ts: string; n: number }
    await writer.appendRow({ ...row, ts: Date.parse(row.ts) * 1000 })
  }
  await writer.close()
  return statSync(path).size
}

const ways: Readonly<Record<string, () => Promise<number>>> = {
  'duckdb zstd': () => byDuckdb('zstd'),
  'duckdb gzip': () => byDuckdb('gzip'),
  'parquetjs-lite gzip': byParquetjs,
}
const rows = new Map<string, { seconds: number; cpu: number; bytes: number }[]>()
for (let run = 0; run < Number(values.runs); run++) {
  const names = Object.keys(ways)
  for (const name of run % 2 === 0 ? names : names.reverse()) {
    const started = performance.now()
    const cpuBefore = process.cpuUsage()
    const bytes = (await ways[name]?.()) ?? 0
    const cpu = process.cpuUsage(cpuBefore)
    const seconds = (performance.now() - started) / 1000
    rows.set(name, [
      ...(rows.get(name) ?? []),
      { seconds, cpu: (cpu.user + cpu.system) / 1e6, bytes },
    ])
  }
}
console.log(`${records} records`)
console.log('writer | k records/s median (min-max) | CPU-s per million | bytes per record')
for (const [name, runs] of rows) {
  const speed = runs.map((run) => records / run.seconds / 1000).sort((a, b) => a - b)
  const cpu = runs.map((run) => (run.cpu / records) * 1e6).sort((a, b) => a - b)
  const middle = Math.floor(runs.length / 2)
  console.log(
    [
      name,
      `${speed[middle]?.toFixed(0)} (${speed[0]?.toFixed(0)}-${speed.at(-1)?.toFixed(0)})`,
      cpu[middle]?.toFixed(2),
      ((runs[0]?.bytes ?? 0) / records).toFixed(0),
    ].join(' | '),
  )
}
await rm(directory, { recursive: true, force: true })
