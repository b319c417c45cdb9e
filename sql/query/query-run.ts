/**
 * One query from its text to its last row, and what must be freed on the way.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import {
  metadataTableNames,
  type Catalog,
  type DataFile,
  type ManifestCache,
  type ManifestSource,
} from '../../catalog/index.ts'
import {
  UnavailableError,
  ValidationError,
  assert,
  formatIdentifier,
  type Clock,
  type Namespace,
} from '../../common/index.ts'
import type { FileIO } from '../../io/index.ts'
import type { Database } from '../database.ts'
import { bindTables, planTables, type PlannedTable } from './bound-tables.ts'
import type { FileAccess, OpenFiles } from './file-access.ts'
import { groupByLayout, namesAreCertain } from './file-layout.ts'
import type { LiveRows, LiveSource } from './live-rows.ts'
import { openLocalSession } from './local-session.ts'
import { metadataTable } from './metadata-table.ts'
import { nameResolver } from './name-resolution.ts'
import { queryError } from './query-error.ts'
import {
  literalResult,
  type QueryResult,
  type ResultRow,
  type TableSummary,
} from './query-result.ts'
import type { OpenSession, QuerySession, SessionRows } from './query-session.ts'
import {
  pointAtRelations,
  relationDefinitions,
  withoutCatalogNames,
  type Relation,
} from './query-views.ts'
import { deletedRowsSelect, withDeletes } from './deleted-rows.ts'
import { escapeGlob, pathColumn, scanSelect } from './scan-sql.ts'
import { showTables } from './show.ts'
import type { SplicedText } from './spliced-text.ts'
import { parseQuery } from './syntax-tree.ts'
import { findReferences, type QueryReferences, type ShowRequest } from './table-references.ts'
import { rewriteTimeTravel } from './time-travel-syntax.ts'

export interface QueryOptions {
  /** What a table name without a namespace belongs to. */
  readonly defaultNamespace?: Namespace
  readonly signal?: AbortSignal
  /** False: no file is pruned. Same rows, more files; for tests and for doubt. */
  readonly prune?: boolean
  /** Reads only the data files of `table` (`namespace.table`) that this accepts. */
  readonly keepFile?: (table: string, file: DataFile) => boolean
}

/** A query ready to run on the connection that it was bound on: every table is a view over its files. */
export interface BoundQuery {
  readonly text: string
  readonly tables: readonly TableSummary[]
  /** What DuckDB said about `text`, run behind `prefixLength` bytes, in terms of what the user wrote. */
  readonly failure: (error: unknown, prefixLength: number) => Error
  /** Drops the views and releases the files; not before the rows have been read. */
  readonly close: () => Promise<void>
}

/** What every query of an engine uses. */
export interface QueryTools {
  readonly catalog: Catalog
  readonly io: FileIO
  readonly openSession: OpenSession
  /** The instance of this process, where queries run in it. */
  readonly database?: Database
  /** Rows that no snapshot has yet. */
  readonly live?: LiveSource
  readonly clock: Clock
  readonly files: FileAccess
  readonly manifests: ManifestCache
  readonly nextCatalogName: () => string
}

export class QueryRun {
  readonly #tools: QueryTools
  readonly #sql: string
  readonly #options: QueryOptions
  readonly #startedMs: number
  readonly #opened: OpenFiles[] = []
  readonly #live: LiveRows[] = []
  #session: QuerySession | undefined
  #stopListening: (() => void) | undefined
  #planningMs = 0
  #bytesFetched = 0
  #rowCount = 0
  #tables: readonly TableSummary[] = []

  constructor(tools: QueryTools, sql: string, options: QueryOptions, startedMs: number) {
    this.#tools = tools
    this.#sql = sql
    this.#options = options
    this.#startedMs = startedMs
  }

  async start(prefix: number): Promise<QueryResult> {
    const session = await this.#connect()
    const spelled = rewriteTimeTravel(this.#sql)
    // DuckDB serializes the query without its EXPLAIN; blanks keep every position as it was.
    const bare = { ...spelled, text: ' '.repeat(prefix) + spelled.text.slice(prefix) }
    const tree = await parseQuery(session, bare, this.#sql)
    const references = findReferences(tree)
    if (references.show !== undefined) return this.#show(references.show)
    await session.begin()
    return this.#execute(session, await this.#pointed(session, spelled, references))
  }

  /**
   * Plans the query on `connection`, in a read-only transaction that is still open when this returns:
   * run the text in it, so that now() means the same for the pruning and for the rows.
   */
  async bind(connection: DuckDBConnection): Promise<BoundQuery> {
    const { database } = this.#tools
    assert(database !== undefined, 'a query is bound in this process only')
    const session = await openLocalSession({ database, connection })
    this.#session = session
    const spelled = rewriteTimeTravel(this.#sql)
    const references = findReferences(await parseQuery(session, spelled, this.#sql))
    if (references.show !== undefined) {
      throw new ValidationError('expected a query that gives rows, found SHOW or DESCRIBE')
    }
    await session.begin()
    const source = await this.#pointed(session, spelled, references)
    return {
      text: source.text,
      tables: this.#tables,
      failure: (error, prefixLength) =>
        this.#failure(error, {
          text: ' '.repeat(prefixLength) + source.text,
          originalPosition: (at) => source.originalPosition(at - prefixLength),
        }),
      close: () => this.free(),
    }
  }

  async #pointed(
    session: QuerySession,
    spelled: SplicedText,
    references: QueryReferences,
  ): Promise<SplicedText> {
    const resolver = nameResolver({
      catalog: this.#tools.catalog,
      defaultNamespace: this.#options.defaultNamespace,
      metadataKinds: metadataTableNames,
    })
    const bound = await bindTables(session, resolver, references.tables)
    const prune = this.#options.prune !== false
    const planned = await planTables(session, this.#source(), bound, prune)
    const relations: Relation[] = []
    for (const table of planned) {
      this.#options.signal?.throwIfAborted()
      relations.push(await this.#relation(session, table, references.columnNames.has(pathColumn)))
    }
    await session.createRelations(relationDefinitions(relations))
    this.#planningMs = this.#tools.clock.monotonic() - this.#startedMs
    const pointed = pointAtRelations(spelled.text, relations)
    return {
      text: pointed.text,
      originalPosition: (at) => spelled.originalPosition(pointed.originalPosition(at)),
    }
  }

  /** Frees everything: first what reads, then what is read. Idempotent. */
  async free(): Promise<void> {
    this.#stopListening?.()
    const session = this.#session
    this.#session = undefined
    try {
      await session?.close()
    } finally {
      const held = [...this.#opened.splice(0), ...this.#live.splice(0)]
      await Promise.all(held.map((each) => each.release()))
    }
  }

  #source(): ManifestSource {
    return { io: this.#tools.io, cache: this.#tools.manifests }
  }

  async #connect(): Promise<QuerySession> {
    const { signal } = this.#options
    signal?.throwIfAborted()
    const session = await this.#tools.openSession(signal)
    this.#session = session
    const interrupt = (): void => {
      this.#session?.interrupt()
    }
    signal?.addEventListener('abort', interrupt, { once: true })
    this.#stopListening = () => signal?.removeEventListener('abort', interrupt)
    return session
  }

  async #show(request: ShowRequest): Promise<QueryResult> {
    const { catalog, clock } = this.#tools
    const shown = await showTables(catalog, request, this.#options.defaultNamespace)
    await this.free()
    return literalResult(shown.columns, shown.rows, clock.monotonic() - this.#startedMs)
  }

  async #relation(
    session: QuerySession,
    planned: PlannedTable,
    withPath: boolean,
  ): Promise<Relation> {
    const { reference, plan, table } = planned
    const catalogName = this.#tools.nextCatalogName()
    if (plan === undefined) {
      const make = await metadataTable(this.#source(), planned, planned.metadataKind ?? '')
      return { reference, catalogName, make }
    }
    const name = formatIdentifier(table.identifier)
    const { keepFile } = this.#options
    const tasks = plan.tasks.filter(({ file }) => keepFile === undefined || keepFile(name, file))
    const files = tasks.map(({ file }) => file)
    const deletes = [...new Set(tasks.flatMap((task) => task.deletes))]
    const opened = await this.#tools.files.open([...files, ...deletes])
    const scanFiles = opened.files.slice(0, files.length)
    this.#opened.push(opened)
    this.#bytesFetched += opened.bytesFetched
    const live = await this.#liveRows(planned)
    this.#tables = [
      ...this.#tables,
      {
        name,
        ...(live === undefined ? {} : { live: live.state }),
        snapshotId: plan.snapshot?.snapshotId,
        filesRead: files.length,
        filesTotal: plan.filesTotal,
        bytesRead: files.reduce((sum, file) => sum + file.fileSizeInBytes, 0n),
      },
    ]
    const { schema } = plan
    const groups = namesAreCertain(table.metadata, schema)
      ? [{ files: scanFiles, layout: undefined }]
      : await groupByLayout(session, schema, scanFiles)
    const rowCount = files.reduce((sum, file) => sum + file.recordCount, 0n)
    const scan = { schema, groups, rowCount, withPath, live: live?.files ?? [] }
    const deleted = deletedRowsSelect(withDeletes(tasks, opened.files))
    return {
      reference,
      catalogName,
      make: (view) => {
        if (deleted === undefined) return [{ sql: `CREATE VIEW ${view} AS ${scanSelect(scan)}` }]
        const deletedRows = view.replace(/"$/, '$deleted-rows"')
        return [
          { sql: `CREATE TABLE ${deletedRows} AS ${deleted}` },
          { sql: `CREATE VIEW ${view} AS ${scanSelect({ ...scan, deletedRows })}` },
        ]
      },
    }
  }

  /** A past state of a table has no live rows. */
  async #liveRows({ reference, table }: PlannedTable): Promise<LiveRows | undefined> {
    if (reference.timeTravel !== undefined) return undefined
    const live = await this.#tools.live?.(table)
    if (live !== undefined) this.#live.push(live)
    return live
  }

  async #execute(session: QuerySession, source: SplicedText): Promise<QueryResult> {
    const failed = (error: unknown): Error => this.#failure(error, source)
    let result: SessionRows
    try {
      result = await session.stream(source.text, this.#localFiles())
    } catch (error) {
      throw failed(error)
    }
    return {
      columns: result.columns,
      batches: this.#batches(result, failed),
      summary: () => ({
        tables: this.#tables,
        rowCount: this.#rowCount,
        bytesFetched: this.#bytesFetched,
        planningMs: this.#planningMs,
        totalMs: this.#tools.clock.monotonic() - this.#startedMs,
      }),
      close: () => this.free(),
    }
  }

  #failure(error: unknown, source: SplicedText): Error {
    return this.#options.signal?.aborted === true
      ? new UnavailableError('the query was cancelled', { cause: error })
      : queryError(error, source, this.#sql, (message) => this.#inUsersTerms(message))
  }

  /** Every local name that the views may open, as the manifest has it and as a pattern. */
  #localFiles(): readonly string[] {
    const held = [...this.#opened, ...this.#live].flatMap(({ files }) => files)
    return [...new Set(held.flatMap(({ path }) => [path, escapeGlob(path)]))]
  }

  /** Our catalogs have no names for the user, and files are where the manifest says. */
  #inUsersTerms(message: string): string {
    const files = this.#opened.flatMap((opened) => opened.files)
    return files.reduce(
      (text, { path, location }) => (text.includes(path) ? text.replaceAll(path, location) : text),
      withoutCatalogNames(message),
    )
  }

  async *#batches(
    result: SessionRows,
    failed: (error: unknown) => Error,
  ): AsyncGenerator<readonly ResultRow[]> {
    try {
      for (;;) {
        const rows = await result.next().catch((error: unknown) => {
          throw failed(error)
        })
        if (rows === undefined) return
        this.#rowCount += rows.length
        yield rows
      }
    } finally {
      await this.free()
    }
  }
}
