/** The last part of the demo's report: figures, a query through the real query engine, and where the files are. */
import { allRows, createQueryEngine, plainText } from '../sql/index.ts'
import { join, relative } from 'node:path'
import type { Table } from '../catalog/index.ts'
import { formatDuration, formatSize } from '../common/index.ts'
import type { DemoReporter } from './demo-reporter.ts'
import type { DemoSession } from './demo-session.ts'
import { recordsOf } from './flights-table.ts'
import { grouped } from './grouped.ts'
import type { DataFiles } from './table-accounts.ts'
import type { StreamOutcome } from './stream-and-kill.ts'

export function reportFigures(
  reporter: DemoReporter,
  table: Table,
  files: DataFiles,
  outcome: StreamOutcome | undefined,
): void {
  const committed = recordsOf(table)
  if (outcome !== undefined) {
    const { produced, producedMs } = outcome
    const rate = grouped((produced / producedMs) * 1000)
    reporter.fact(
      'produced',
      `${grouped(produced)} records`,
      `${rate} records/s for ${formatDuration(producedMs)}, the sink beside it`,
    )
  }
  reporter.fact('committed', `${grouped(committed)} records`)
  reporter.fact(
    'snapshots',
    `${table.metadata.snapshots.length}`,
    `${files.paths.length} data files, ${formatSize(Number(files.sizeBytes))}`,
  )
  if (outcome === undefined) return
  const { kill, sinkMs } = outcome
  reporter.fact(
    'records/s',
    grouped((Number(committed) / sinkMs) * 1000),
    `sink, ${formatDuration(sinkMs)} with both starts of the process`,
  )
  reporter.fact(
    'kill',
    `pid ${kill.pid}`,
    `${grouped(kill.committed)} committed in ${kill.snapshots} snapshots, ${grouped(kill.produced)} in the log`,
  )
}

const query = `SELECT origin, count(*) AS flights, round(avg(delay), 1) AS mean_delay_minutes
FROM demo.flights
WHERE ts >= '2001-01-01' AND ts < '2001-02-01'
GROUP BY origin HAVING count(*) >= 100
ORDER BY mean_delay_minutes DESC LIMIT 5`

export async function reportQuery(session: DemoSession, reporter: DemoReporter): Promise<void> {
  const { lake, database, clock } = session
  const engine = await createQueryEngine({ catalog: lake.catalog, io: lake.io, database, clock })
  reporter.section('Query: where January was late')
  reporter.code(query)
  const result = await engine.query(query)
  const rows = await allRows(result)
  await reporter.table(
    result.columns.map(({ name }) => name),
    rows.map((row) => row.map(plainText)),
  )
  const { tables, totalMs } = result.summary()
  const [read] = tables
  reporter.fact(
    'time',
    formatDuration(totalMs),
    `${read?.filesRead ?? 0} of ${read?.filesTotal ?? 0} files read`,
  )
}

/** Commands that work from `from`, and where the files are. */
export function reportPlaces(
  reporter: DemoReporter,
  table: Table,
  directory: string,
  from: string,
): void {
  const shown = (path: string): string => {
    const near = relative(from, path)
    return near.startsWith('..') ? path : near || '.'
  }
  const tide = `npx tide --config ${quotedWord(shown(join(directory, 'tidewater.yaml')))}`
  reporter.section('Look further')
  reporter.fact('project', shown(directory), 'tidewater.yaml, streams/, models/, snapshots/')
  reporter.fact('table', table.metadata.location)
  reporter.fact('metadata', table.metadataLocation)
  reporter.code(`${tide} sql -c "SELECT month(ts) AS month, count(*) FROM demo.flights GROUP BY 1"`)
  reporter.code(`${tide} table snapshots demo.flights`)
  reporter.code(`${tide} table files demo.flights`)
  reporter.code(`${tide} build`)
}

/** A path with a space must still be one word for the shell. */
function quotedWord(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
}
