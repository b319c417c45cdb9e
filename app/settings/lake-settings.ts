/** `tidewater.yaml`: where tables live and how this process reaches them. */
import { homedir } from 'node:os'
import { dirname, resolve } from 'node:path'
import {
  field,
  resolveSettings,
  type Resolved,
  SettingsProblemsError,
  type SettingPath,
  type SettingProblem,
  type Loaded,
  type SettingsInput,
} from '../../settings/index.ts'

export interface S3Settings {
  readonly endpoint?: string
  /** Without it: us-east-1 for an endpoint of its own, else the rules of the AWS SDK. */
  readonly region?: string
  readonly accessKeyId?: string
  readonly secretAccessKey?: string
  readonly sessionToken?: string
  /** Default: true when the endpoint is not Amazon's. */
  readonly pathStyleAccess: boolean
}

export interface CatalogSettings {
  /**
   * Absolute location (`s3://…`, `file:///…`, `memory://…`) of our own catalog; for a REST catalog the
   * warehouse name that its server expects, if any.
   */
  readonly warehouse?: string
  /** An Iceberg REST catalog; without it the warehouse itself is the catalog. */
  readonly uri?: string
  readonly token?: string
  readonly s3: S3Settings
}

export interface ServerSettings {
  readonly host: string
  readonly port: number
  /** Bearer token of every request; needed for any address but loopback. */
  readonly token?: string
  /** Further host names under which requests without a token are accepted. */
  readonly allowedHosts: readonly string[]
  /** Hands the S3 keys to clients with each table; loopback only. */
  readonly shareKeys: boolean
}

export interface SqlSettings {
  /** `auto`: read S3 by DuckDB's httpfs where it is installed; `off`; or the extension's file. */
  readonly httpfs: string
  /** Cache for files of S3 that DuckDB cannot read itself. */
  readonly cacheDirectory: string
  readonly cacheBytesMax: number
}

export interface ModelsSettings {
  /** Where the tables of models go that name no schema of their own. */
  readonly namespace: string
  /** Values of `var('name')`; `--vars` overrides them. */
  readonly vars: Readonly<Record<string, string>>
}

/** Queries over HTTP: what they may use, and the walls around them. */
export interface QuerySettings {
  readonly sandbox: 'auto' | 'required' | 'process'
  readonly timeoutMs: number
  /** Of one query. */
  readonly memoryBytesMax: number
  readonly threads: number
  /** What one query may spill to disk. */
  readonly tempBytesMax: number
  readonly rowsMax: number
  readonly resultBytesMax: number
  /** Queries at the same time. */
  readonly concurrency: number
  /** Queries that may wait for their turn. */
  readonly queuedMax: number
}

export interface MaintenanceSettings {
  /** Whether a process that runs sinks also looks after the tables. */
  readonly enabled: boolean
  readonly intervalMs: number
  /** More snapshots than this are expired, where the table itself states no age. */
  readonly snapshotsMax: number
}

export interface LiveSettings {
  /** Records that a stream has read are shown to queries at the latest so long after. */
  readonly intervalMs: number
}

export interface LakeSettings {
  readonly catalog: CatalogSettings
  readonly server: ServerSettings
  readonly sql: SqlSettings
  readonly query: QuerySettings
  readonly live: LiveSettings
  readonly models: ModelsSettings
  readonly maintenance: MaintenanceSettings
  /** Memory that queries may use, in bytes. */
  readonly memoryBytesMax: number
}

export const lakeSchema = field.section({
  catalog: field
    .section({
      warehouse: field.text().optional(),
      uri: field.text().optional(),
      token: field.secret().optional(),
      's3.endpoint': field.text().optional(),
      's3.region': field.text().optional(),
      's3.access-key-id': field.text().optional(),
      's3.secret-access-key': field.secret().optional(),
      's3.session-token': field.secret().optional(),
      's3.path-style-access': field.flag().optional(),
    })
    .prefault({}),
  server: field
    .section({
      host: field.text().prefault('127.0.0.1'),
      port: field.integer(0, 65_535).prefault('8181'),
      token: field.secret().optional(),
      allowed_hosts: field.textList().optional(),
      share_keys: field.flag().prefault('false'),
    })
    .prefault({}),
  sql: field
    .section({
      httpfs: field.text().prefault('auto'),
      cache: field
        .section({
          directory: field.text().prefault('~/.cache/tidewater/files'),
          max_bytes: field.size().prefault('10GB'),
        })
        .prefault({}),
    })
    .prefault({}),
  models: field
    .section({
      namespace: field.text().prefault('models'),
      vars: field.textMap().prefault({}),
    })
    .prefault({}),
  query: field
    .section({
      sandbox: field.choice(['auto', 'required', 'process']).prefault('auto'),
      timeout: field.duration().prefault('60s'),
      memory: field.size().prefault('512MB'),
      threads: field.integer(1, 256).prefault('2'),
      max_temp_bytes: field.size().prefault('2GB'),
      max_rows: field.integer(1, 1_000_000_000).prefault('1000000'),
      max_result_bytes: field.size().prefault('256MB'),
      concurrency: field.integer(1, 64).prefault('4'),
      max_queued: field.integer(0, 10_000).prefault('32'),
    })
    .prefault({}),
  live: field.section({ interval: field.duration().prefault('500ms') }).prefault({}),
  maintenance: field
    .section({
      enabled: field.flag().prefault('true'),
      interval: field.duration().prefault('60s'),
      max_snapshots: field.integer(1, 100_000).prefault('500'),
    })
    .prefault({}),
  limits: field.section({ memory: field.size().prefault('1GB') }).prefault({}),
})

const laterKeys: Readonly<Record<string, string>> = {
  'catalog.credential': 'oauth credentials are not in this release: give a bearer token (token)',
  'catalog.type':
    'not needed: a catalog with uri is a REST catalog, one with only a warehouse is ours',
  'catalog.s3': 'write the keys of Iceberg in full: s3.endpoint, s3.access-key-id, ...',
  schema_registry: 'a schema registry is not in this release',
}

const environmentFallbacks: Readonly<Record<string, readonly string[]>> = {
  'catalog.s3.endpoint': ['AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'],
  'catalog.s3.region': ['AWS_REGION', 'AWS_DEFAULT_REGION'],
  'catalog.s3.access-key-id': ['AWS_ACCESS_KEY_ID'],
  'catalog.s3.secret-access-key': ['AWS_SECRET_ACCESS_KEY'],
  'catalog.s3.session-token': ['AWS_SESSION_TOKEN'],
}

/** Throws SettingsProblemsError with every fault. */
export function parseLakeSettings(input: SettingsInput): Loaded<LakeSettings> {
  const resolved = resolveSettings(lakeSchema, {
    text: input.text ?? '',
    file: input.file,
    variables: input.variables,
    overrides: input.overrides,
    laterKeys,
    environmentFallbacks,
  })
  const problems = lakeProblems(resolved)
  if (problems.length > 0) throw new SettingsProblemsError(problems)
  return { settings: lakeSettings(resolved, input), entries: resolved.entries }
}

type LakeValues = field.Values<typeof lakeSchema>

function lakeProblems({ value, problem }: Resolved<LakeValues>): readonly SettingProblem[] {
  const { catalog } = value
  const problems: SettingProblem[] = []
  if (catalog.warehouse === undefined && catalog.uri === undefined) {
    const ways = 'in tidewater.yaml, --warehouse, or TIDEWATER_CATALOG__WAREHOUSE'
    problems.push(
      problem(['catalog', 'warehouse'], `is required: s3://bucket/prefix or a directory (${ways})`),
    )
  }
  const scheme = schemeOf(catalog.warehouse ?? '')
  if (catalog.uri === undefined && scheme !== undefined && !warehouseSchemes.includes(scheme)) {
    const examples = 's3://bucket/prefix, file:///directory, memory://name or a path'
    problems.push(
      problem(['catalog', 'warehouse'], `unknown scheme "${scheme}": write ${examples}`),
    )
  }
  if (scheme === 's3' && !/^s3[an]?:\/\/[^/]+/.test(catalog.warehouse ?? '')) {
    problems.push(problem(['catalog', 'warehouse'], 'no bucket: write s3://bucket/prefix'))
  }
  for (const key of ['uri', 's3.endpoint'] as const) {
    if (catalog[key] !== undefined && !isHttpUrl(catalog[key])) {
      problems.push(problem(['catalog', key], 'not a URL: write http://host:port or https://host'))
    }
  }
  const keys = [catalog['s3.access-key-id'], catalog['s3.secret-access-key']]
  if (keys.filter((key) => key === undefined).length === 1) {
    const missing = keys[0] === undefined ? 's3.access-key-id' : 's3.secret-access-key'
    problems.push(problem(['catalog'], `${missing} is missing: both S3 keys or neither`))
  }
  return problems
}

function lakeSettings({ value, origin }: Resolved<LakeValues>, input: SettingsInput): LakeSettings {
  const { catalog, server, sql, query, live, models, maintenance, limits } = value
  // A path in a file is relative to that file; one from flags or environment to the working directory.
  const baseOf = (path: SettingPath): string => {
    if (origin(path).kind !== 'file' || input.file === undefined) return input.directory
    return dirname(resolve(input.directory, input.file))
  }
  const warehouse =
    catalog.warehouse === undefined || catalog.uri !== undefined
      ? catalog.warehouse
      : absoluteLocation(catalog.warehouse, baseOf(['catalog', 'warehouse']))
  const endpoint = catalog['s3.endpoint']
  return {
    catalog: {
      ...optional('warehouse', warehouse),
      ...optional('uri', catalog.uri),
      ...optional('token', catalog.token),
      s3: {
        ...optional('endpoint', endpoint),
        ...optional('region', catalog['s3.region']),
        ...optional('accessKeyId', catalog['s3.access-key-id']),
        ...optional('secretAccessKey', catalog['s3.secret-access-key']),
        ...optional('sessionToken', catalog['s3.session-token']),
        pathStyleAccess: catalog['s3.path-style-access'] ?? !isAmazon(endpoint),
      },
    },
    server: {
      host: server.host,
      port: server.port,
      ...optional('token', server.token),
      allowedHosts: server.allowed_hosts ?? [],
      shareKeys: server.share_keys,
    },
    sql: {
      httpfs: ['auto', 'off'].includes(sql.httpfs)
        ? sql.httpfs
        : resolve(baseOf(['sql', 'httpfs']), withHome(sql.httpfs)),
      cacheDirectory: resolve(baseOf(['sql', 'cache', 'directory']), withHome(sql.cache.directory)),
      cacheBytesMax: sql.cache.max_bytes,
    },
    models: { namespace: models.namespace, vars: models.vars },
    query: {
      sandbox: query.sandbox,
      timeoutMs: query.timeout,
      memoryBytesMax: query.memory,
      threads: query.threads,
      tempBytesMax: query.max_temp_bytes,
      rowsMax: query.max_rows,
      resultBytesMax: query.max_result_bytes,
      concurrency: query.concurrency,
      queuedMax: query.max_queued,
    },
    live: { intervalMs: live.interval },
    maintenance: {
      enabled: maintenance.enabled,
      intervalMs: maintenance.interval,
      snapshotsMax: maintenance.max_snapshots,
    },
    memoryBytesMax: limits.memory,
  }
}

const warehouseSchemes = ['s3', 's3a', 's3n', 'file', 'memory']

/** `s3a://` and `s3n://` are Hadoop's names of the same store; a path becomes a file URL. */
export function absoluteLocation(warehouse: string, directory: string): string {
  const trimmed = warehouse.length > 1 ? warehouse.replace(/(?<!\/)\/+$/, '') : warehouse
  const scheme = schemeOf(trimmed)
  if (scheme === 's3a' || scheme === 's3n') return trimmed.replace(/^s3[an]:/, 's3:')
  if (scheme !== undefined) return trimmed
  // A plain string, not a URL: locations are never percent-decoded (io/location.ts).
  return `file://${resolve(directory, withHome(trimmed))}`
}

function withHome(path: string): string {
  return path.replace(/^~(?=\/|$)/, homedir())
}

function schemeOf(location: string): string | undefined {
  return /^([A-Za-z][A-Za-z0-9+.-]+):\/\//.exec(location)?.[1]?.toLowerCase()
}

function isHttpUrl(text: string): boolean {
  return /^https?:\/\/[^\s/]+/.test(text) && URL.canParse(text)
}

function isAmazon(endpoint: string | undefined): boolean {
  return endpoint === undefined || /\.amazonaws\.com(\.cn)?(:\d+)?\/?$/.test(endpoint)
}

function optional<Key extends string, Value>(
  key: Key,
  value: Value | undefined,
): { readonly [K in Key]?: Value } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [K in Key]: Value })
}
