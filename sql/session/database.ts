/**
 * Opening DuckDB: the one place that decides how an instance is configured.
 *
 * An instance of ours never reaches out by itself: extensions are neither installed nor loaded
 * unless we name them, persistent secrets of the user's own DuckDB are not read, and the session
 * zone is UTC whatever the machine's is (iceberg-facts 23).
 */
import { availableParallelism, totalmem } from 'node:os'
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api'
import { ValidationError, errorMessage } from '../../common/index.ts'
import { quoteLiteral } from '../text/sql-text.ts'
import './exact-client.ts'

export interface DatabaseOptions {
  /** Default: DuckDB's own choice, one per core. */
  readonly threads?: number
  readonly memoryLimitBytes?: number
  /** Gives freed memory back to the system soon, and not only half a gigabyte at once. */
  readonly returnsMemory?: boolean
  /** Where operators spill; without it nothing is spilled and a query that needs to fails. */
  readonly tempDirectory?: string
  readonly tempDirectoryBytesMax?: number
  /** Needed to load an extension file that DuckDB Labs did not sign for this very build. */
  readonly allowUnsignedExtensions?: boolean
  /** Extension files or names of installed extensions, loaded at once. */
  readonly extensions?: readonly string[]
}

const flushBytes = 16 << 20
const flushSettings = ['allocator_flush_threshold', 'allocator_bulk_deallocation_flush_threshold']

/** An in-memory DuckDB instance. Connections stay node-api's own; the caller closes each. */
export interface Database {
  readonly instance: DuckDBInstance
  /** Undefined: DuckDB's own choice, most of the machine's. */
  readonly memoryLimitBytes: number | undefined
  readonly threads: number
  connect(): Promise<DuckDBConnection>
  /** Runs `use` with a connection of its own and closes it whatever happens. */
  withConnection<T>(use: (connection: DuckDBConnection) => Promise<T>): Promise<T>
  /** The same again with twice the memory, which the instance then keeps, where the limit was too low for `use`. */
  withMemory<T>(use: (connection: DuckDBConnection) => Promise<T>): Promise<T>
  close(): void
}

export async function openDatabase(options: DatabaseOptions = {}): Promise<Database> {
  const instance = await DuckDBInstance.create(':memory:', instanceConfig(options))
  let limitBytes = options.memoryLimitBytes ?? Number.POSITIVE_INFINITY
  const database: Database = {
    instance,
    memoryLimitBytes: options.memoryLimitBytes,
    threads: options.threads ?? availableParallelism(),
    connect: () => instance.connect(),
    withConnection: async (use) => {
      const connection = await instance.connect()
      try {
        return await use(connection)
      } finally {
        connection.closeSync()
      }
    },
    withMemory: async (use) => {
      for (;;) {
        try {
          return await database.withConnection(use)
        } catch (error) {
          if (!isOutOfMemory(error) || !(limitBytes < totalmem())) throw error
          limitBytes *= 2
          const limit = Math.min(limitBytes, totalmem())
          await database.withConnection((connection) =>
            connection.run(`SET GLOBAL memory_limit = '${limit}B'`),
          )
        }
      }
    },
    close: () => {
      instance.closeSync()
    },
  }
  try {
    await database.withConnection(async (connection) => {
      await connection.run("SET GLOBAL TimeZone = 'UTC'")
      const { tempDirectoryBytesMax, returnsMemory } = options
      if (returnsMemory === true) {
        for (const setting of flushSettings) {
          await connection.run(`SET GLOBAL ${setting} = '${flushBytes}B'`)
        }
      }
      if (tempDirectoryBytesMax !== undefined) {
        // Set here, because DuckDB 1.5.5 does not enforce it when it comes with the configuration.
        await connection.run(`SET GLOBAL max_temp_directory_size = '${tempDirectoryBytesMax}B'`)
      }
      for (const extension of options.extensions ?? []) await loadExtension(connection, extension)
    })
  } catch (error) {
    instance.closeSync()
    throw error
  }
  return database
}

function isOutOfMemory(error: unknown): boolean {
  return errorMessage(error).startsWith('Out of Memory Error')
}

async function loadExtension(connection: DuckDBConnection, extension: string): Promise<void> {
  try {
    await connection.run(`LOAD ${quoteLiteral(extension)}`)
  } catch (error) {
    throw new ValidationError(`cannot load the duckdb extension: ${errorMessage(error)}`, {
      facts: { extension },
      cause: error,
    })
  }
}

function instanceConfig(options: DatabaseOptions): Record<string, string> {
  return {
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allow_community_extensions: 'false',
    allow_persistent_secrets: 'false',
    ...(options.allowUnsignedExtensions === true ? { allow_unsigned_extensions: 'true' } : {}),
    ...(options.threads === undefined ? {} : { threads: String(options.threads) }),
    ...(options.memoryLimitBytes === undefined
      ? {}
      : { memory_limit: `${options.memoryLimitBytes}B` }),
    temp_directory: options.tempDirectory ?? '',
  }
}
