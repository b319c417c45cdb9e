/**
 * DuckDB's own parse of a statement, as JSON (`json_serialize_sql`): what we know of a query's
 * structure comes from the parser of the engine that runs it, never from a grammar of ours.
 */
import {
  CorruptDataError,
  UnsupportedError,
  ValidationError,
  isJsonObject,
  parseJson,
  stringifyJson,
  type Json,
  type JsonObject,
} from '../../common/index.ts'
import { renderPosition } from '../text/query-error.ts'
import type { QuerySession } from '../session/query-session.ts'
import { utf16Position, type SplicedText } from '../text/spliced-text.ts'

/** A node of the tree; its kind is in `type` (and in `class` for expressions). */
export type Node = JsonObject

/** The query node of the only statement in `source`. */
export async function parseQuery(
  session: QuerySession,
  source: SplicedText,
  original: string,
): Promise<Node> {
  const answer = parseTree(await session.serialize(source.text))
  if (!isJsonObject(answer)) throw new CorruptDataError('duckdb gave no parse tree')
  if (answer['error'] === true) throw parseError(answer, source, original)
  const statements = children(answer['statements'])
  const [statement] = statements
  if (statement === undefined) throw new ValidationError('there is no statement to run')
  if (statements.length > 1) throw new ValidationError('expected one statement at a time')
  return child(statement, 'node')
}

function parseTree(text: string): Json {
  try {
    return parseJson(text, 'json_serialize_sql')
  } catch (error) {
    // Such a number is Infinity for DuckDB's parser, which writes it so, and JSON has no word for it.
    const withoutTexts = text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')
    if (!/:-?Infinity\b/.test(withoutTexts)) throw error
    throw new ValidationError(
      "a number in the query is beyond DOUBLE (1.8e308): 'infinity'::DOUBLE is the one above all",
      { cause: error },
    )
  }
}

/** The text of expressions, as DuckDB writes them back. */
export async function expressionTexts(
  session: QuerySession,
  expressions: readonly Node[],
): Promise<string> {
  const template = await session.serialize('SELECT 1')
  const tree = JSON.parse(template) as { statements: [{ node: { select_list: unknown } }] }
  const marker = '__select_list__'
  tree.statements[0].node.select_list = marker
  const text = JSON.stringify(tree).replace(
    `"${marker}"`,
    () => `[${expressions.map((expression) => stringifyJson(writable(expression))).join(',')}]`,
  )
  // The parser writes 'no position' as a number that its own JSON reader refuses.
  const readable = text.replaceAll(/"query_location":\d{17,}/g, '"query_location":0')
  return session.deserialize(readable)
}

/**
 * A double that happens to be whole comes back from JavaScript as an integer, which DuckDB's reader
 * refuses in its place: doubles travel as a cast of their text.
 */
function writable(value: Json): Json {
  if (Array.isArray(value)) return (value as readonly Json[]).map(writable)
  if (!isJsonObject(value)) return value
  const constant = value['class'] === 'CONSTANT' ? value['value'] : undefined
  if (isJsonObject(constant) && typeof constant['value'] === 'number') {
    const type = constant['type']
    const id = isJsonObject(type) ? textOf(type, 'id') : ''
    if (id === 'DOUBLE' || id === 'FLOAT') return castOfText(value, String(constant['value']), id)
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, writable(item)]))
}

function castOfText(constant: Node, text: string, id: string): Node {
  const varchar = { id: 'VARCHAR', type_info: null }
  return {
    class: 'CAST',
    type: 'OPERATOR_CAST',
    alias: '',
    query_location: 0,
    child: { ...constant, alias: '', value: { type: varchar, is_null: false, value: text } },
    cast_type: { id, type_info: null },
    try_cast: false,
  }
}

/** A node's member that must be a node. */
export function child(node: Node, key: string): Node {
  const value = node[key]
  if (isJsonObject(value)) return value
  throw new CorruptDataError('duckdb parse tree without an expected part', {
    facts: { part: key, type: textOf(node, 'type') },
  })
}

/** The nodes of a list member; other items are left out. */
export function children(value: Json | undefined): readonly Node[] {
  return Array.isArray(value) ? (value as readonly Json[]).filter(isJsonObject) : []
}

export function textOf(node: Node, key: string): string {
  const value = node[key]
  return typeof value === 'string' ? value : ''
}

/** Names of a list member. */
export function textsOf(node: Node, key: string): readonly string[] {
  const value = node[key]
  return Array.isArray(value)
    ? (value as readonly Json[]).filter((item) => typeof item === 'string')
    : []
}

/** Where the node begins, as a byte position; undefined when the parser gives none. */
export function bytePositionOf(node: Node): number | undefined {
  const value = node['query_location']
  return typeof value === 'number' && value >= 0 ? value : undefined
}

function parseError(answer: JsonObject, source: SplicedText, original: string): Error {
  const message = textOf(answer, 'error_message')
  if (textOf(answer, 'error_type') === 'not implemented') {
    return new UnsupportedError(
      'only queries are accepted: SELECT, FROM, VALUES, WITH, DESCRIBE, SUMMARIZE, SHOW, EXPLAIN, USE',
      { facts: { statement: firstWords(original) } },
    )
  }
  const position = Number(textOf(answer, 'position'))
  const where = Number.isInteger(position)
    ? renderPosition(original, source.originalPosition(utf16Position(source.text, position)))
    : ''
  return new ValidationError(`${message}${where}`)
}

function firstWords(text: string): string {
  const words = text.trim().split(/\s+/).slice(0, 3).join(' ')
  return words.length > 60 ? `${words.slice(0, 57)}...` : words
}
