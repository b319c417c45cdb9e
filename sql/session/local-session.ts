/** A query's session on a DuckDB instance of this process. */
import { StatementType, type DuckDBConnection, type DuckDBResult } from '@duckdb/node-api'
import {
  UnavailableError,
  UnsupportedError,
  ValidationError,
  systemClock,
} from '../../common/index.ts'
import type { Database } from './database.ts'
import { quoteIdentifier, quoteLiteral } from '../text/sql-text.ts'
import { isBrokenOff } from './stream-end.ts'
import { toConstant, type Constant } from '../text/constant-value.ts'
import type { ParameterValues } from '../text/placeholders.ts'
import type { ResultRow } from './query-result.ts'
import type {
  FooterRow,
  QuerySession,
  RelationDefinition,
  SessionRows,
  Statement,
} from './query-session.ts'
import { valueReader } from './values.ts'

export interface LocalSessionOptions {
  readonly database: Database
  /** The caller's connection, which stays open; without it the session opens and closes its own. */
  readonly connection?: DuckDBConnection
  /**
   * Called once between planning and running, with the files that the query may open. After
   * it only one statement runs, and only one that DuckDB itself takes for a query.
   */
  readonly lockDown?: (files: readonly string[]) => Promise<void>
}

interface BoundText {
  readonly text: string
  readonly values: ParameterValues
}

/** A query that failed after a longer time is not run again to learn its message. */
const rerunMsMax = 5_000
const interruptEveryMs = 50
const interruptTimesMax = 200

export async function openLocalSession(options: LocalSessionOptions): Promise<LocalSession> {
  const connection = options.connection ?? (await options.database.connect())
  await connection.run('SET SESSION errors_as_json = true')
  return new LocalSession(options, connection)
}

export class LocalSession implements QuerySession {
  readonly #options: LocalSessionOptions
  readonly #connection: DuckDBConnection
  readonly #catalogs: string[] = []
  #isClosed = false
  #isInterrupted = false

  constructor(options: LocalSessionOptions, connection: DuckDBConnection) {
    this.#options = options
    this.#connection = connection
  }

  async serialize(sql: string): Promise<string> {
    return this.#text({ sql: 'SELECT json_serialize_sql($1::VARCHAR)', values: [sql] })
  }

  async deserialize(tree: string): Promise<string> {
    return this.#text({ sql: 'SELECT json_deserialize_sql($1::JSON)', values: [tree] })
  }

  async constants(select: string): Promise<readonly (Constant | undefined)[]> {
    const reader = await this.#connection.runAndReadAll(select)
    const row = reader.getRows()[0] ?? []
    return row.map((value, index) => toConstant(value, reader.columnType(index)))
  }

  async begin(): Promise<void> {
    await this.#connection.run('BEGIN TRANSACTION READ ONLY')
  }

  async restart(): Promise<void> {
    await this.#connection.run('ROLLBACK')
    await this.begin()
  }

  async footers(paths: readonly string[]): Promise<readonly FooterRow[]> {
    // Another connection: a file that cannot be read must not end the query's transaction.
    return this.#options.database.withConnection((connection) => footerRows(connection, paths))
  }

  async createRelations(relations: readonly RelationDefinition[]): Promise<void> {
    // Another connection: one transaction may write to one attached catalog only.
    await this.#options.database.withConnection(async (maker) => {
      for (const { catalogName, schemaName, statements } of relations) {
        const catalog = quoteIdentifier(catalogName)
        await maker.run(`ATTACH ':memory:' AS ${catalog}`)
        this.#catalogs.push(catalogName)
        await maker.run(`CREATE SCHEMA IF NOT EXISTS ${catalog}.${quoteIdentifier(schemaName)}`)
        for (const { sql, values } of statements) {
          await maker.run(sql, values === undefined ? undefined : [...values])
        }
      }
    })
  }

  async stream(
    text: string,
    files: readonly string[],
    values: ParameterValues = {},
  ): Promise<SessionRows> {
    if (this.#isInterrupted) throw new UnavailableError('the query was cancelled')
    const { lockDown } = this.#options
    const result =
      lockDown === undefined
        ? await this.#connection.stream(text, { ...values })
        : await lockDown(files).then(() => this.#streamQuery(text, values))
    const types = result.columnTypes()
    const columns = result.columnNames().map((name, index) => ({
      name,
      type: String(types[index]),
    }))
    const read = rowReader(result)
    const startedMs = systemClock.monotonic()
    return {
      columns,
      next: async () => {
        const rows = await read()
        if (rows === undefined && (await isBrokenOff(this.#connection))) {
          throw await this.#reasonOf({ text, values }, systemClock.monotonic() - startedMs)
        }
        return rows
      },
    }
  }

  /** The driver does not report why a stream broke off, so a short query is run again for its error. */
  async #reasonOf({ text, values }: BoundText, tookMs: number): Promise<Error> {
    if (this.#isInterrupted) return new UnavailableError('the query was cancelled')
    const unknown = new UnavailableError(
      'the query failed after its first rows, by an error in a value or for lack of memory; put LIMIT or a condition on it to find the row',
    )
    if (tookMs > rerunMsMax) return unknown
    try {
      await this.restart()
      await this.#connection.run(text, { ...values })
      return unknown
    } catch (error) {
      return error as Error
    }
  }

  /** A second check after the parser: only a query is run. */
  async #streamQuery(text: string, values: ParameterValues): Promise<DuckDBResult> {
    const statements = await this.#connection.extractStatements(text)
    if (statements.count !== 1) throw new ValidationError('expected one statement at a time')
    const prepared = await statements.prepare(0)
    const { statementType } = prepared
    if (statementType !== StatementType.SELECT && statementType !== StatementType.EXPLAIN) {
      throw new UnsupportedError('only queries are accepted', {
        facts: { statement: StatementType[statementType] },
      })
    }
    if (Object.keys(values).length > 0) prepared.bind({ ...values })
    return prepared.stream()
  }

  interrupt(): void {
    if (this.#isInterrupted) return
    this.#isInterrupted = true
    void this.#interruptAgain()
  }

  /** DuckDB forgets an interrupt that comes just before a statement begins, so it is repeated. */
  async #interruptAgain(): Promise<void> {
    for (let times = 0; times < interruptTimesMax && !this.#isClosed; times++) {
      this.#connection.interrupt()
      await systemClock.sleep(interruptEveryMs)
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#options.connection === undefined) this.#connection.closeSync()
    const catalogs = this.#catalogs.splice(0)
    if (catalogs.length === 0) return
    await this.#options.database.withConnection(async (maker) => {
      for (const name of catalogs) {
        await maker.run(`DETACH DATABASE IF EXISTS ${quoteIdentifier(name)}`)
      }
    })
  }

  /** Closes the session when its whole instance is closed next, so nothing needs to be detached. */
  abandon(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#connection.closeSync()
  }

  async #text({ sql, values = [] }: Statement): Promise<string> {
    const reader = await this.#connection.runAndReadAll(sql, [...values])
    return String(reader.getRows()[0]?.[0])
  }
}

/** The schemas of Parquet files, depth first. */
export async function footerRows(
  connection: DuckDBConnection,
  paths: readonly string[],
): Promise<readonly FooterRow[]> {
  const reader = await connection.runAndReadAll(
    'SELECT file_name, name, num_children, field_id ' +
      `FROM parquet_schema([${paths.map(quoteLiteral).join(', ')}])`,
  )
  return reader.getRows() as unknown as readonly FooterRow[]
}

/** Values without DuckDB's classes, a chunk at a time. */
function rowReader(result: DuckDBResult): () => Promise<readonly ResultRow[] | undefined> {
  const readers = result.columnTypes().map(valueReader)
  return async () => {
    const chunk = await result.fetchChunk()
    if (chunk === null || chunk.rowCount === 0) return undefined
    return chunk
      .getRows()
      .map((row) => row.map((value, column) => readers[column]?.(value) ?? null))
  }
}
