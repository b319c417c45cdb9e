/**
 * Late rows of many partitions on a real MinIO: the product's way (write, upload, commit) beside the same
 * rows through DuckDB's own `COPY … PARTITION_BY` and the upload of its files by the same client.
 *
 *   npx tsx bench/partitioned.ts [--rows 300000] [--partitions 1,365,2920] [--runs 3] [--minio URL]
 *
 * Starts a MinIO of its own unless it is given one. Runs of the two alternate, because such machines
 * drift; each is a process of its own, whose CPU seconds and peak memory are printed.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openBucketAdmin } from '../io/index.ts'
import { openDatabase } from '../sql/index.ts'
import { runCommand, startMinio } from '../tests/support/services/index.ts'
import type { PartitionedJob, PartitionedOutcome } from './partitioned-write.ts'

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '300000' },
    partitions: { type: 'string', default: '1,365,2920' },
    runs: { type: 'string', default: '3' },
    minio: { type: 'string' },
  },
})
const rows = Number(values.rows)
const ways = ['copy', 'tidewater'] as const

// As shipped: compiled by tsc, run by plain Node.
await runCommand('npx', ['tsc', '-p', 'bench/tsconfig.json'])
const directory = await mkdtemp(join(tmpdir(), 'tide-bench-'))
const minio = values.minio === undefined ? await startMinio() : undefined
const endpoint = values.minio ?? minio?.endpoint ?? ''
try {
  const admin = await openBucketAdmin({
    endpoint,
    region: 'us-east-1',
    accessKeyId: 'minioadmin',
    secretAccessKey: 'minioadmin',
    pathStyleAccess: true,
  })
  await admin.create('bench')
  await admin.close()
  console.log(`${rows} rows; median (min-max) of ${values.runs} runs`)
  console.log('partitions way | write s | upload s | sum s | commit s | CPU-s | peak MiB | files')
  for (const partitions of values.partitions.split(',').map(Number)) await measure(partitions)
} finally {
  await minio?.stop()
  await rm(directory, { recursive: true, force: true })
}

async function measure(partitions: number): Promise<void> {
  const spool = join(directory, `rows-${partitions}.parquet`)
  await makeSpool(spool, partitions)
  const outcomes = { copy: [] as PartitionedOutcome[], tidewater: [] as PartitionedOutcome[] }
  for (let run = 0; run < Number(values.runs); run++) {
    for (const way of run % 2 === 0 ? ways : [...ways].reverse()) {
      const outcome = await runOne({ way, spool, rows, endpoint, run, partitions })
      console.error(partitions, way, JSON.stringify(outcome))
      outcomes[way].push(outcome)
    }
  }
  for (const way of ways) report(`${partitions} ${way}`, outcomes[way])
  const sumOf = (way: (typeof ways)[number]): number =>
    spread(outcomes[way].map(({ writeS, uploadS }) => writeS + uploadS)).median
  console.log(`${partitions} tidewater / copy: ${(sumOf('tidewater') / sumOf('copy')).toFixed(2)}`)
}

/** Rows in the order in which late ones come: none. */
async function makeSpool(path: string, partitions: number): Promise<void> {
  const database = await openDatabase()
  await database.withConnection((connection) =>
    connection.run(
      `COPY (SELECT (hash(i) >> 1)::BIGINT AS id,
         make_timestamptz(((hash(i * 7) % ${partitions})::BIGINT * 86400 + 1577836800 + i % 86400) * 1000000) AS ts,
         'user-' || (hash(i) % 100000) AS user, md5(i::VARCHAR) AS session, random() * 1e4 AS amount,
         (i % 50)::INTEGER AS qty, random() * 180 - 90 AS lat, random() * 360 - 180 AS lon, i % 3 = 0 AS ok,
         left(md5((i * 3)::VARCHAR), 8) AS tag, (hash(i * 5) % 1000000)::INTEGER AS n
       FROM range(${rows}) t(i)) TO '${path}' (FORMAT parquet, COMPRESSION uncompressed)`,
    ),
  )
  database.close()
}

async function runOne(job: PartitionedJob): Promise<PartitionedOutcome> {
  const script = '.cache/bench/bench/partitioned-write.js'
  const child = spawn(process.execPath, [script, JSON.stringify(job)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  const [code] = (await once(child, 'exit')) as [number]
  if (code !== 0) throw new Error(`the writing process failed with exit code ${code}`)
  return JSON.parse(output) as PartitionedOutcome
}

function report(name: string, runs: readonly PartitionedOutcome[]): void {
  const cells = [
    text(runs.map(({ writeS }) => writeS)),
    text(runs.map(({ uploadS }) => uploadS)),
    text(runs.map(({ uploadS, writeS }) => writeS + uploadS)),
    text(runs.map(({ commitS }) => commitS)),
    text(runs.map(({ cpuS }) => cpuS)),
    spread(runs.map(({ peakMiB }) => peakMiB)).median.toFixed(0),
    runs[0]?.files,
  ]
  console.log([name, ...cells].join(' | '))
}

function text(numbers: readonly number[]): string {
  const { max, median, min } = spread(numbers)
  return `${median.toFixed(2)} (${min.toFixed(2)}-${max.toFixed(2)})`
}

function spread(numbers: readonly number[]): { min: number; median: number; max: number } {
  const sorted = [...numbers].sort((a, b) => a - b)
  const at = (index: number): number => sorted[index] ?? Number.NaN
  return { min: at(0), median: at(Math.floor(sorted.length / 2)), max: at(sorted.length - 1) }
}
