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
  /** What is imported, under the names of the other file; `all` for a whole module. */
  readonly names: readonly ImportedName[] | 'all'
  /** `export … from`: the file offers the names of another one. */
  readonly isExport: boolean
}

export interface ImportedName {
  readonly name: string
  /** The name that this file gives it. */
  readonly as: string
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
  /^\s*(?<word>import|export)\b(?<clause>[^'"`;]*?)\bfrom\s*['"](?<specifier>[^'"]+)['"]/gm,
  /^\s*import\s*['"](?<specifier>[^'"]+)['"]/gm,
  /(?:\{(?<clause>[^{}]*)\}\s*=\s*await\s+)?\bimport\(\s*['"](?<specifier>[^'"]+)['"]\s*,?\s*\)/g,
]

function findImports(path: string, code: string): readonly ImportEdge[] {
  const edges = importPatterns.flatMap((pattern) =>
    [...code.matchAll(pattern)].map((match) => {
      const { word, clause = '', specifier = '' } = match.groups ?? {}
      const end = (match.index ?? 0) + match[0].length
      const relative = specifier.startsWith('.')
      return {
        specifier,
        target: relative ? posix.join(dirname(path), specifier) : undefined,
        packageName: relative ? undefined : packageNameOf(specifier),
        line: code.slice(0, end).split('\n').length,
        names: importedNames(word === undefined ? `{${clause}}` : clause),
        isExport: word === 'export',
      }
    }),
  )
  return edges.sort((left, right) => left.line - right.line)
}

/** The names in `{ a, type B as C, d: e }`, as imports, exports and destructuring write them. */
function importedNames(clause: string): readonly ImportedName[] | 'all' {
  const list = /\{([^}]*)\}/.exec(clause)?.[1]
  const names = (list ?? '').split(',').flatMap((part) => {
    const [name = '', as = name] = part
      .trim()
      .replace(/^type\s+/, '')
      .split(/\s+as\s+|\s*:\s*/)
    return name === '' ? [] : [{ name, as }]
  })
  return names.length === 0 ? 'all' : names
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
