/**
 * Compaction alone: the small files of a streamed table, rewritten within a memory limit.
 *
 *   npx tsx bench/compaction.ts [--files 100] [--rows 50000] [--memory 256] [--threads 2]
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { planScan } from '../catalog/scan/index.ts'
import { silentLogger, systemClock, systemRandom } from '../common/index.ts'
import { rewriteOptions, rewriteTable } from '../compactor/index.ts'
import { LocalFileIO } from '../io/index.ts'
import { createDataFileRewriter, openDatabase } from '../sql/index.ts'
import { openSqlLake } from '../tests/support/sql-lake.ts'

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '100' },
    rows: { type: 'string', default: '50000' },
    memory: { type: 'string', default: '256' },
    threads: { type: 'string', default: '2' },
  },
})
const [files, rows] = [Number(values.files), Number(values.rows)]

const folder = join(process.cwd(), '.cache', `bench-compaction-${process.pid}`)
const lake = await openSqlLake({ io: new LocalFileIO(), warehouse: `file://${folder}` })
try {
  await lake.create('d.events', [
    'id long',
    'ts timestamptz',
    'user string',
    'session string',
    'amount double',
    'qty int',
    'price decimal(12,2)',
    'ok boolean',
  ])
  for (let file = 0; file < files; file++) {
    await lake.append(
      'd.events',
      `SELECT ${file * rows} + i AS id, make_timestamptz((1700000000000 + i) * 1000) AS ts,
        'user-' || (hash(i) % 100000) AS user, md5(i::VARCHAR) AS session, random() AS amount,
        (i % 50)::INTEGER AS qty, (i % 100000 / 100)::DECIMAL(12,2) AS price, i % 3 = 0 AS ok
       FROM range(${rows}) t(i)`,
    )
  }
  const database = await openDatabase({
    threads: Number(values.threads),
    memoryLimitBytes: Number(values.memory) * 1e6,
    tempDirectory: join(lake.directory, 'spill'),
  })
  const before = process.memoryUsage().rss
  const cpu = process.cpuUsage()
  const start = performance.now()
  const { groups } = await rewriteTable(
    {
      catalog: lake.catalog,
      io: lake.io,
      rewriter: createDataFileRewriter(database),
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      workDirectory: join(lake.directory, 'work'),
    },
    { namespace: ['d'], name: 'events' },
    { options: (properties) => rewriteOptions(properties) },
  )
  const seconds = (performance.now() - start) / 1000
  const { system, user } = process.cpuUsage(cpu)
  const bytes = groups.reduce((sum, group) => sum + Number(group.bytesBefore), 0)
  const after = await planScan(lake.io, await lake.load('d.events'))
  console.log(
    [
      `${files} files of ${rows} rows, ${(bytes / 1e6).toFixed(0)} MB -> ${after.tasks
        .map(({ file }) => `${(Number(file.fileSizeInBytes) / 1e6).toFixed(0)} MB`)
        .join(' + ')}`,
      `${seconds.toFixed(2)} s, ${((files * rows) / seconds / 1e6).toFixed(2)} M rows/s, ${(bytes / seconds / 1e6).toFixed(0)} MB/s`,
      `cpu ${((user + system) / 1e6).toFixed(2)} s, resident ${(process.resourceUsage().maxRSS / 1024).toFixed(0)} MB at most (${(before / 1e6).toFixed(0)} MB before)`,
    ].join('\n'),
  )
  database.close()
} finally {
  await lake.close()
  const { rm } = await import('node:fs/promises')
  await rm(folder, { recursive: true, force: true })
}
