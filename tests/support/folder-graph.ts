/**
 * Which folder uses which, name by name: an import through a door (`index.ts`) counts for the file that
 * defines the name, so that doors neither hide an edge nor make one.
 */
import { dirname } from 'node:path'
import { type ImportedName, isProductFolder, type SourceFile } from './import-graph.ts'

export interface NameEdge {
  readonly from: string
  readonly to: string
  readonly name: string
}

/** Folders of one depth, and for each the folders that it uses with an example of each use. */
export type FolderGraph = ReadonlyMap<string, ReadonlyMap<string, NameEdge>>

/** What product code uses of product code. Tests may look into every room. */
export function nameEdges(sources: readonly SourceFile[]): readonly NameEdge[] {
  const files = new Map(sources.map((source) => [source.path, source]))
  return sources
    .filter((source) => isProductFolder(source.topFolder) && !source.isTest)
    .flatMap((source) =>
      source.imports
        .filter((edge) => !(edge.isExport && isDoor(source.path)))
        .flatMap(({ target, names }) => {
          if (target === undefined) return []
          const used = names === 'all' ? [{ name: '*', as: '*' }] : names
          return used.map(({ name }) => ({
            from: source.path,
            to: definingFile(files, target, name),
            name,
          }))
        }),
    )
}

/**
 * The graph of folders when paths are cut to `depth` segments. A file that lies less deep counts for its
 * own folder.
 */
export function folderGraph(edges: readonly NameEdge[], depth: number): FolderGraph {
  const graph = new Map<string, Map<string, NameEdge>>()
  for (const edge of edges) {
    const [from, to] = [folderOf(edge.from, depth), folderOf(edge.to, depth)]
    for (const folder of [from, to]) if (!graph.has(folder)) graph.set(folder, new Map())
    if (from !== to && !graph.get(from)?.has(to)) graph.get(from)?.set(to, edge)
  }
  return graph
}

/** Groups of folders that reach each other in a circle (strongly connected components, Tarjan 1972). */
export function knots(graph: FolderGraph): readonly (readonly string[])[] {
  const found: string[][] = []
  const index = new Map<string, number>()
  const low = new Map<string, number>()
  const stack: string[] = []
  const visit = (folder: string): number => {
    index.set(folder, index.size)
    low.set(folder, index.get(folder) ?? 0)
    stack.push(folder)
    for (const next of graph.get(folder)?.keys() ?? []) {
      const reached = index.has(next)
        ? stack.includes(next)
          ? index.get(next)
          : undefined
        : visit(next)
      low.set(folder, Math.min(low.get(folder) ?? 0, reached ?? Number.POSITIVE_INFINITY))
    }
    if (low.get(folder) === index.get(folder)) {
      const knot = stack.splice(stack.indexOf(folder)).sort()
      if (knot.length > 1) found.push(knot)
    }
    return low.get(folder) ?? 0
  }
  for (const folder of graph.keys()) if (!index.has(folder)) visit(folder)
  return found
}

/** Folders that import each other, with the two imports. */
export function mutualPairs(graph: FolderGraph): readonly string[] {
  return [...graph].flatMap(([from, uses]) =>
    [...uses].flatMap(([to, there]) => {
      const back = graph.get(to)?.get(from)
      if (back === undefined || from > to) return []
      return [`${from} <-> ${to}: ${describe(there)}; ${describe(back)}`]
    }),
  )
}

/** Each knot at each depth, with the imports that tie it. */
export function knotComplaints(edges: readonly NameEdge[]): readonly string[] {
  const complaints = depths(edges).flatMap((depth) => {
    const graph = folderGraph(edges, depth)
    return knots(graph).map((knot) => {
      const ties = knot.flatMap((folder) =>
        [...(graph.get(folder) ?? [])].flatMap(([to, edge]) =>
          knot.includes(to) ? [describe(edge)] : [],
        ),
      )
      return `${knot.join(', ')}: ${ties.join('; ')}`
    })
  })
  return [...new Set(complaints)]
}

/** What the package exports; who imports it from there is outside of this tree. */
const libraryDoor = 'app/index.ts'

/** Names that a door offers and that nobody outside its folder imports from it. */
export function deadDoorNames(sources: readonly SourceFile[]): readonly string[] {
  return sources
    .filter((source) => isProductFolder(source.topFolder) && isDoor(source.path))
    .filter(({ path }) => path !== libraryDoor)
    .flatMap((door) => {
      const folder = `${dirname(door.path)}/`
      const used = new Set(
        sources
          .filter((source) => !source.path.startsWith(folder))
          .flatMap((source) => source.imports.filter((edge) => edge.target === door.path))
          .flatMap(({ names }) => (names === 'all' ? [] : names.map(({ name }) => name))),
      )
      return doorNames(door)
        .filter((name) => !used.has(name))
        .map((name) => `${door.path}: nobody outside imports ${name}`)
    })
}

export function doorNames(door: SourceFile): readonly string[] {
  const passedOn = door.imports
    .filter((edge) => edge.isExport)
    .flatMap(({ names }) => (names === 'all' ? [] : names.map(({ as }) => as)))
  const listed = [...door.code.matchAll(/^export \{([^}]*)\}(?!\s*from)/gm)].flatMap(
    ([, list = '']) =>
      list
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== ''),
  )
  return [...passedOn, ...listed]
}

export function isDoor(path: string): boolean {
  return path.endsWith('/index.ts')
}

/** The file behind a door; the file itself where it is no door or defines the name. */
function definingFile(
  files: ReadonlyMap<string, SourceFile>,
  target: string,
  name: string,
): string {
  const edges = files.get(target)?.imports ?? []
  for (const { isExport, names, target: next } of edges) {
    if (!isExport || next === undefined || names === 'all') continue
    const passed = names.find((each: ImportedName) => each.as === name)
    if (passed !== undefined) return definingFile(files, next, passed.name)
  }
  return target
}

function folderOf(path: string, depth: number): string {
  return dirname(path).split('/').slice(0, depth).join('/')
}

function depths(edges: readonly NameEdge[]): readonly number[] {
  const deepest = Math.max(0, ...edges.map((edge) => edge.from.split('/').length - 1))
  return Array.from({ length: deepest }, (_, index) => index + 1)
}

function describe({ from, to, name }: NameEdge): string {
  return `${from} -> ${to} (${name})`
}
