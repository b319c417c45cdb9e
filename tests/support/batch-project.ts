/** A project of models over a lake of its own, for tests of batch jobs. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import {
  type BatchTools,
  loadProject,
  type NodeResult,
  runProject,
  type RunOptions,
  type RunResults,
} from '../../batch-jobs/index.ts'
import { ManifestCache } from '../../catalog/index.ts'
import { seededRandom, silentLogger } from '../../common/index.ts'
import { type FileIO, LocalFileIO } from '../../io/index.ts'
import { allRows, createQueryEngine, plainText } from '../../sql/index.ts'
import { InstantClock } from './instant-clock.ts'
import { openSqlLake, type SqlLake } from './sql-lake.ts'

export interface BatchProject {
  readonly lake: SqlLake
  readonly clock: InstantClock
  readonly directory: string
  readonly tools: BatchTools
  /** Writes files of the project; undefined takes one away. */
  files(files: Readonly<Record<string, string>>): Promise<void>
  run(options?: Partial<RunOptions>): Promise<RunResults>
  /** The same, which must succeed; what became of each node, as `name status`. */
  build(options?: Partial<RunOptions>): Promise<readonly string[]>
  /** Rows as text, in the order of all columns. */
  rows(sql: string): Promise<readonly string[]>
  close(): Promise<void>
}

export interface BatchProjectOptions {
  readonly now: string
  readonly wrap?: (io: FileIO) => FileIO
  readonly seed?: number
}

export async function openBatchProject(options: BatchProjectOptions): Promise<BatchProject> {
  const directory = await mkdtemp(join(tmpdir(), 'tide-batch-'))
  const clock = new InstantClock(Date.parse(options.now))
  const inner = new LocalFileIO()
  const io = options.wrap?.(inner) ?? inner
  const lake = await openSqlLake({ io, warehouse: `file://${join(directory, 'warehouse')}`, clock })
  const query = { io, database: lake.database, clock }
  const tools: BatchTools = {
    catalog: lake.catalog,
    io,
    query,
    clock,
    random: seededRandom(options.seed ?? 11),
    logger: silentLogger,
    cache: new ManifestCache(),
    workDirectory: directory,
  }
  const engine = await createQueryEngine({ ...query, catalog: lake.catalog })
  const run = async (runOptions: Partial<RunOptions> = {}): Promise<RunResults> => {
    const project = await loadProject({ directory, namespace: 'models' })
    return runProject(tools, project, { verb: 'build', ...runOptions })
  }
  return {
    lake,
    clock,
    directory,
    tools,
    files: async (files) => {
      for (const [file, text] of Object.entries(files)) {
        await mkdir(dirname(join(directory, file)), { recursive: true })
        await writeFile(join(directory, file), text)
      }
    },
    run,
    build: async (runOptions) => {
      const { results, ok } = await run(runOptions)
      if (!ok) throw new Error(results.filter(isFault).map(describeResult).join('\n'))
      return results.map(({ name, status }) => `${name} ${status}`)
    },
    rows: async (sql) => {
      const rows = await allRows(await engine.query(`SELECT * FROM (${sql}) ORDER BY ALL`))
      return rows.map((row) => row.map(plainText).join('|'))
    },
    close: async () => {
      await lake.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

function isFault({ status, message }: NodeResult): boolean {
  return status === 'error' || status === 'fail' || message.startsWith('not run')
}

function describeResult({ name, status, message }: NodeResult): string {
  return `${name} ${status}: ${message}`
}
