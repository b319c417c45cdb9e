/**
 * The picture of folders and imports in ARCHITECTURE.md, drawn from the code: a mermaid graph and a
 * table. A folder's job is the first sentence of its door's header comment.
 */
import {
  isProductFolder,
  mayImport,
  type ProductFolder,
  productFolders,
  type SourceFile,
} from './import-graph.ts'

export const pictureStart = '<!-- drawn by scripts/draw-architecture.ts: start -->'
export const pictureEnd = '<!-- drawn by scripts/draw-architecture.ts: end -->'

interface FolderNode {
  readonly name: ProductFolder
  readonly job: string
  readonly imports: readonly ProductFolder[]
  readonly packages: readonly string[]
}

export function drawArchitecture(sources: readonly SourceFile[]): string {
  const product = sources.filter((source) => !source.isTest)
  const nodes = productFolders
    .map((folder) => folderNode(folder, product))
    .filter((node) => node !== undefined)
  return `${graph(nodes)}\n\n${table(nodes)}`
}

/** The document with the picture between its markers; markers are added at the end if there are none. */
export function withPicture(document: string, picture: string): string {
  const block = `${pictureStart}\n\n${picture}\n\n${pictureEnd}`
  const start = document.indexOf(pictureStart)
  const end = document.indexOf(pictureEnd)
  if (start === -1 || end === -1) return `${document.trimEnd()}\n\n${block}\n`
  return `${document.slice(0, start)}${block}${document.slice(end + pictureEnd.length)}`
}

function folderNode(name: ProductFolder, sources: readonly SourceFile[]): FolderNode | undefined {
  const files = sources.filter((source) => source.topFolder === name)
  if (files.length === 0) return undefined
  const imports = new Set<ProductFolder>()
  const packages = new Set<string>()
  for (const edge of files.flatMap((file) => file.imports)) {
    if (edge.packageName !== undefined && edge.packageName !== 'node:')
      packages.add(edge.packageName)
    const to = edge.target?.split('/')[0] ?? name
    if (to !== name && isProductFolder(to)) imports.add(to)
  }
  return {
    name,
    job: jobOf(
      name,
      files.find((file) => isEntry(file.path, name)),
    ),
    imports: productFolders.filter((folder) => imports.has(folder)),
    packages: [...packages].sort(),
  }
}

function isEntry(path: string, folder: ProductFolder): boolean {
  return path === (folder === 'bin' ? 'bin/tide.ts' : `${folder}/index.ts`)
}

function jobOf(folder: ProductFolder, entry: SourceFile | undefined): string {
  const header = /\/\*\*([\s\S]*?)\*\//.exec(entry?.text ?? '')?.[1]
  if (header === undefined) return ''
  const text = header
    .split('\n')
    .map((line) => line.replace(/^\s*\*?\s?/, ''))
    .join(' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
  const [sentence = ''] = text.split(/(?<=\.)\s/)
  const prefix = `${folder}: `
  return (sentence.startsWith(prefix) ? sentence.slice(prefix.length) : sentence).replaceAll(
    '|',
    '\\|',
  )
}

/** Arrows point from importer to imported; `common`, which all import, is left out. */
function graph(nodes: readonly FolderNode[]): string {
  const arrows = [...nodes]
    .reverse()
    .flatMap((node) =>
      [...withoutImplied(node, nodes)].reverse().map((to) => `  ${id(node.name)} --> ${id(to)}`),
    )
  const boxes = [...nodes].reverse().map((node) => `  ${id(node.name)}["${node.name}/"]`)
  return ['```mermaid', 'graph TD', ...boxes, ...arrows, '```'].join('\n')
}

/** Mermaid reads no hyphen in an id. */
function id(folder: ProductFolder): string {
  return folder.replaceAll('-', '_')
}

/** An arrow that a longer way already shows would only crowd the picture; the table has them all. */
function withoutImplied(node: FolderNode, nodes: readonly FolderNode[]): readonly ProductFolder[] {
  const direct = node.imports.filter((to) => to !== 'common')
  return direct.filter((to) => !direct.some((other) => other !== to && reaches(other, to, nodes)))
}

function reaches(from: ProductFolder, to: ProductFolder, nodes: readonly FolderNode[]): boolean {
  const imports = nodes.find((node) => node.name === from)?.imports ?? []
  return imports.includes(to) || imports.some((next) => reaches(next, to, nodes))
}

function table(nodes: readonly FolderNode[]): string {
  const list = (names: readonly string[]): string => names.join(', ') || '–'
  const rows = nodes.map((node) => {
    const may = list(mayImport[node.name].filter((folder) => !node.imports.includes(folder)))
    return `| \`${node.name}/\` | ${node.job} | ${list(node.imports)} | ${may} | ${list(node.packages)} |`
  })
  return [
    '| folder | job | imports | may also import | vendor packages |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n')
}
