/**
 * The rules that imports must keep, each as a function from files to complaints, so that the tests can
 * try every rule on a file made to break it.
 */
import {
  isProductFolder,
  mayImport,
  type ProductFolder,
  type SourceFile,
} from '../support/import-graph.ts'

/** One importer per vendor package: everybody else goes through that folder's own words. */
export const packageOwners: Readonly<Record<string, ProductFolder | 'tests only'>> = {
  '@aws-sdk/client-s3': 'io',
  '@duckdb/node-api': 'sql',
  '@foxglove/wasm-zstd': 'ingest',
  '@huggingface/jinja': 'batch-jobs',
  '@node-rs/crc32': 'ingest',
  'apache-arrow': 'sql',
  avsc: 'tests only',
  'cli-table3': 'cli',
  commander: 'cli',
  fastify: 'server',
  kafkajs: 'ingest',
  'light-my-request': 'tests only',
  'lossless-json': 'common',
  'lz4-napi': 'ingest',
  'node-cron': 'batch-jobs',
  'parquetjs-lite': 'tests only',
  picocolors: 'cli',
  pino: 'cli',
  'prom-client': 'server',
  snappy: 'ingest',
  yaml: 'settings',
  zod: 'settings',
}

/** Edges against the layers: `from -> to` with the line, and why it is refused. */
export function layerComplaints(sources: readonly SourceFile[]): readonly string[] {
  return productFiles(sources).flatMap((source) =>
    source.imports.flatMap(({ target, line }) => {
      const from = source.topFolder as ProductFolder
      const to = target === undefined ? undefined : topFolderOf(target)
      if (target === undefined || to === undefined || to === from) return []
      if (source.isTest && !isProductFolder(to)) return []
      const edge = `${source.path}:${line} -> ${target}`
      if (!isProductFolder(to)) return [`${edge}: product code may not import ${to}/`]
      if (mayImport[from].includes(to)) return []
      const allowed = mayImport[from].join(', ') || 'nothing'
      return [`${edge}: ${from} may import ${allowed}`]
    }),
  )
}

/** Imports that go past another folder's `index.ts`; the large parts of `common` have a door each. */
export function doorComplaints(sources: readonly SourceFile[]): readonly string[] {
  return productFiles(sources).flatMap((source) =>
    source.imports.flatMap(({ target, line }) => {
      const to = target === undefined ? undefined : topFolderOf(target)
      if (target === undefined || to === undefined || to === source.topFolder) return []
      if (!isProductFolder(to) || target.endsWith('/index.ts')) return []
      return [`${source.path}:${line} -> ${target}: import ${to}/index.ts instead`]
    }),
  )
}

/** Doors that do not list what they let through. */
export function starExportComplaints(sources: readonly SourceFile[]): readonly string[] {
  return productFiles(sources)
    .filter((source) => /^\s*export \*/m.test(source.code))
    .map((source) => `${source.path}: name each export; \`export *\` hides what a folder offers`)
}

export function packageComplaints(sources: readonly SourceFile[]): readonly string[] {
  return productFiles(sources)
    .filter((source) => !source.isTest)
    .flatMap((source) =>
      source.imports.flatMap(({ packageName, line }) => {
        if (packageName === undefined || packageName === 'node:') return []
        const owner = packageOwners[packageName]
        if (owner === source.topFolder) return []
        const edge = `${source.path}:${line} -> ${packageName}`
        if (owner === undefined) return [`${edge}: name its owner in import-rules.ts`]
        return [`${edge}: only ${owner === 'tests only' ? 'tests' : `${owner}/`} may import it`]
      }),
    )
}

interface AmbientRule {
  readonly what: RegExp
  /** Files, or folders when they end in a slash. */
  readonly allowed: readonly string[]
  readonly remedy: string
}

/** What would make a run differ from its replay, and where alone it may stand. */
const ambientRules: readonly AmbientRule[] = [
  {
    what: /\bprocess\.env\b/,
    allowed: ['common/environment.ts'],
    remedy: 'ask common/environment.ts',
  },
  {
    what: /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\.now\b|\bprocess\.hrtime\b/,
    allowed: ['common/clock.ts'],
    remedy: 'take a Clock',
  },
  {
    what: /\bset(?:Timeout|Interval)\(|\bnode:timers\b/,
    allowed: ['common/clock.ts'],
    remedy: 'take a Clock and wait with sleep()',
  },
  {
    what: /\bMath\.random\b/,
    allowed: ['common/random.ts'],
    remedy: 'take a Random',
  },
  {
    what: /\brandomUUID\b|\brandomBytes\b|\brandomInt\b|\bgetRandomValues\b/,
    // Names of local files and of a new local log: no decision of a run hangs on them.
    allowed: ['common/random.ts', 'ingest/source/embedded-log/', 'sql/write/'],
    remedy: 'take a Random',
  },
]

export function ambientComplaints(sources: readonly SourceFile[]): readonly string[] {
  return productFiles(sources)
    .filter((source) => !source.isTest)
    .flatMap((source) =>
      source.code
        .split('\n')
        .flatMap((text, index) =>
          ambientRules
            .filter((rule) => rule.what.test(text) && !isAllowed(rule, source.path))
            .map((rule) => `${source.path}:${index + 1} \`${text.trim()}\`: ${rule.remedy}`),
        ),
    )
}

function isAllowed(rule: AmbientRule, path: string): boolean {
  return rule.allowed.some((each) => each === path || (each.endsWith('/') && path.startsWith(each)))
}

function productFiles(sources: readonly SourceFile[]): readonly SourceFile[] {
  return sources.filter((source) => isProductFolder(source.topFolder))
}

function topFolderOf(path: string): string {
  return path.split('/')[0] ?? ''
}
