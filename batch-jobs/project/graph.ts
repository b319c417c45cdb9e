/** The order in which models can be built, and the models upstream and downstream of one. */
import { ValidationError } from '../../common/index.ts'

export interface GraphNode {
  readonly name: string
  readonly dependsOn: readonly string[]
}

/** Every model after those that it reads, otherwise by name. Throws ValidationError naming a cycle. */
export function buildOrder<Node extends GraphNode>(nodes: readonly Node[]): readonly Node[] {
  const byName = new Map(nodes.map((node) => [node.name, node]))
  const ordered: Node[] = []
  const state = new Map<string, 'open' | 'done'>()
  const visit = (node: Node, path: readonly string[]): void => {
    if (state.get(node.name) === 'done') return
    if (state.get(node.name) === 'open') {
      const cycle = [...path.slice(path.indexOf(node.name)), node.name]
      throw new ValidationError(`models depend on each other in a circle: ${cycle.join(' -> ')}`)
    }
    state.set(node.name, 'open')
    for (const name of [...node.dependsOn].sort()) {
      const upstream = byName.get(name)
      if (upstream !== undefined) visit(upstream, [...path, node.name])
    }
    state.set(node.name, 'done')
    ordered.push(node)
  }
  for (const node of [...nodes].sort((a, b) => (a.name < b.name ? -1 : 1))) visit(node, [])
  return ordered
}

/** All models that `names` read, directly or indirectly. */
export function upstreamOf(nodes: readonly GraphNode[], names: Iterable<string>): Set<string> {
  const edges = new Map(nodes.map((node) => [node.name, node.dependsOn]))
  return reach(edges, names)
}

/** All models that read `names`, directly or indirectly. */
export function downstreamOf(nodes: readonly GraphNode[], names: Iterable<string>): Set<string> {
  const edges = new Map<string, string[]>()
  for (const node of nodes) {
    for (const name of node.dependsOn) edges.set(name, [...(edges.get(name) ?? []), node.name])
  }
  return reach(edges, names)
}

function reach(
  edges: ReadonlyMap<string, readonly string[]>,
  names: Iterable<string>,
): Set<string> {
  const reached = new Set<string>()
  const waiting = [...names]
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    for (const next of edges.get(name) ?? []) {
      if (reached.has(next)) continue
      reached.add(next)
      waiting.push(next)
    }
  }
  return reached
}
