/**
 * Reads YAML into a `SettingTree`. Every scalar stays the text that was written (YAML's failsafe
 * schema), so `topics: [2024_01]` or a secret of digits is never turned into a number on the way;
 * the typed schema decides what each text means.
 */
import {
  LineCounter,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  parseDocument,
  type Document,
  type Node,
  type YAMLMap,
} from 'yaml'
import { errorMessage } from '../common/index.ts'
import { interpolate, type VariableSource } from './interpolate.ts'
import { type Origin, Origins } from './origin.ts'
import type { SettingPath } from './setting-path.ts'
import type { RawMap, RawValue, SettingProblem, SettingTree } from './setting-tree.ts'

const textLengthMax = 1_000_000
const depthMax = 40
/** Aliases can make a small text large; more nodes than this is no settings file. */
const nodeCountMax = 50_000

/** Parses `text`; `file` is only a name for messages. Never throws for bad input: see `problems`. */
export function parseYamlTree(text: string, file: string, variables: VariableSource): SettingTree {
  const reader = new TreeReader(file, variables)
  return reader.read(text)
}

class TreeReader {
  readonly #file: string
  readonly #variables: VariableSource
  readonly #lines = new LineCounter()
  readonly #keyOrigins = new Origins()
  readonly #valueOrigins = new Origins()
  readonly #problems: SettingProblem[] = []
  #nodeCount = 0

  constructor(file: string, variables: VariableSource) {
    this.#file = file
    this.#variables = variables
  }

  read(text: string): SettingTree {
    if (text.length > textLengthMax) {
      this.#report([], 0, `too long for settings: characters=${text.length} max=${textLengthMax}`)
      return this.#tree({})
    }
    const document = parseDocument(text, {
      schema: 'failsafe',
      lineCounter: this.#lines,
      prettyErrors: false,
    })
    // One slip makes many faults of what stands behind it, so only the first is reported.
    const [first] = [...document.errors].sort((left, right) => left.pos[0] - right.pos[0])
    for (const fault of first === undefined ? document.warnings : [first]) {
      this.#report([], fault.pos[0], yamlMessage(fault.code, fault.message, text))
    }
    this.#origin(this.#valueOrigins, [], 0)
    const value = document.errors.length === 0 ? this.#root(document) : {}
    return this.#tree(value)
  }

  #root(document: Document.Parsed): RawMap {
    const contents = document.contents
    if (contents === null || (isScalar(contents) && isEmptyScalar(contents))) return {}
    if (isMap(contents)) return this.#map(contents as YAMLMap<Node, Node>, document, [])
    this.#report([], offsetOf(contents), 'expected keys and values (key: value) at the top')
    return {}
  }

  /** undefined: nothing was written (`key:`, `key: null`), which is the same as leaving the key out. */
  #value(node: Node | null, document: Document, path: SettingPath): RawValue | undefined {
    if (node === null) return undefined
    this.#origin(this.#valueOrigins, path, offsetOf(node))
    if (++this.#nodeCount > nodeCountMax || path.length > depthMax) {
      if (this.#nodeCount <= nodeCountMax + 1) this.#report(path, offsetOf(node), 'nested too deep')
      return undefined
    }
    if (isAlias(node)) return this.#value(node.resolve(document) ?? null, document, path)
    if (isMap(node)) return this.#map(node as YAMLMap<Node, Node>, document, path)
    if (isSeq(node)) {
      return node.items.flatMap((item, index) => {
        const value = this.#value(item as Node | null, document, [...path, index])
        return value === undefined ? [] : [value]
      })
    }
    if (!isScalar(node) || isEmptyScalar(node)) return undefined
    try {
      return interpolate(String(node.value), this.#variables)
    } catch (error) {
      this.#report(path, offsetOf(node), errorMessage(error))
      return undefined
    }
  }

  #map(node: YAMLMap<Node, Node>, document: Document, path: SettingPath): RawMap {
    const entries: [string, RawValue][] = []
    for (const pair of node.items) {
      if (!isScalar(pair.key)) {
        this.#report(path, offsetOf(pair.key), 'a key must be plain text')
        continue
      }
      const key = String(pair.key.value)
      const keyPath = [...path, key]
      this.#origin(this.#keyOrigins, keyPath, offsetOf(pair.key))
      const value = this.#value(pair.value, document, keyPath)
      if (value !== undefined) entries.push([key, value])
    }
    return Object.fromEntries(entries)
  }

  #tree(value: RawMap): SettingTree {
    return {
      value,
      keyOrigins: this.#keyOrigins,
      valueOrigins: this.#valueOrigins,
      problems: this.#problems,
    }
  }

  #report(path: SettingPath, offset: number, message: string): void {
    this.#problems.push({ path, origin: this.#at(offset), message })
  }

  #origin(origins: Origins, path: SettingPath, offset: number): void {
    if (origins.get(path) === undefined) origins.set(path, this.#at(offset))
  }

  #at(offset: number): Origin {
    const { line, col } = this.#lines.linePos(offset)
    return {
      kind: 'file',
      position: { file: this.#file, line: Math.max(1, line), col: Math.max(1, col) },
    }
  }
}

function offsetOf(node: Node): number {
  return node.range?.[0] ?? 0
}

function isEmptyScalar(node: { readonly value?: unknown; readonly type?: string }): boolean {
  if (node.type !== 'PLAIN') return false
  return node.value === '' || node.value === null || node.value === '~' || node.value === 'null'
}

function yamlMessage(code: string, message: string, text: string): string {
  if (code === 'DUPLICATE_KEY') return 'the key is written twice in the same map'
  if (code === 'TAB_AS_INDENT') return 'yaml is indented with spaces, not tabs'
  const first = message.split('\n')[0] ?? message
  const bare = /[[{,:][^\n"']*[^$"']\$\{\w/.test(text)
  return `not valid yaml: ${first.charAt(0).toLowerCase()}${first.slice(1)}${bare ? bareHint : flowHint(first)}`
}

const bareHint = ' (inside { } and [ ] write "${VAR}" with quotes)'

function flowHint(message: string): string {
  const cut = /flow-(seq|map)-(start|end) at node end/.test(message)
  return cut ? ' (text that holds [ ] { } or a comma needs quotes)' : ''
}
