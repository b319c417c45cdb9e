/**
 * A run of a large history in which few rows change: bytes and seconds when files are written again
 * (copy-on-write) and when rows go by position deletes (merge-on-read), and what a reader then pays.
 *
 *   npx tsx bench/history-changes.ts [--rows 1000000] [--shares 0.0001,0.001,0.01,0.05,0.1,0.2,0.5]
 */
import { parseArgs } from 'node:util'
import { planScan } from '../catalog/scan/index.ts'
import type { FileIO } from '../io/index.ts'
import { openBatchProject } from '../tests/support/batch-project.ts'

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    shares: { type: 'string', default: '0.0001,0.001,0.01,0.05,0.1,0.2,0.5' },
  },
})
const rows = Number(values.rows)
let bytes = 0

const project = await openBatchProject({ now: '2026-01-01T00:00:00Z', wrap: counted })
try {
  await project.files({ 'models/people.sql': people(0) })
  await project.build({ select: ['people'] })
  report(['share', 'mode', 'bytes written', 'run s', 'read s', 'point read s'])
  for (const share of values.shares.split(',').map(Number)) {
    for (const mode of ['copy-on-write', 'merge-on-read']) await measure(share, mode)
  }
} finally {
  await project.close()
}

async function measure(share: number, mode: string): Promise<void> {
  const name = `history_${mode.slice(0, 4)}_${String(share).replace('.', '_')}`
  await project.files({
    'models/people.sql': people(0),
    [`snapshots/${name}.sql`]: `{{ config(strategy='check', unique_key='id', check_cols=['score'],
      properties={'write.update.mode': '${mode}'}) }} SELECT * FROM {{ ref('people') }}`,
  })
  await project.build({ select: ['people', name], verb: 'build' })
  await project.files({ 'models/people.sql': people(share) })
  await project.build({ select: ['people'] })
  project.clock.advance(60_000)
  bytes = 0
  const run = await seconds(() => project.build({ select: [name], verb: 'snapshot' }))
  const written = bytes
  const read = `SELECT count(*), sum(score), count(valid_to), max(city) FROM models.${name}`
  const point = `SELECT * FROM models.${name} WHERE id = ${Math.floor(rows / 3)}`
  const { tasks } = await planScan(project.lake.io, await project.lake.load(`models.${name}`))
  const deletes = tasks.flatMap((task) => task.deletes).length
  if (deletes > 0 !== (mode === 'merge-on-read'))
    throw new Error(`${name}: ${deletes} delete files`)
  report([
    String(share),
    mode,
    written.toLocaleString('en'),
    run.toFixed(2),
    (await best(() => project.rows(read))).toFixed(3),
    (await best(() => project.rows(point))).toFixed(3),
  ])
}

function people(share: number): string {
  return `SELECT i AS id, CASE WHEN hash(i) % 1000000 < ${share * 1_000_000} THEN i % 97 + 1000 ELSE i % 97 END AS score,
    'user ' || i AS name, md5(i::VARCHAR) AS email, 'city ' || hash(i) % 5000 AS city,
    (hash(i + 1) % 100000 / 100)::DECIMAL(9,2) AS balance, DATE '2020-01-01' + (hash(i + 2) % 2000)::INTEGER AS since
    FROM range(${rows}) t(i)`
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return (performance.now() - started) / 1_000
}

async function best(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = []
  for (let round = 0; round < 5; round++) times.push(await seconds(work))
  return Math.min(...times)
}

/** Data, deletes and metadata: all that is sent to the store. */
function counted(inner: FileIO): FileIO {
  return new Proxy(inner, {
    get: (target, key) => {
      if (key === 'upload') {
        return async (path: string, location: string) => {
          const stored = await target.upload(path, location)
          bytes += Number(stored.sizeBytes)
          return stored
        }
      }
      if (key === 'write') {
        return (...args: Parameters<FileIO['write']>) => {
          bytes += args[1].length
          return target.write(...args)
        }
      }
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

function report(cells: readonly string[]): void {
  process.stdout.write(`| ${cells.join(' | ')} |\n`)
}
