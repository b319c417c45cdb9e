/**
 * How long a small query takes over HTTP, from request to answer, in the locked-down child.
 *
 *     npx tsx bench/query-latency.ts [--queries 200] [--concurrency 1]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createServer } from '../server/index.ts'
import { FileCache, openSandboxedEngine } from '../sql/index.ts'
import { openSqlLake } from '../tests/support/sql-lake.ts'

const { values } = parseArgs({
  options: {
    queries: { type: 'string', default: '200' },
    concurrency: { type: 'string', default: '1' },
  },
})
const queries = Number(values.queries)
const concurrency = Number(values.concurrency)

const directory = await mkdtemp(join(tmpdir(), 'tide-bench-'))
const lake = await openSqlLake()
await lake.create('demo.t', ['id long', 'name string'])
await lake.append('demo.t', "SELECT i::BIGINT AS id, 'n' || i AS name FROM range(1000) r(i)")
const cache = new FileCache({ io: lake.io, directory, bytesMax: 1e9 })
const engine = await openSandboxedEngine({
  ...lake,
  cache,
  limits: {
    memoryBytesMax: 512e6,
    threads: 2,
    tempBytesMax: 1e9,
    rowsMax: 1e6,
    resultBytesMax: 256e6,
  },
  mode: 'auto',
  concurrency: 4,
  queuedMax: 100,
  timeoutMs: 60_000,
})
const server = createServer({
  catalog: lake.catalog,
  port: 0,
  queries: {
    engine,
    isNetworkless: engine.isNetworkless,
    networkReason: engine.networkReason,
    acceptsNetwork: false,
  },
})
const uri = await server.start()

const times: number[] = []
async function ask(): Promise<void> {
  const startedMs = performance.now()
  const body = 'SELECT count(*), max(name) FROM demo.t WHERE id < 500'
  const response = await fetch(`${uri}/query`, { method: 'POST', body })
  const text = await response.text()
  if (!text.includes('500')) throw new Error(text)
  times.push(performance.now() - startedMs)
}
for (let warm = 0; warm < 10; warm++) await ask()
times.length = 0
const workers = Array.from({ length: concurrency }, async () => {
  while (times.length < queries) await ask()
})
await Promise.all(workers)

times.sort((a, b) => a - b)
const at = (share: number): string => (times[Math.floor(times.length * share)] ?? 0).toFixed(1)
console.log(
  `${times.length} queries, ${concurrency} at once, network wall ${engine.isNetworkless}: ` +
    `p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, p99 ${at(0.99)} ms`,
)
await server.stop()
await engine.close()
await lake.close()
await rm(directory, { recursive: true, force: true })
