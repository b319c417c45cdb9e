/**
 * Checked access to the members of a parsed JSON document.
 *
 * Metadata comes from other engines and from the network, so every member is checked before it is used; the
 * error names the document and the path of the member.
 */
import {
  CorruptDataError,
  isJsonObject,
  stringifyJson,
  type Json,
  type JsonObject,
} from '../../common/index.ts'

export function asObject(value: Json | undefined, where: string): JsonObject {
  if (isJsonObject(value)) return value
  throw unexpected('an object', value, where)
}

export function asArray(value: Json | undefined, where: string): readonly Json[] {
  if (Array.isArray(value)) return value as readonly Json[]
  throw unexpected('an array', value, where)
}

export function asString(value: Json | undefined, where: string): string {
  if (typeof value === 'string') return value
  throw unexpected('a string', value, where)
}

export function asBoolean(value: Json | undefined, where: string): boolean {
  if (typeof value === 'boolean') return value
  throw unexpected('a boolean', value, where)
}

/** A 32-bit integer, as all ids but those of snapshots are. */
export function asInt(value: Json | undefined, where: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) < 2 ** 31) {
    return value
  }
  throw unexpected('a 32-bit integer', value, where)
}

/** Runs `read` on a member, which decides what it makes of an absent one. */
export function requiredField<T>(
  object: JsonObject,
  key: string,
  where: string,
  read: (value: Json | undefined, where: string) => T,
): T {
  return read(object[key], `${where}.${key}`)
}

/** Runs `read` on a member that may be absent; null counts as absent, as other writers use it so. */
export function optionalField<T>(
  object: JsonObject,
  key: string,
  where: string,
  read: (value: Json, where: string) => T,
): T | undefined {
  const value = object[key]
  return value === undefined || value === null ? undefined : read(value, `${where}.${key}`)
}

/** An object of strings; numbers and booleans, which some writers leave unquoted, become their text. */
export function asStringMap(
  value: Json | undefined,
  where: string,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(asObject(value, where)).map(([key, member]) => {
      if (typeof member === 'object') throw unexpected('a string', member, `${where}.${key}`)
      return [key, String(member)]
    }),
  )
}

/** The members of `object` whose names are not in `names`; undefined when there are none. */
export function unknownMembers(
  object: JsonObject,
  names: ReadonlySet<string>,
): JsonObject | undefined {
  const entries = Object.entries(object).filter(([key]) => !names.has(key))
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

export function unexpected(
  expected: string,
  actual: Json | undefined,
  where: string,
): CorruptDataError {
  const text = actual === undefined ? 'nothing' : stringifyJson(actual).slice(0, 80)
  return new CorruptDataError(`expected ${expected}`, { facts: { where, value: text } })
}
