/**
 * A whole lake in a temporary directory for tests that cross folders: embedded log, a FileIO of the
 * test's choice, the bucket catalog and DuckDB as writer and independent reader of Parquet files.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { currentSnapshot } from '../../catalog/format/index.ts'
import {
  type Catalog,
  ObjectStoreCatalog,
  readManifestEntries,
  readSnapshotManifests,
} from '../../catalog/index.ts'
import { silentLogger, systemClock, systemRandom } from '../../common/index.ts'
import { parseStreamSettings, type StreamSettings } from '../../ingest/settings/index.ts'
import { variableSource } from '../../settings/index.ts'
import {
  createEmbeddedSource,
  EmbeddedLog,
  runStream,
  type StreamParts,
  type StreamRunOptions,
  type StreamRunResult,
} from '../../ingest/index.ts'
import { type FileIO, LocalFileIO } from '../../io/index.ts'
import {
  createDataFileRewriter,
  createDataFileWriter,
  type Database,
  openDatabase,
} from '../../sql/index.ts'
import { within } from './eventually.ts'

export interface LakeFixture {
  readonly directory: string
  readonly io: FileIO
  readonly catalog: Catalog
  readonly database: Database
  readonly log: EmbeddedLog
  settings(yaml: string): StreamSettings
  run(
    settings: StreamSettings,
    options?: Partial<StreamRunOptions>,
    parts?: Partial<StreamParts>,
  ): Promise<StreamRunResult>
  /** Rows of a table by DuckDB alone: the manifests say which files, nothing else of ours reads. */
  rows(table: string, columns: string): Promise<readonly Record<string, unknown>[]>
  /** Ends the streams that a test has left running. */
  close(): Promise<void>
}

export async function openLakeFixture(
  options: { readonly wrap?: (io: FileIO) => FileIO } = {},
): Promise<LakeFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'tide-lake-'))
  const inner = new LocalFileIO()
  const io = options.wrap?.(inner) ?? inner
  const warehouse = pathToFileURL(join(directory, 'warehouse')).href
  const catalog = new ObjectStoreCatalog({ io, warehouse })
  const database = await openDatabase({ threads: 2 })
  const log = await EmbeddedLog.open(join(directory, 'log'))
  const rows = async (name: string, columns: string): Promise<Record<string, unknown>[]> => {
    const files = await liveFiles(catalog, inner, name)
    if (files.length === 0) return []
    const list = files.map((file) => `'${new URL(file).pathname}'`).join(', ')
    return database.withConnection(async (connection) => {
      const result = await connection.runAndReadAll(
        `SELECT ${columns} FROM read_parquet([${list}], union_by_name = true) ORDER BY ALL`,
      )
      return result.getRowObjectsJson() as Record<string, unknown>[]
    })
  }
  const closing = new AbortController()
  const runs: Promise<unknown>[] = []
  return {
    directory,
    io,
    catalog,
    database,
    log,
    settings: (yaml) =>
      parseStreamSettings({
        text: yaml,
        file: join(directory, 'stream.yaml'),
        variables: variableSource({}),
        overrides: [],
        directory,
      }).settings,
    run: (settings, { signal, ...runOptions } = {}, parts = {}) => {
      const ended = runStream(
        settings,
        {
          source: createEmbeddedSource({ log, topics: settings.input.topics }),
          catalog,
          io,
          writer: createDataFileWriter(database),
          rewriter: createDataFileRewriter(database),
          clock: systemClock,
          random: systemRandom,
          logger: silentLogger,
          workDirectory: join(directory, 'spool'),
          ...parts,
        },
        {
          until: 'latest',
          ...runOptions,
          signal: AbortSignal.any([closing.signal, ...(signal === undefined ? [] : [signal])]),
        },
      )
      runs.push(ended)
      return ended
    },
    rows,
    close: async () => {
      closing.abort()
      await within(Promise.allSettled(runs), () => 'a stream does not end')
      await log.close()
      database.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

export async function liveFiles(catalog: Catalog, io: FileIO, name: string): Promise<string[]> {
  const [namespace = '', table = ''] = name.split('.')
  const { metadata } = await catalog.loadTable({ namespace: [namespace], name: table })
  const snapshot = currentSnapshot(metadata)
  if (snapshot === undefined) return []
  const files: string[] = []
  for (const manifest of await readSnapshotManifests({ io }, snapshot)) {
    for (const entry of await readManifestEntries({ io }, metadata, manifest)) {
      if (entry.status !== 'deleted') files.push(entry.dataFile.filePath)
    }
  }
  return files
}
