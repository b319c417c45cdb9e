/**
 * The measured process of `bench/drain.ts`: one sink that drains a topic, then says what it used.
 *
 *   npx tsx bench/drain-sink.ts '{"bootstrap": …, "topic": …, …}'
 */
import { openLake, runLakeStream } from '../app/index.ts'
import { tuneRuntime } from '../common/index.ts'
import { parseLakeSettings } from '../app/settings/index.ts'
import { parseStreamSettings } from '../ingest/settings/index.ts'
import { variableSource } from '../settings/index.ts'
import { drainWithKafkajs } from '../tests/support/kafkajs-source/drain-with-kafkajs.ts'

interface Job {
  readonly bootstrap: string
  readonly topic: string
  readonly table: string
  readonly client: 'sliced' | 'kafkajs'
  readonly endpoint: string
  readonly warehouse: string
  readonly metadata: 'struct' | 'none'
  readonly extra?: string
}

// As `tide` does.
tuneRuntime()
const job = JSON.parse(process.argv[2] ?? '{}') as Job
const input = { variables: variableSource({}), overrides: [], directory: process.cwd() }
const lakeYaml = `catalog: { warehouse: "${job.warehouse}", s3.endpoint: "${job.endpoint}", s3.access-key-id: minioadmin, s3.secret-access-key: minioadmin }`
const streamYaml = `
name: ${job.topic}
input: { kafka: { seed_brokers: ["${job.bootstrap}"], topics: [${job.topic}], consumer_group: ${job.table}, start_offset: earliest } }
schema: { mode: json_infer }
metadata: ${job.metadata}
output: { iceberg: { table: ${job.table}, partition_by: ["day(ts)"], commit: { interval: 10s, max_records: 1000000, max_bytes: 1GB } } }
${job.extra ?? ''}
`
const lake = await openLake(
  parseLakeSettings({ ...input, text: lakeYaml, file: 'tidewater.yaml' }).settings,
)
const settings = parseStreamSettings({ ...input, text: streamYaml, file: 'stream.yaml' }).settings
const cpuBefore = process.cpuUsage()
const result =
  job.client === 'sliced'
    ? await runLakeStream(lake, settings, { until: 'latest' })
    : await drainWithKafkajs(lake, settings)
const cpu = process.cpuUsage(cpuBefore)
await lake.close()
const seconds = result.elapsedMs / 1000
console.log(
  JSON.stringify({
    records: result.rowsCommitted,
    deadLetters: result.deadLetters,
    commits: result.commits,
    seconds,
    recordsPerSecond: result.rowsCommitted / seconds,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    peakMiB: process.resourceUsage().maxRSS / 1024,
  }),
)
process.exit(0)
