/**
 * The measured process of `bench/partitioned.ts`: one batch of rows, by one of two ways, then what it used.
 *
 *   npx tsx bench/partitioned-write.ts '{"way": "tidewater", "spool": …, …}'
 */
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseLakeSettings } from '../app/settings/index.ts'
import { openLake } from '../app/index.ts'
import {
  commitAction,
  FastAppend,
  type Table,
  uploadDataFiles,
  type WriteDataFilesResult,
} from '../catalog/index.ts'
import {
  currentSchema,
  defaultPartitionSpec,
  parsePartitionBy,
  type Schema,
} from '../catalog/format/index.ts'
import { silentLogger, systemClock, systemRandom, tuneRuntime } from '../common/index.ts'
import { variableSource } from '../settings/index.ts'
import { createDataFileWriter, openDatabase } from '../sql/index.ts'

export interface PartitionedJob {
  readonly way: 'tidewater' | 'copy'
  readonly spool: string
  readonly rows: number
  readonly partitions: number
  readonly endpoint: string
  readonly run: number
}

export interface PartitionedOutcome {
  readonly files: number
  readonly writeS: number
  readonly uploadS: number
  readonly commitS: number
  readonly cpuS: number
  readonly peakMiB: number
}

const types = {
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
const columns = Object.keys(types)

// As `tide` does.
tuneRuntime()
const job = JSON.parse(process.argv[2] ?? '{}') as PartitionedJob
const lake = await openLake(
  parseLakeSettings({
    text: `catalog: { warehouse: "s3://bench/warehouse", s3.endpoint: "${job.endpoint}", s3.access-key-id: minioadmin, s3.secret-access-key: minioadmin }`,
    file: 'tidewater.yaml',
    variables: variableSource({}),
    overrides: [],
    directory: process.cwd(),
  }).settings,
)
const table = await createTable()
const folder = await mkdtemp(join(tmpdir(), 'tide-bench-write-'))
const database = await openDatabase()
const cpuBefore = process.cpuUsage()
const written = await timed(() => (job.way === 'copy' ? copy() : write()))
const tools = { io: lake.io, random: systemRandom, clock: systemClock, logger: silentLogger }
const uploaded = await timed(() => uploadDataFiles(tools, table.metadata, written.value))
const committed = await timed(() => commit())
const cpu = process.cpuUsage(cpuBefore)
const outcome: PartitionedOutcome = {
  files: uploaded.value.length,
  writeS: written.seconds,
  uploadS: uploaded.seconds,
  commitS: committed.seconds,
  cpuS: (cpu.user + cpu.system) / 1e6,
  peakMiB: process.resourceUsage().maxRSS / 1024,
}
console.log(JSON.stringify(outcome))
database.close()
await lake.close()
await rm(folder, { recursive: true, force: true })
process.exit(0)

async function createTable(): Promise<Table> {
  const schema: Schema = {
    schemaId: 0,
    identifierFieldIds: [],
    fields: Object.entries(types).map(([name, type], index) => ({
      id: index + 1,
      name,
      required: false,
      type: { type },
    })),
  }
  await lake.catalog.createNamespace(['bench']).catch(() => undefined)
  return lake.catalog.createTable({
    identifier: { namespace: ['bench'], name: `late_${job.way}_${job.partitions}_${process.pid}` },
    schema,
    partitionSpec: parsePartitionBy(['day(ts)'], schema),
  })
}

async function write(): Promise<WriteDataFilesResult['files']> {
  const { files } = await createDataFileWriter(database).write({
    schema: currentSchema(table.metadata),
    spec: defaultPartitionSpec(table.metadata),
    spools: [
      {
        path: job.spool,
        rowCount: job.rows,
        sizeBytes: (await stat(job.spool)).size,
        rowBytesMax: 0,
        columns,
      },
    ],
    directory: folder,
    sideFields: [],
    properties: table.metadata.properties,
  })
  return files
}

/** DuckDB's own way, without statistics; the tuple's value is read from the name of the folder. */
async function copy(): Promise<WriteDataFilesResult['files']> {
  const target = join(folder, 'copy')
  await mkdir(target)
  const none = new Map<number, never>()
  return database.withConnection(async (connection) => {
    await connection.run('SET SESSION preserve_insertion_order = false')
    await connection.run(
      `COPY (SELECT *, (epoch_us(ts) // 86400000000)::INTEGER AS day FROM read_parquet('${job.spool}'))
       TO '${target}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, WRITE_BLOOM_FILTER false,
         DICTIONARY_SIZE_LIMIT 10000, PARTITION_BY (day))`,
    )
    const result = await connection.runAndReadAll(`SELECT file FROM glob('${target}/**/*.parquet')`)
    return result.getRows().map(([file]) => ({
      localPath: String(file),
      partition: [Number(/day=(-?\d+)/.exec(String(file))?.[1])],
      recordCount: 1n,
      fileSizeInBytes: 0n,
      splitOffsets: [],
      columnSizes: none,
      valueCounts: none,
      nullValueCounts: none,
      nanValueCounts: none,
      lowerBounds: none,
      upperBounds: none,
    }))
  })
}

async function commit(): Promise<void> {
  const action = new FastAppend(tools, { files: uploaded.value })
  await commitAction(lake.catalog, table.identifier, action, tools)
}

async function timed<T>(work: () => Promise<T>): Promise<{ value: T; seconds: number }> {
  const startMs = systemClock.monotonic()
  const value = await work()
  return { value, seconds: (systemClock.monotonic() - startMs) / 1000 }
}
