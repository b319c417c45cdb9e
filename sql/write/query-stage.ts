/**
 * Results of queries as temporary tables, worked on by further SQL and written as data files: what
 * batch jobs stand on. Rows never pass through JavaScript, and what does not fit into memory spills.
 *
 * A query is run in the very transaction that its pruning was done in, so that now() means one time.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import type { NestedField, PartitionSpec, Schema } from '../../catalog/format/index.ts'
import { statedProperty, tableProperties } from '../../catalog/table/index.ts'
import type { PositionDeleteWriter, WrittenFile } from '../../catalog/index.ts'
import { LakeError, ValidationError, errorMessage } from '../../common/index.ts'
import { duckdbTypeName } from '../text/type-name.ts'
import { queryTools, type QueryEngineOptions } from '../engine/query-engine.ts'
import type { ResultRow, TableSummary } from '../session/query-result.ts'
import { QueryRun } from '../engine/query-run.ts'
import type { QueryOptions, QueryTools } from '../scan/query-tools.ts'
import { valueReader } from '../session/values.ts'
import { parseStatement } from '../text/parsed-statement.ts'
import { quoteIdentifier } from '../text/sql-text.ts'
import { copyPartitions } from './copy-partitions.ts'
import { dropPartitioned, partitionRows, planPartitions } from './partition-rows.ts'
import { bucketMacros } from './partition-sql.ts'
import { writePositionDeletes } from './position-delete-files.ts'
import { icebergType } from './query-types.ts'

export interface LoadedRows {
  readonly rowCount: number
  /** The tables that were read, each with the snapshot. */
  readonly tables: readonly TableSummary[]
}

export interface StagedFilesRequest {
  /** A SELECT over the temporary tables; columns are matched to the schema by name, missing ones are NULL. */
  readonly select: string
  readonly schema: Schema
  readonly spec: PartitionSpec
  /** Existing local directory that receives the files; the caller deletes it. */
  readonly directory: string
  readonly properties: Readonly<Record<string, string>>
}

/** One call at a time. */
export interface QueryStage {
  /** Runs one query over the catalog's tables and keeps its rows as the temporary table `name`. */
  load(name: string, sql: string, options?: QueryOptions): Promise<LoadedRows>
  /** The columns of a temporary table in Iceberg's types, ids 0. Throws for types that it lacks. */
  columns(name: string): Promise<readonly NestedField[]>
  /** SQL of our own over the temporary tables. */
  run(sql: string): Promise<void>
  rows(sql: string): Promise<readonly ResultRow[]>
  write(request: StagedFilesRequest): Promise<readonly WrittenFile[]>
  /** Its queries are over the temporary tables. */
  readonly deletes: PositionDeleteWriter
  close(): void
}

const fileBytesTargetDefault = 512 * 1024 * 1024

/** `signal` ends the statement under way with an error, and every later one. */
export async function openQueryStage(
  options: QueryEngineOptions,
  signal?: AbortSignal,
): Promise<QueryStage> {
  const tools = await queryTools(options)
  signal?.throwIfAborted()
  const connection = await options.database.connect()
  const interrupt = (): void => {
    connection.interrupt()
  }
  signal?.addEventListener('abort', interrupt, { once: true })
  try {
    for (const macro of bucketMacros) await connection.run(macro)
  } catch (error) {
    signal?.removeEventListener('abort', interrupt)
    connection.closeSync()
    throw error
  }
  return {
    load: (name, sql, queryOptions = {}) => {
      const withSignal = signal === undefined ? queryOptions : { ...queryOptions, signal }
      return load(tools, connection, name, sql, withSignal)
    },
    columns: async (name) => {
      const result = await connection.run(`SELECT * FROM ${quoteIdentifier(name)} LIMIT 0`)
      const types = result.columnTypes()
      return result.columnNames().flatMap((column, index): NestedField[] => {
        const type = types[index]
        if (type === undefined) return []
        return [{ id: 0, name: column, required: false, type: icebergType(type, column) }]
      })
    },
    run: async (sql) => {
      signal?.throwIfAborted()
      await connection.run(sql).catch((error: unknown) => {
        throw engineError(error)
      })
    },
    rows: (sql) => readRows(connection, sql),
    write: (request) => writeStaged(connection, request),
    deletes: {
      write: async (request) => {
        signal?.throwIfAborted()
        return writePositionDeletes(connection, request).catch((error: unknown) => {
          throw engineError(error)
        })
      },
    },
    close: () => {
      signal?.removeEventListener('abort', interrupt)
      connection.closeSync()
    },
  }
}

async function load(
  tools: QueryTools,
  connection: DuckDBConnection,
  name: string,
  sql: string,
  options: QueryOptions,
): Promise<LoadedRows> {
  options.signal?.throwIfAborted()
  const run = new QueryRun(
    tools,
    parseStatement(sql, options.parameters),
    options,
    tools.clock.monotonic(),
  )
  try {
    const bound = await run.bind(connection)
    // An interruption reaches only a statement that is running.
    options.signal?.throwIfAborted()
    const create = `CREATE OR REPLACE TEMP TABLE ${quoteIdentifier(name)} AS\n`
    try {
      await connection.run(create + bound.text)
    } catch (error) {
      // Positions of DuckDB count from the start of our own words.
      throw bound.failure(error, create.length)
    }
    await connection.run('COMMIT')
    const counted = await connection.runAndReadAll(`SELECT count(*) FROM ${quoteIdentifier(name)}`)
    return { rowCount: Number(counted.getRows()[0]?.[0]), tables: bound.tables }
  } catch (error) {
    await connection.run('ROLLBACK').catch(() => undefined)
    throw error
  } finally {
    await run.free()
  }
}

async function readRows(connection: DuckDBConnection, sql: string): Promise<readonly ResultRow[]> {
  try {
    const result = await connection.runAndReadAll(sql)
    const readers = result.columnTypes().map(valueReader)
    return result
      .getRows()
      .map((row) => row.map((value, column) => readers[column]?.(value) ?? null))
  } catch (error) {
    throw engineError(error)
  }
}

async function writeStaged(
  connection: DuckDBConnection,
  request: StagedFilesRequest,
): Promise<readonly WrittenFile[]> {
  const plan = planPartitions(request.schema, request.spec)
  const columns = await selectList(connection, request)
  const keys = plan.selectItems.map((item) => `, ${item}`).join('')
  try {
    await connection.run(
      `CREATE OR REPLACE TEMP TABLE batch_rows AS
       SELECT *${keys} FROM (SELECT ${columns.join(', ')} FROM (${request.select}))`,
    )
    const { directory, properties, schema } = request
    const fileBytesTarget = Number(
      statedProperty(properties, tableProperties.targetFileSizeBytes) ?? fileBytesTargetDefault,
    )
    const rowBytes = await sampledRowBytes(connection)
    const copy = { schema, properties, directory, rowBytes, fileBytesTarget }
    return await copyPartitions(connection, await partitionRows(connection, plan, 'table'), copy)
  } catch (error) {
    throw engineError(error)
  } finally {
    await dropPartitioned(connection)
    await connection.run('DROP TABLE IF EXISTS batch_rows')
  }
}

/** Every column of the schema, cast to its type; DuckDB's casts of numbers refuse what does not fit. */
async function selectList(
  connection: DuckDBConnection,
  { select, schema }: StagedFilesRequest,
): Promise<readonly string[]> {
  const result = await connection.run(`SELECT * FROM (${select}) LIMIT 0`)
  const given = new Set(result.columnNames())
  return schema.fields.map((field) => {
    const name = quoteIdentifier(field.name)
    return `CAST(${given.has(field.name) ? name : 'NULL'} AS ${duckdbTypeName(field.type)}) AS ${name}`
  })
}

/** Of a row of `batch_rows` as text, which is near enough to its size in memory. */
async function sampledRowBytes(connection: DuckDBConnection): Promise<number> {
  const result = await connection.runAndReadAll(
    `SELECT avg(strlen(CAST(r AS VARCHAR))) FROM (FROM batch_rows USING SAMPLE reservoir(1000 ROWS)) AS r`,
  )
  return Math.max(1, Number(result.getRows()[0]?.[0] ?? 1))
}

/** `errors_as_json` is on for the connection; users need only the message in it. */
function engineError(error: unknown): Error {
  if (error instanceof LakeError) return error
  const message = errorMessage(error)
  const text = /"exception_message":("(?:[^"\\]|\\.)*")/.exec(message)?.[1]
  if (text === undefined) return error instanceof Error ? error : new Error(message)
  return new ValidationError(`query error: ${JSON.parse(text) as string}`, { cause: error })
}
