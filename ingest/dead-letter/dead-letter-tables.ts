/**
 * The dead-letter tables that a stream has used, in a property of its own table: `errors.dlq.table` may change,
 * and a replay must still find the letters of records that become rows (docs/spec/replay.md, P9).
 */
import { isJsonObject, type Json, parseJson, stringifyJson } from '../../common/index.ts'

/** By stream, `namespace.table` of each, in the order of their first letter. */
export const deadLetterTablesKey = 'tidewater.dead-letter-tables'

export function deadLetterTablesOf(
  properties: Readonly<Record<string, string>>,
  stream: string,
): readonly string[] {
  const tables = readAll(properties)[stream]
  return Array.isArray(tables) ? tables.map(String) : []
}

/** The property's text with one more table. */
export function withDeadLetterTable(
  properties: Readonly<Record<string, string>>,
  stream: string,
  table: string,
): string {
  const others = deadLetterTablesOf(properties, stream).filter((name) => name !== table)
  return stringifyJson({ ...readAll(properties), [stream]: [...others, table] })
}

function readAll(properties: Readonly<Record<string, string>>): Readonly<Record<string, Json>> {
  const text = Object.hasOwn(properties, deadLetterTablesKey)
    ? properties[deadLetterTablesKey]
    : undefined
  const json = text === undefined ? {} : parseJson(text, deadLetterTablesKey)
  return isJsonObject(json) ? json : {}
}
