/**
 * One query from its text to its last row, and what must be freed on the way.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import { UnavailableError, ValidationError, assert } from '../../common/index.ts'
import { openLocalSession } from '../session/local-session.ts'
import { queryError } from '../text/query-error.ts'
import type { ParsedStatement } from '../text/parsed-statement.ts'
import {
  literalResult,
  type QueryResult,
  type ResultRow,
  type TableSummary,
} from '../session/query-result.ts'
import type { QuerySession, SessionRows } from '../session/query-session.ts'
import type { QueryOptions, QueryTools } from '../scan/query-tools.ts'
import { pointAtRelations, relationDefinitions } from '../scan/query-views.ts'
import { showTables } from './show.ts'
import type { SplicedText } from '../text/spliced-text.ts'
import { parseQuery } from '../bind/syntax-tree.ts'
import { TableRelations } from '../scan/table-relations.ts'
import { findReferences, type QueryReferences, type ShowRequest } from '../bind/table-references.ts'

/** A query ready to run on the connection that it was bound on: every table is a view over its files. */
export interface BoundQuery {
  readonly text: string
  readonly tables: readonly TableSummary[]
  /** DuckDB's error about `text`, which ran after `prefixLength` bytes, in terms of what the user wrote. */
  readonly failure: (error: unknown, prefixLength: number) => Error
  /** Drops the views and releases the files; not before the rows have been read. */
  readonly close: () => Promise<void>
}

export class QueryRun {
  readonly #tools: QueryTools
  readonly #statement: ParsedStatement
  readonly #options: QueryOptions
  readonly #startedMs: number
  #session: QuerySession | undefined
  #stopListening: (() => void) | undefined
  #planningMs = 0
  #rowCount = 0
  #tables: TableRelations | undefined

  constructor(
    tools: QueryTools,
    statement: ParsedStatement,
    options: QueryOptions,
    startedMs: number,
  ) {
    this.#tools = tools
    this.#statement = statement
    this.#options = options
    this.#startedMs = startedMs
  }

  async start(prefix: number): Promise<QueryResult> {
    const session = await this.#connect()
    const { original, source } = this.#statement
    // DuckDB serializes the query without its EXPLAIN; blanks keep every position as it was.
    const bare = { ...source, text: ' '.repeat(prefix) + source.text.slice(prefix) }
    const tree = await parseQuery(session, bare, original.text)
    const references = findReferences(tree)
    if (references.show !== undefined) return this.#show(references.show)
    await session.begin()
    return this.#execute(session, await this.#pointed(session, references))
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
    const { original, source: written } = this.#statement
    const references = findReferences(await parseQuery(session, written, original.text))
    if (references.show !== undefined) {
      throw new ValidationError('expected a query that returns rows, found SHOW or DESCRIBE')
    }
    await session.begin()
    const source = await this.#pointed(session, references)
    return {
      text: source.text,
      tables: this.#tables?.summaries ?? [],
      failure: (error, prefixLength) =>
        this.#failure(error, {
          text: ' '.repeat(prefixLength) + source.text,
          originalPosition: (at) => source.originalPosition(at - prefixLength),
        }),
      close: () => this.free(),
    }
  }

  async #pointed(session: QuerySession, references: QueryReferences): Promise<SplicedText> {
    const { source } = this.#statement
    const tables = new TableRelations(this.#tools, this.#options)
    this.#tables = tables
    const relations = await tables.bind(session, references)
    await session.createRelations(relationDefinitions(relations))
    this.#planningMs = this.#tools.clock.monotonic() - this.#startedMs
    const pointed = pointAtRelations(
      source,
      relations.filter(({ isInner }) => isInner !== true),
    )
    return {
      text: pointed.text,
      originalPosition: (at) => source.originalPosition(pointed.originalPosition(at)),
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
      await this.#tables?.release()
    }
  }

  async #connect(): Promise<QuerySession> {
    const { signal } = this.#options
    signal?.throwIfAborted()
    const session = await this.#tools.openSession(signal)
    this.#session = session
    // A signal that came while the session was opened had no listener yet.
    if (signal?.aborted === true) throw cancelled(signal.reason)
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

  async #execute(session: QuerySession, source: SplicedText): Promise<QueryResult> {
    const failed = (error: unknown): Error => this.#failure(error, source)
    let result: SessionRows
    try {
      const files = this.#tables?.localFiles() ?? []
      result = await session.stream(source.text, files, this.#statement.values)
    } catch (error) {
      throw failed(error)
    }
    return {
      columns: result.columns,
      batches: this.#batches(result, failed),
      summary: () => ({
        tables: this.#tables?.summaries ?? [],
        rowCount: this.#rowCount,
        bytesFetched: this.#tables?.bytesFetched ?? 0,
        planningMs: this.#planningMs,
        totalMs: this.#tools.clock.monotonic() - this.#startedMs,
      }),
      close: () => this.free(),
    }
  }

  #failure(error: unknown, source: SplicedText): Error {
    return this.#options.signal?.aborted === true
      ? cancelled(error)
      : queryError(error, source, this.#statement.original.text, (message) =>
          this.#inUsersTerms(message),
        )
  }

  #inUsersTerms(message: string): string {
    return this.#tables?.inUsersTerms(message) ?? message
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

function cancelled(cause: unknown): UnavailableError {
  return new UnavailableError('the query was cancelled', { cause })
}
