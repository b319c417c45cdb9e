/** Settings as YAML that could be written back, each value with its origin as a comment if asked. */
import { Document, isMap, isSeq } from 'yaml'
import type { SettingEntry } from './resolve.ts'
import type { SettingPath } from './setting-path.ts'
import { formatOrigin } from './origin.ts'

export function formatEntries(entries: readonly SettingEntry[], withOrigin: boolean): string {
  return formatValues(
    entries.map(({ path, text, origin }) => ({
      path,
      text,
      ...(withOrigin ? { comment: formatOrigin(origin) } : {}),
    })),
  )
}

/** A scalar of a document. */
export interface CommentedValue {
  readonly path: SettingPath
  readonly text: string
  readonly comment?: string
}

export function formatValues(values: readonly CommentedValue[]): string {
  const document = new Document({})
  for (const { path, text, comment } of values) {
    placeContainers(document, path)
    // All values are read as text, so these two need no quotes.
    const node = document.createNode(text === 'true' || text === 'false' ? text === 'true' : text)
    if (comment !== undefined) node.comment = ` ${comment}`
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
