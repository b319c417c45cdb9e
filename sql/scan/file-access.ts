/**
 * How DuckDB gets at data files: a local file by its path, S3 through `httpfs` where it is loaded,
 * anything else through the local cache of immutable objects.
 */
import type { DataFile } from '../../catalog/format/index.ts'
import { ValidationError, errorMessage } from '../../common/index.ts'
import { locationScheme, parseLocation } from '../../io/index.ts'
import type { Database } from '../session/database.ts'
import type { FileCache } from './file-cache.ts'
import { quoteLiteral } from '../text/sql-text.ts'
import type { ScanFile } from './scan-sql.ts'

/** Files that DuckDB can open until `release` is called. */
export interface OpenFiles {
  readonly files: readonly ScanFile[]
  readonly bytesFetched: number
  release(): Promise<void>
}

export interface FileAccess {
  open(files: readonly DataFile[]): Promise<OpenFiles>
}

/** What `httpfs` needs to know of the store; the credentials stay inside DuckDB's memory. */
export interface HttpfsSettings {
  /** `httpfs` (installed by the user with INSTALL) or the path of the extension file. */
  readonly extension: string
  /** `http://127.0.0.1:9000`; absent: AWS itself. */
  readonly endpoint?: string
  readonly region?: string
  readonly accessKeyId?: string
  readonly secretAccessKey?: string
  readonly sessionToken?: string
  readonly pathStyle?: boolean
}

const s3Schemes = new Set(['s3', 's3a', 's3n'])

export function fileAccess(cache: FileCache | undefined, withHttpfs: boolean): FileAccess {
  return {
    open: async (files) => {
      const cached = files.filter(({ filePath }) => !isDirect(filePath, withHttpfs))
      if (cached.length > 0 && cache === undefined) {
        throw new ValidationError('reading these files needs a local cache directory', {
          facts: { location: cached[0]?.filePath },
        })
      }
      const lease = await cache?.lease(
        uniqueByPath(cached).map((file) => ({
          location: file.filePath,
          sizeBytes: Number(file.fileSizeInBytes),
        })),
      )
      return {
        files: files.map(({ filePath }) => ({
          location: filePath,
          path: lease?.paths.get(filePath) ?? directPath(filePath),
        })),
        bytesFetched: lease?.bytesFetched ?? 0,
        release: async () => lease?.release(),
      }
    },
  }
}

/** Instances that already have httpfs and the keys: several engines may share one. */
const enabled = new WeakMap<Database, Promise<void>>()

/** Loads `httpfs` and gives it the store and the keys, once per instance. Throws ValidationError saying what to do. */
export function enableHttpfs(database: Database, settings: HttpfsSettings): Promise<void> {
  const enabling = enabled.get(database) ?? loadHttpfs(database, settings)
  enabled.set(database, enabling)
  return enabling
}

async function loadHttpfs(database: Database, settings: HttpfsSettings): Promise<void> {
  await database.withConnection(async (connection) => {
    try {
      await connection.run(`LOAD ${quoteLiteral(settings.extension)}`)
    } catch (error) {
      throw new ValidationError(
        `cannot load httpfs (INSTALL httpfs once in the duckdb shell, or read through the cache): ${errorMessage(error)}`,
        { facts: { extension: settings.extension }, cause: error },
      )
    }
    await connection.run(secretSql(settings))
  })
}

function secretSql(settings: HttpfsSettings): string {
  const url = settings.endpoint === undefined ? undefined : new URL(settings.endpoint)
  const options: (readonly [string, string | undefined])[] = [
    ['KEY_ID', settings.accessKeyId],
    ['SECRET', settings.secretAccessKey],
    ['SESSION_TOKEN', settings.sessionToken],
    ['REGION', settings.region ?? 'us-east-1'],
    ['ENDPOINT', url?.host],
    ['URL_STYLE', (settings.pathStyle ?? url !== undefined) ? 'path' : 'vhost'],
  ]
  const parts = options.flatMap(([name, value]) =>
    value === undefined ? [] : [`${name} ${quoteLiteral(value)}`],
  )
  parts.push(`USE_SSL ${url === undefined || url.protocol === 'https:'}`)
  return `CREATE OR REPLACE TEMPORARY SECRET tide_s3 (TYPE s3, ${parts.join(', ')})`
}

function isDirect(location: string, withHttpfs: boolean): boolean {
  const scheme = locationScheme(location)
  return scheme === 'file' || (withHttpfs && s3Schemes.has(scheme))
}

function directPath(location: string): string {
  const { scheme, authority, path } = parseLocation(location)
  // Other engines write s3a and s3n for the same store.
  return scheme === 'file' ? path : `s3://${authority}/${path}`
}

function uniqueByPath(files: readonly DataFile[]): readonly DataFile[] {
  return [...new Map(files.map((file) => [file.filePath, file])).values()]
}
