/**
 * `tide sql` over a table on a real MinIO: a count, a filtered aggregate and a day's slice, each with its
 * time and the files it read of those in the table.
 *
 *   npx tsx bench/ask.ts [--records 4000000] [--runs 5]
 *
 * A topic of `--records` records in 4 partitions (lz4) is drained into a table partitioned by day; then
 * each statement is asked `--runs` times in one process, through httpfs and through the local cache
 * (empty before the first time: "first" includes fetching).
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openFileIO } from '../io/index.ts'
import { createQueryEngine, FileCache, openDatabase, type QueryResult } from '../sql/index.ts'
import { startRealLake } from '../tests/support/real-lake.ts'
import {
  duckdbExtensions,
  pythonEnvironment,
  repositoryRoot,
} from '../tests/support/services/index.ts'
import { generateRecords } from './generate.ts'

const { values } = parseArgs({
  options: {
    records: { type: 'string', default: '4000000' },
    runs: { type: 'string', default: '5' },
  },
})
const records = Number(values.records)
const runs = Number(values.runs)
const table = 'web.events'
const statements = {
  count: `SELECT count(*) FROM ${table}`,
  'filtered aggregate': `SELECT count(*), sum(id), avg(amount) FROM ${table} WHERE n > 0`,
  "a day's slice": `SELECT count(*), sum(id) FROM ${table} WHERE ts >= '2024-01-02' AND ts < '2024-01-03'`,
}

async function produce(bootstrap: string): Promise<void> {
  const { python } = await pythonEnvironment()
  const child = spawn(python, [join(repositoryRoot, 'bench/produce.py')], {
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  const request = { bootstrap, topic: 'events', partitions: 4, compression: 'lz4' }
  child.stdin.write(`${JSON.stringify(request)}\n`)
  const ended = once(child, 'exit')
  await generateRecords(child.stdin, records)
  child.stdin.end()
  const [code] = (await ended) as [number]
  if (code !== 0) throw new Error('producing failed')
}

async function drained(result: QueryResult): Promise<void> {
  for await (const batch of result.batches) void batch
}

const lake = await startRealLake()
try {
  await lake.tools.createTopic('events', { partitions: 4 })
  await produce(lake.kafka.bootstrap)
  await lake.project.writeStream(
    'events',
    `name: events
input: { kafka: { seed_brokers: ["${lake.kafka.bootstrap}"], topics: [events], consumer_group: ask } }
output: { iceberg: { table: ${table}, partition_by: ["day(ts)"], commit: { interval: 10s, max_records: 1000000 } } }
`,
  )
  await lake.project.drain('events')
  console.log(`${records} rows, ${runs} runs each`)
  console.log(
    'through | statement | first ms | median ms (min-max) of the others | files read of files',
  )
  for (const way of ['httpfs', 'cache'] as const) {
    const directory = join(lake.project.directory, 'ask-cache')
    const io = openFileIO({ s3: lake.s3 })
    const database = await openDatabase({ threads: 2 })
    const engine = await createQueryEngine({
      catalog: lake.catalog,
      io,
      database,
      ...(way === 'cache'
        ? { cache: new FileCache({ io, directory, bytesMax: 8e9 }) }
        : { httpfs: { extension: (await duckdbExtensions()).httpfs, ...lake.s3 } }),
    })
    for (const [name, sql] of Object.entries(statements)) {
      const times: number[] = []
      let files = ''
      for (let run = 0; run < runs; run++) {
        const startedMs = performance.now()
        const result = await engine.query(sql)
        await drained(result)
        times.push(performance.now() - startedMs)
        const [read] = result.summary().tables
        files = `${read?.filesRead} of ${read?.filesTotal}`
      }
      const [first = 0, ...others] = times
      const sorted = others.sort((left, right) => left - right)
      const median = sorted[Math.floor(sorted.length / 2)] ?? 0
      const spread = `${median.toFixed(0)} (${sorted[0]?.toFixed(0)}-${sorted.at(-1)?.toFixed(0)})`
      console.log(`${way} | ${name} | ${first.toFixed(0)} | ${spread} | ${files}`)
    }
    database.close()
    await io.close()
    await rm(directory, { recursive: true, force: true })
  }
} finally {
  await lake.stop()
}
