/**
 * One query from its text to its last row, and what must be freed on the way.
 */
import type { DuckDBConnection, DuckDBResult } from '@duckdb/node-api'
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
  formatIdentifier,
  type Clock,
  type Namespace,
} from '../../common/index.ts'
import type { FileIO } from '../../io/index.ts'
import type { Database } from '../database.ts'
import { beginReading, bindTables, planTables, type PlannedTable } from './bound-tables.ts'
import type { FileAccess, OpenFiles } from './file-access.ts'
import { groupByLayout, namesAreCertain } from './file-layout.ts'
import { metadataTable } from './metadata-table.ts'
import { nameResolver } from './name-resolution.ts'
import { queryError } from './query-error.ts'
import {
  literalResult,
  type QueryResult,
  type ResultRow,
  type TableSummary,
} from './query-result.ts'
import {
  createRelations,
  dropRelations,
  pointAtRelations,
  withoutCatalogNames,
  type Relation,
} from './query-views.ts'
import { pathColumn, scanSelect } from './scan-sql.ts'
import { showTables } from './show.ts'
import type { SplicedText } from './spliced-text.ts'
import { parseQuery } from './syntax-tree.ts'
import { findReferences, type QueryReferences, type ShowRequest } from './table-references.ts'
import { rewriteTimeTravel } from './time-travel-syntax.ts'
import { valueReader } from './values.ts'

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
  /** What DuckDB said about `text`, in terms of what the user wrote. */
  readonly failure: (error: unknown) => Error
  /** Drops the views and releases the files; not before the rows have been read. */
  readonly close: () => Promise<void>
}

/** What every query of an engine uses. */
export interface QueryTools {
  readonly catalog: Catalog
  readonly io: FileIO
  readonly database: Database
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
  #connection: DuckDBConnection | undefined
  /** True: the connection is somebody else's and stays open. */
  #isLent = false
  #catalogs: readonly string[] = []
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
    const connection = await this.#connect()
    const spelled = rewriteTimeTravel(this.#sql)
    // DuckDB serializes the query without its EXPLAIN; blanks keep every position as it was.
    const bare = { ...spelled, text: ' '.repeat(prefix) + spelled.text.slice(prefix) }
    const tree = await parseQuery(connection, bare, this.#sql)
    const references = findReferences(tree)
    if (references.show !== undefined) return this.#show(references.show)
    await beginReading(connection)
    return this.#execute(connection, await this.#pointed(connection, spelled, references))
  }

  /**
   * Plans the query on `connection`, in a read-only transaction that is still open when this returns:
   * run the text in it, so that now() means the same for the pruning and for the rows.
   */
  async bind(connection: DuckDBConnection): Promise<BoundQuery> {
    this.#connection = connection
    this.#isLent = true
    await connection.run('SET SESSION errors_as_json = true')
    const spelled = rewriteTimeTravel(this.#sql)
    const references = findReferences(await parseQuery(connection, spelled, this.#sql))
    if (references.show !== undefined) {
      throw new ValidationError('expected a query that gives rows, found SHOW or DESCRIBE')
    }
    await beginReading(connection)
    const source = await this.#pointed(connection, spelled, references)
    return {
      text: source.text,
      tables: this.#tables,
      failure: (error) => this.#failure(error, source),
      close: () => this.free(),
    }
  }

  async #pointed(
    connection: DuckDBConnection,
    spelled: SplicedText,
    references: QueryReferences,
  ): Promise<SplicedText> {
    const resolver = nameResolver({
      catalog: this.#tools.catalog,
      defaultNamespace: this.#options.defaultNamespace,
      metadataKinds: metadataTableNames,
    })
    const bound = await bindTables(connection, resolver, references.tables)
    const prune = this.#options.prune !== false
    const planned = await planTables(connection, this.#source(), bound, prune)
    const relations: Relation[] = []
    for (const table of planned) {
      relations.push(await this.#relation(table, references.columnNames.has(pathColumn)))
    }
    await this.#createRelations(relations)
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
    if (!this.#isLent) this.#connection?.closeSync()
    this.#connection = undefined
    const catalogs = this.#catalogs
    this.#catalogs = []
    try {
      if (catalogs.length > 0) {
        await this.#tools.database.withConnection((maker) => dropRelations(maker, catalogs))
      }
    } finally {
      await Promise.all(this.#opened.splice(0).map((opened) => opened.release()))
    }
  }

  #source(): ManifestSource {
    return { io: this.#tools.io, cache: this.#tools.manifests }
  }

  async #connect(): Promise<DuckDBConnection> {
    const { signal } = this.#options
    signal?.throwIfAborted()
    const connection = await this.#tools.database.connect()
    this.#connection = connection
    const interrupt = (): void => {
      this.#connection?.interrupt()
    }
    signal?.addEventListener('abort', interrupt, { once: true })
    this.#stopListening = () => signal?.removeEventListener('abort', interrupt)
    await connection.run('SET SESSION errors_as_json = true')
    return connection
  }

  async #show(request: ShowRequest): Promise<QueryResult> {
    const { catalog, clock } = this.#tools
    const shown = await showTables(catalog, request, this.#options.defaultNamespace)
    await this.free()
    return literalResult(shown.columns, shown.rows, clock.monotonic() - this.#startedMs)
  }

  async #relation(planned: PlannedTable, withPath: boolean): Promise<Relation> {
    const { reference, plan, table } = planned
    const catalogName = this.#tools.nextCatalogName()
    if (plan === undefined) {
      const make = await metadataTable(this.#source(), planned, planned.metadataKind ?? '')
      return { reference, catalogName, make }
    }
    const name = formatIdentifier(table.identifier)
    const { keepFile } = this.#options
    const files = plan.tasks
      .map((task) => task.file)
      .filter((file) => keepFile === undefined || keepFile(name, file))
    const opened = await this.#tools.files.open(files)
    this.#opened.push(opened)
    this.#bytesFetched += opened.bytesFetched
    this.#tables = [
      ...this.#tables,
      {
        name,
        snapshotId: plan.snapshot?.snapshotId,
        filesRead: files.length,
        filesTotal: plan.filesTotal,
        bytesRead: files.reduce((sum, file) => sum + file.fileSizeInBytes, 0n),
      },
    ]
    const { schema } = plan
    const groups = namesAreCertain(table.metadata, schema)
      ? [{ files: opened.files, layout: undefined }]
      : await this.#tools.database.withConnection((connection) =>
          groupByLayout(connection, schema, opened.files),
        )
    const rowCount = files.reduce((sum, file) => sum + file.recordCount, 0n)
    const select = scanSelect({ schema, groups, rowCount, withPath })
    return {
      reference,
      catalogName,
      make: async (connection, view) => {
        await connection.run(`CREATE VIEW ${view} AS ${select}`)
      },
    }
  }

  async #createRelations(relations: readonly Relation[]): Promise<void> {
    if (relations.length === 0) return
    this.#catalogs = relations.map(({ catalogName }) => catalogName)
    // Another connection: one transaction may write to one attached catalog only.
    await this.#tools.database.withConnection((maker) => createRelations(maker, relations))
  }

  async #execute(connection: DuckDBConnection, source: SplicedText): Promise<QueryResult> {
    const failed = (error: unknown): Error => this.#failure(error, source)
    let result: DuckDBResult
    try {
      result = await connection.stream(source.text)
    } catch (error) {
      throw failed(error)
    }
    const types = result.columnTypes()
    return {
      columns: result.columnNames().map((name, index) => ({
        name,
        type: String(types[index]),
      })),
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

  /** Our catalogs have no names for the user, and files are where the manifest says. */
  #inUsersTerms(message: string): string {
    const files = this.#opened.flatMap((opened) => opened.files)
    return files.reduce(
      (text, { path, location }) => (text.includes(path) ? text.replaceAll(path, location) : text),
      withoutCatalogNames(message),
    )
  }

  async *#batches(
    result: DuckDBResult,
    failed: (error: unknown) => Error,
  ): AsyncGenerator<readonly ResultRow[]> {
    const readers = result.columnTypes().map(valueReader)
    try {
      for (;;) {
        const chunk = await result.fetchChunk().catch((error: unknown) => {
          throw failed(error)
        })
        if (chunk === null || chunk.rowCount === 0) return
        this.#rowCount += chunk.rowCount
        yield chunk
          .getRows()
          .map((row) => row.map((value, column) => readers[column]?.(value) ?? null))
      }
    } finally {
      await this.free()
    }
  }
}
