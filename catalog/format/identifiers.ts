/** Names of namespaces and tables. */

/** Levels of a namespace, outermost first; never empty. */
export type Namespace = readonly string[]

export interface TableIdentifier {
  readonly namespace: Namespace
  readonly name: string
}

export function formatNamespace(namespace: Namespace): string {
  return namespace.join('.')
}

export function formatIdentifier(identifier: TableIdentifier): string {
  return [...identifier.namespace, identifier.name].join('.')
}
