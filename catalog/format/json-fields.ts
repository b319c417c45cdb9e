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

/** Reads one value; `where` is its path, for errors. */
export type JsonReader<T> = (value: Json | undefined, where: string) => T

/** The members of an object. */
export class JsonFields {
  readonly object: JsonObject
  readonly where: string

  constructor(json: Json | undefined, where: string) {
    this.object = asObject(json, where)
    this.where = where
  }

  /** Runs `read` on a member, which decides what it makes of an absent one. */
  required<T>(key: string, read: JsonReader<T>): T {
    return read(this.object[key], `${this.where}.${key}`)
  }

  /** Runs `read` on a member that may be absent; null counts as absent, as other writers use it so. */
  optional<T>(key: string, read: (value: Json, where: string) => T): T | undefined {
    const value = this.object[key]
    return value === undefined || value === null ? undefined : read(value, `${this.where}.${key}`)
  }

  /** The members whose names are not in `names`; undefined when there are none. */
  others(names: ReadonlySet<string>): JsonObject | undefined {
    const entries = Object.entries(this.object).filter(([key]) => !names.has(key))
    return entries.length === 0 ? undefined : Object.fromEntries(entries)
  }
}

/** Reads a list by what reads its items. */
export function listOf<T>(read: JsonReader<T>): JsonReader<readonly T[]> {
  return (json, where) =>
    asArray(json, where).map((item, index) => read(item, `${where}[${index}]`))
}

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

export function unexpected(
  expected: string,
  actual: Json | undefined,
  where: string,
): CorruptDataError {
  const text = actual === undefined ? 'nothing' : stringifyJson(actual).slice(0, 80)
  return new CorruptDataError(`expected ${expected}`, { facts: { where, value: text } })
}
