/**
 * Result values without DuckDB's classes, so that no folder above `sql` needs its package, and without
 * loss: 64-bit integers are bigints, decimals keep their digits, instants keep their microseconds.
 */
import {
  DuckDBArrayType,
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBListType,
  DuckDBListValue,
  DuckDBMapType,
  DuckDBMapValue,
  DuckDBStructType,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBTimeValue,
  DuckDBTypeId,
  type DuckDBType,
  type DuckDBValue,
} from '@duckdb/node-api'
import { OrderedStruct } from './exact-client.ts'

export type SqlValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | SqlDecimal
  | SqlTemporal
  | SqlList
  | SqlStruct
  | SqlMap

export interface SqlDecimal {
  readonly kind: 'decimal'
  readonly text: string
}
/** A date, a time, a timestamp. */
export interface SqlTemporal {
  readonly kind: 'temporal'
  /** As SQL writes it: `2026-01-31 12:00:00`. */
  readonly text: string
  /** As ISO 8601 writes it: `2026-01-31T12:00:00`, with Z for an instant. */
  readonly iso: string
}
export interface SqlList {
  readonly kind: 'list'
  readonly items: readonly SqlValue[]
}
export interface SqlStruct {
  readonly kind: 'struct'
  readonly entries: readonly (readonly [string, SqlValue])[]
}
export interface SqlMap {
  readonly kind: 'map'
  readonly entries: readonly (readonly [SqlValue, SqlValue])[]
}

export type ValueReader = (value: DuckDBValue) => SqlValue

/** The conversion of a column of type `type`, made once and used for every row. */
export function valueReader(type: DuckDBType): ValueReader {
  if (type.typeId === DuckDBTypeId.FLOAT) {
    return (value) => (typeof value === 'number' ? shortestFloat(value) : toSqlValue(value))
  }
  if (type instanceof DuckDBListType || type instanceof DuckDBArrayType) {
    const item = valueReader(type.valueType)
    return (value) =>
      value instanceof DuckDBListValue || value instanceof DuckDBArrayValue
        ? { kind: 'list', items: value.items.map(item) }
        : toSqlValue(value)
  }
  if (type instanceof DuckDBStructType) {
    const members = type.entryNames.map((name, index) => {
      const memberType = type.entryTypes[index]
      return { name, read: memberType === undefined ? toSqlValue : valueReader(memberType) }
    })
    return (value) =>
      value instanceof OrderedStruct
        ? {
            kind: 'struct',
            entries: members.map(({ name, read }, at) => [name, read(value.items[at] ?? null)]),
          }
        : toSqlValue(value)
  }
  if (type instanceof DuckDBMapType) {
    const readKey = valueReader(type.keyType)
    const readValue = valueReader(type.valueType)
    return (value) =>
      value instanceof DuckDBMapValue
        ? {
            kind: 'map',
            entries: value.entries.map(({ key, value: entry }) => [readKey(key), readValue(entry)]),
          }
        : toSqlValue(value)
  }
  return toSqlValue
}

function toSqlValue(value: DuckDBValue): SqlValue {
  if (value === null || typeof value !== 'object') return value
  if (value instanceof DuckDBDecimalValue) return { kind: 'decimal', text: value.toString() }
  // The driver gives a Buffer, a subclass of the promised Uint8Array.
  if (value instanceof DuckDBBlobValue) return Uint8Array.from(value.bytes)
  if (value instanceof DuckDBDateValue) {
    // The driver would print the infinities as days of the calendar.
    const text = value.isFinite ? value.toString() : value.days > 0 ? 'infinity' : '-infinity'
    return { kind: 'temporal', text, iso: text }
  }
  if (value instanceof DuckDBTimeValue) {
    const text = value.toString()
    return { kind: 'temporal', text, iso: text }
  }
  if (value instanceof DuckDBTimestampTZValue) {
    // The driver would print the machine's own zone.
    const text = new DuckDBTimestampValue(value.micros).toString()
    if (!value.isFinite) return { kind: 'temporal', text, iso: text }
    return { kind: 'temporal', text: `${text}+00`, iso: `${text.replace(' ', 'T')}Z` }
  }
  const text = value.toString()
  if (value instanceof DuckDBTimestampValue) {
    return { kind: 'temporal', text, iso: text.replace(/^(\S+) (\d)/, '$1T$2') }
  }
  return text
}

/** The shortest number that reads back as the same 32-bit float. */
function shortestFloat(value: number): number {
  // Digits of -0 have no sign.
  if (!Number.isFinite(value) || value === 0) return value
  for (let digits = 6; digits <= 9; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return short
  }
  return value
}

/** JSON of a value; integers and decimals are written digit by digit. */
export function jsonText(value: SqlValue): string {
  if (value === null) return 'null'
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'bigint' || typeof value === 'boolean') return String(value)
  if (typeof value !== 'number') return jsonObjectText(value)
  return Number.isFinite(value) ? numberText(value) : JSON.stringify(String(value))
}

function jsonObjectText(
  value: Uint8Array | SqlDecimal | SqlTemporal | SqlList | SqlStruct | SqlMap,
): string {
  if (value instanceof Uint8Array) return JSON.stringify(blobText(value))
  switch (value.kind) {
    case 'decimal':
      return value.text
    case 'temporal':
      return JSON.stringify(value.iso)
    case 'list':
      return `[${value.items.map(jsonText).join(',')}]`
    case 'struct':
      return jsonMembers(value.entries)
    case 'map':
      return jsonMembers(value.entries.map(([key, entry]) => [plainText(key), entry]))
    default:
      return value satisfies never
  }
}

/** `{"name":value,…}` in the given order. */
export function jsonMembers(entries: readonly (readonly [string, SqlValue])[]): string {
  const members = entries.map(([name, entry]) => `${JSON.stringify(name)}:${jsonText(entry)}`)
  return `{${members.join(',')}}`
}

/** A value as DuckDB's own shell would print it. */
export function plainText(value: SqlValue): string {
  if (value === null) return 'NULL'
  if (typeof value === 'number') return numberText(value)
  if (typeof value !== 'object') return String(value)
  if (value instanceof Uint8Array) return blobText(value)
  switch (value.kind) {
    case 'decimal':
    case 'temporal':
      return value.text
    case 'list':
      return `[${value.items.map(nestedText).join(', ')}]`
    case 'struct':
      return structText(value)
    case 'map':
      return `{${value.entries.map(([key, entry]) => `${nestedText(key)}=${nestedText(entry)}`).join(', ')}}`
    default:
      return value satisfies never
  }
}

/** `{'a': 1}`, or `(1, 2)` for a row without names. */
function structText({ entries }: SqlStruct): string {
  if (entries.length > 0 && entries.every(([name]) => name === '')) {
    return `(${entries.map(([, entry]) => nestedText(entry)).join(', ')})`
  }
  return `{${entries.map(([name, entry]) => `${quotedText(name)}: ${nestedText(entry)}`).join(', ')}}`
}

/**
 * Inside another value: text that could be mistaken for NULL, or for an end of itself, is in quotes. So is a
 * backslash, other than in DuckDB's own text, from which DuckDB reads another value.
 */
function nestedText(value: SqlValue): string {
  const text = plainText(value)
  if (value === null || isNested(value)) return text
  const isPlain = !/["'(),:=[\\\]{}]|^[\t-\r ]|[\t-\r ]$|^null$/i.test(text) && text !== ''
  return isPlain ? text : quotedText(text)
}

function isNested(value: SqlValue): boolean {
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return false
  return value.kind !== 'decimal' && value.kind !== 'temporal'
}

function quotedText(text: string): string {
  return `'${text.replaceAll(/[\\']/g, (sign) => `\\${sign}`)}'`
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  return Object.is(value, -0) ? '-0' : String(value)
}

/** Bytes as DuckDB writes them, which `::BLOB` reads back. */
function blobText(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) {
    const isPlain = byte >= 32 && byte < 127 && byte !== 34 && byte !== 39 && byte !== 92
    text += isPlain
      ? String.fromCharCode(byte)
      : `\\x${byte.toString(16).padStart(2, '0').toUpperCase()}`
  }
  return text
}
