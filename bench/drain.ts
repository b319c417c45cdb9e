/**
 * Drains a real Kafka topic into Iceberg on a real MinIO, both on this machine, all semantics on.
 *
 *   npx tsx bench/drain.ts [--records 4000000] [--codecs lz4,none,snappy,gzip,zstd]
 *                          [--clients sliced,kafkajs] [--runs 3] [--kafka HOST:PORT --minio URL]
 *
 * Starts Kafka and MinIO of its own unless it is given some (`npx tsx scripts/services.ts start`), as for two
 * checkouts whose runs alternate.
 *
 * Prints a row per codec and client: median and spread of records/s, CPU seconds per million records
 * of the sink's process, its peak memory. Runs of the variants alternate, because such machines drift.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { openBucketAdmin } from '../io/index.ts'
import { connectKafkaTools } from '../tests/support/kafka-tools.ts'
import {
  pythonEnvironment,
  runCommand,
  startKafka,
  startMinio,
} from '../tests/support/services/index.ts'
import { generateRecords } from './generate.ts'

interface Outcome {
  readonly records: number
  readonly commits: number
  readonly recordsPerSecond: number
  readonly cpuSeconds: number
  readonly peakMiB: number
}

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '4000000' },
    codecs: { type: 'string', default: 'lz4' },
    clients: { type: 'string', default: 'sliced' },
    runs: { type: 'string', default: '1' },
    partitions: { type: 'string', default: '4' },
    metadata: { type: 'string', default: 'struct' },
    kafka: { type: 'string' },
    minio: { type: 'string' },
  },
})
let drained = 0
const records = Number(values.records)
const partitions = Number(values.partitions)

// As shipped: compiled by tsc, run by plain Node.
await runCommand('npx', ['tsc', '-p', 'bench/tsconfig.json'])
const kafka = values.kafka === undefined ? await startKafka() : undefined
const minio = values.minio === undefined ? await startMinio() : undefined
const bootstrap = values.kafka ?? kafka?.bootstrap ?? ''
const endpoint = values.minio ?? minio?.endpoint ?? ''
const tools = await connectKafkaTools(bootstrap)
try {
  await createBucket()
  const codecs = values.codecs.split(',')
  for (const codec of codecs) await produce(`bench-${codec}`, codec)
  // What producing left to be written to disk is not the drain's work.
  await runCommand('sync', [])
  const outcomes = new Map<string, Outcome[]>()
  for (let run = 0; run < Number(values.runs); run++) {
    for (const client of values.clients.split(',')) {
      for (const codec of run % 2 === 0 ? codecs : [...codecs].reverse()) {
        const outcome = await drain(codec, client)
        if (outcome.records !== records) {
          throw new Error(`drained ${outcome.records} of ${records} records`)
        }
        const name = `${client} ${codec}`
        outcomes.set(name, [...(outcomes.get(name) ?? []), outcome])
        console.error(name, JSON.stringify(outcome))
      }
    }
  }
  report(outcomes)
} finally {
  await tools.close()
  await Promise.all([kafka?.stop(), minio?.stop()])
}

/** Unless the topic is there already with this many records. */
async function produce(topic: string, compression: string): Promise<void> {
  const admin = tools.kafka.admin()
  await admin.connect()
  const isThere = (await admin.listTopics()).includes(topic)
  await admin.disconnect()
  if (isThere) return
  await tools.createTopic(topic, { partitions })
  const python = await pythonEnvironment()
  const child = spawn(python.python, ['bench/produce.py'], {
    stdio: ['pipe', 'inherit', 'inherit'],
  })
  child.stdin.write(`${JSON.stringify({ bootstrap, topic, partitions, compression })}\n`)
  await generateRecords(child.stdin, records)
  child.stdin.end()
  const [code] = (await once(child, 'exit')) as [number]
  if (code !== 0) throw new Error(`producing failed with exit code ${code}`)
}

async function createBucket(): Promise<void> {
  const admin = await openBucketAdmin({
    endpoint,
    region: 'us-east-1',
    accessKeyId: 'minioadmin',
    secretAccessKey: 'minioadmin',
    pathStyleAccess: true,
  })
  await admin.create('bench')
  await admin.close()
}

async function drain(codec: string, client: string): Promise<Outcome> {
  const job = {
    bootstrap,
    topic: `bench-${codec}`,
    table: `bench.drain_${process.pid}_${++drained}`,
    client,
    endpoint,
    warehouse: 's3://bench/warehouse',
    metadata: values.metadata,
  }
  const child = spawn(process.execPath, ['.cache/bench/bench/drain-sink.js', JSON.stringify(job)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  const [code] = (await once(child, 'exit')) as [number]
  if (code !== 0) throw new Error(`the sink failed with exit code ${code}`)
  return JSON.parse(output) as Outcome
}

function report(outcomes: ReadonlyMap<string, readonly Outcome[]>): void {
  console.log(`${records} records, ${partitions} partitions, metadata ${values.metadata}`)
  console.log(
    'client codec | k records/s median (min-max) | CPU-s per million | peak MiB | commits',
  )
  for (const [name, runs] of outcomes) {
    const speed = sorted(runs.map((run) => run.recordsPerSecond / 1000))
    const cpu = sorted(runs.map((run) => (run.cpuSeconds / records) * 1e6))
    const peak = sorted(runs.map((run) => run.peakMiB))
    const row = [
      name,
      `${median(speed).toFixed(0)} (${speed[0]?.toFixed(0)}-${speed.at(-1)?.toFixed(0)})`,
      median(cpu).toFixed(2),
      median(peak).toFixed(0),
      runs[0]?.commits,
    ]
    console.log(row.join(' | '))
  }
}

function sorted(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b)
}

function median(values: readonly number[]): number {
  return values[Math.floor(values.length / 2)] ?? Number.NaN
}
