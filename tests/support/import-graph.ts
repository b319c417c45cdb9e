/**
 * The import graph of the repository, read from the code. TypeScript 7 has no JavaScript API, so
 * imports are found in the text, after comments are taken out.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { repositoryRoot } from './services/paths.ts'

export interface ImportEdge {
  readonly specifier: string
  /** Repository path of a relative import. */
  readonly target: string | undefined
  /** Package name of a bare import; `node:` for the runtime's own modules. */
  readonly packageName: string | undefined
  readonly line: number
}

export interface SourceFile {
  /** Repository path with forward slashes. */
  readonly path: string
  /** First segment of the path; empty for files at the root. */
  readonly topFolder: string
  readonly isTest: boolean
  readonly text: string
  /** The text with comments blanked out, line for line. */
  readonly code: string
  readonly imports: readonly ImportEdge[]
}

/** Layers from the bottom up; a folder may import what stands before it, if `mayImport` agrees. */
export const productFolders = [
  'common',
  'settings',
  'io',
  'minio',
  'catalog',
  'ingest',
  'compactor',
  'sql',
  'replay',
  'batch-jobs',
  'server',
  'app',
  'demo',
  'cli',
  'bin',
] as const

export type ProductFolder = (typeof productFolders)[number]

const belowCatalog = ['common', 'io'] as const
const belowBatchJobs = [
  'common',
  'settings',
  'io',
  'catalog',
  'ingest',
  'compactor',
  'sql',
] as const
const belowApp = [...belowBatchJobs, 'minio', 'replay', 'batch-jobs', 'server'] as const

/** The layer rule, as a table: what each folder may import. */
export const mayImport: Readonly<Record<ProductFolder, readonly ProductFolder[]>> = {
  common: [],
  settings: ['common'],
  io: ['common'],
  minio: ['common', 'io'],
  catalog: belowCatalog,
  ingest: [...belowCatalog, 'settings', 'catalog'],
  compactor: [...belowCatalog, 'catalog'],
  sql: [...belowCatalog, 'catalog'],
  replay: belowBatchJobs,
  'batch-jobs': belowBatchJobs,
  server: [...belowBatchJobs, 'batch-jobs'],
  app: belowApp,
  demo: [...belowApp, 'app'],
  cli: [...belowApp, 'app', 'demo'],
  bin: ['common', 'cli'],
}

const otherFolders = ['tests', 'scripts', 'bench', 'examples']

export function isProductFolder(folder: string): folder is ProductFolder {
  return (productFolders as readonly string[]).includes(folder)
}

/** Every TypeScript file of the repository, sorted by path. */
export function readSources(root: string = repositoryRoot): readonly SourceFile[] {
  const folders = [...productFolders, ...otherFolders]
  const paths = folders.flatMap((folder) => {
    if (!existsSync(join(root, folder))) return []
    return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
      .map((name) => posix.join(folder, name.replaceAll('\\', '/')))
  })
  return paths.sort().map((path) => readSource(path, readFileSync(join(root, path), 'utf8')))
}

/** A file as the graph sees it; apart from `readSources` so that the rules can be tried on made-up text. */
export function readSource(path: string, text: string): SourceFile {
  const code = withoutComments(text)
  return {
    path,
    topFolder: path.includes('/') ? (path.split('/')[0] ?? '') : '',
    isTest: path.endsWith('.test.ts'),
    text,
    code,
    imports: findImports(path, code),
  }
}

const importPatterns = [
  /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm,
  /^\s*import\s*['"]([^'"]+)['"]/gm,
  /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g,
]

function findImports(path: string, code: string): readonly ImportEdge[] {
  const edges = importPatterns.flatMap((pattern) =>
    [...code.matchAll(pattern)].map((match) => {
      const specifier = match[1] ?? ''
      const end = (match.index ?? 0) + match[0].length
      const relative = specifier.startsWith('.')
      return {
        specifier,
        target: relative ? posix.join(dirname(path), specifier) : undefined,
        packageName: relative ? undefined : packageNameOf(specifier),
        line: code.slice(0, end).split('\n').length,
      }
    }),
  )
  return edges.sort((left, right) => left.line - right.line)
}

function packageNameOf(specifier: string): string {
  if (specifier.startsWith('node:')) return 'node:'
  const [scopeOrName = '', name = ''] = specifier.split('/')
  return scopeOrName.startsWith('@') ? `${scopeOrName}/${name}` : scopeOrName
}

/** Blanks comments out; strings and templates are kept, so that `'http://x'` is no comment. */
export function withoutComments(text: string): string {
  const token =
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`|\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[dgimsuvy]*(?=\s*[.,;)\]}\n])/g
  return text.replace(token, (found) =>
    found.startsWith('//') || found.startsWith('/*') ? found.replaceAll(/[^\n]/g, ' ') : found,
  )
}

/** Lines that carry code: neither blank nor comment. */
export function codeLineCount(source: SourceFile): number {
  return source.code.split('\n').filter((line) => line.trim() !== '').length
}
