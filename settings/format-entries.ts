/** Settings as YAML that could be written back, each value with its origin as a comment if asked. */
import { Document, isMap, isSeq } from 'yaml'
import type { SettingEntry } from './resolve.ts'
import { formatOrigin } from './origin.ts'

export function formatEntries(entries: readonly SettingEntry[], withOrigin: boolean): string {
  const document = new Document({})
  for (const { path, text, origin } of entries) {
    placeContainers(document, path)
    const node = document.createNode(text)
    if (withOrigin) node.comment = ` ${formatOrigin(origin)}`
    document.setIn(path, node)
  }
  return document.toString({ lineWidth: 0 })
}

/** A list and not a map must stand where the next step of a path is a number. */
function placeContainers(document: Document, path: readonly (string | number)[]): void {
  for (let length = 1; length < path.length; length++) {
    const parent = path.slice(0, length)
    const node: unknown = document.getIn(parent, true)
    if (isMap(node) || isSeq(node)) continue
    document.setIn(parent, document.createNode(typeof path[length] === 'number' ? [] : {}))
  }
}
