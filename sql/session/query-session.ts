/**
 * What a query needs of a DuckDB: parsing, constants, footers, and at last the rows.
 *
 * Everything that crosses this seam is plain data, so that the DuckDB may be one in this process
 * (`local-session.ts`) or one in a locked-down child (`sql/sandbox`).
 */
import type { Constant } from '../text/constant-value.ts'
import type { ParameterValues } from '../text/placeholders.ts'
import type { ResultColumn, ResultRow } from './query-result.ts'

/** One session serves one query. Calls are made one after the other. */
export interface QuerySession {
  /** DuckDB's own parse of a statement: the answer of `json_serialize_sql`. */
  serialize(sql: string): Promise<string>
  /** The SQL text of a parse tree. */
  deserialize(tree: string): Promise<string>
  /** The only row of a SELECT of constants, in the query's own transaction. */
  constants(select: string): Promise<readonly (Constant | undefined)[]>
  /** Begins the one read-only transaction of the query: now() is the same for pruning and rows. */
  begin(): Promise<void>
  /** Begins a new transaction after a failure. */
  restart(): Promise<void>
  /** The schemas of Parquet files, depth first. `paths` are patterns with escaped characters. */
  footers(paths: readonly string[]): Promise<readonly FooterRow[]>
  /** Creates the relations that replace the table names of the query. */
  createRelations(relations: readonly RelationDefinition[]): Promise<void>
  /** Runs the query. `files`: the only local files that it may open, where the session is locked. */
  stream(text: string, files: readonly string[], values?: ParameterValues): Promise<SessionRows>
  /** Ends the statement under way with an error. */
  interrupt(): void
  /** Frees everything. Idempotent. */
  close(): Promise<void>
}

export interface SessionRows {
  readonly columns: readonly ResultColumn[]
  /** The next rows; undefined at the end. */
  next(): Promise<readonly ResultRow[] | undefined>
}

/** File, name, number of children, field id. */
export type FooterRow = readonly [string, string, bigint | null, bigint | null]

/** A relation in a throw-away catalog of its own. */
export interface RelationDefinition {
  readonly catalogName: string
  readonly schemaName: string
  readonly statements: readonly Statement[]
}

export interface Statement {
  readonly sql: string
  /** Parameters, all of them text. */
  readonly values?: readonly string[]
}

/** Makes the session that one query runs in. */
export type OpenSession = (signal?: AbortSignal) => Promise<QuerySession>
