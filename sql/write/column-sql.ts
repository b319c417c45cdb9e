/**
 * How a column of an Iceberg schema is read from JSON, named in DuckDB's types, and given its field
 * id in Parquet (spec, "Parquet" data type mappings; iceberg-facts 22-24).
 */
import {
  instantMillis,
  type NestedField,
  type PrimitiveType,
  type Type,
} from '../../catalog/format/index.ts'
import type { SideField, SideSource } from '../../catalog/index.ts'
import { UnsupportedError, unreachable } from '../../common/index.ts'
import { duckdbTypeName } from '../text/type-name.ts'
import { quoteIdentifier, quoteLiteral } from '../text/sql-text.ts'

/** The SQL that turns a column as read from JSON into its stored form: base64 text becomes bytes. */
export function storedExpression(type: Type, sql: string, depth = 0): string {
  if (!holdsType(type, 'binary')) return sql
  const item = `x${depth}`
  switch (type.type) {
    case 'binary':
      return `from_base64(${sql})`
    case 'struct': {
      const members = type.fields.map((field) => {
        const member = storedExpression(
          field.type,
          `struct_extract(${sql}, ${quoteLiteral(field.name)})`,
          depth + 1,
        )
        return `${quoteIdentifier(field.name)} := ${member}`
      })
      return `CASE WHEN ${sql} IS NULL THEN NULL ELSE struct_pack(${members.join(', ')}) END`
    }
    case 'list':
      return `list_transform(${sql}, lambda ${item}: ${storedExpression(type.element, item, depth + 1)})`
    case 'map': {
      const value = storedExpression(type.value, `${item}.value`, depth + 1)
      return `map_from_entries(list_transform(map_entries(${sql}), lambda ${item}: {'k': ${item}.key, 'v': ${value}}))`
    }
    default:
      return sql
  }
}

/** `columns={…}` of read_json: the user's columns and the keys that ingest put into each row. */
export function jsonColumns(
  fields: readonly NestedField[],
  sideFields: readonly SideField[],
): string {
  const entries = fields.map(
    (field) =>
      `${quoteIdentifier(field.name)}: ${quoteLiteral(duckdbTypeName(field.type, nameOfBase64))}`,
  )
  for (const [key, type] of sideKeys(sideFields)) {
    entries.push(`${quoteIdentifier(key)}: ${quoteLiteral(type)}`)
  }
  return `{${entries.join(', ')}}`
}

/** In JSON bytes are base64 text (see `storedExpression`). */
function nameOfBase64(type: Type): string {
  if (type.type !== 'fixed') return 'VARCHAR'
  throw new UnsupportedError('duckdb writes no fixed-length binary; use binary', {
    facts: { type: `fixed[${type.length}]` },
  })
}

/** The select list that yields the schema's columns in order. */
export function selectList(
  fields: readonly NestedField[],
  sideFields: readonly SideField[],
): string[] {
  const sideByField = new Map(sideFields.map((side) => [side.field, side]))
  return fields.map((field) => {
    const name = quoteIdentifier(field.name)
    const side = sideByField.get(field.name)
    const sql = side === undefined ? storedExpression(field.type, name) : sideExpression(side)
    return `${sql} AS ${name}`
  })
}

/** The same over a spool of columns, whose bytes are bytes; those that it lacks were added to the schema after it. */
export function columnsList(
  fields: readonly NestedField[],
  sideFields: readonly SideField[],
  columns: readonly string[],
): string[] {
  const present = new Set(columns)
  const sideByField = new Map(sideFields.map((side) => [side.field, side]))
  return fields.map((field) => {
    const name = quoteIdentifier(field.name)
    const side = sideByField.get(field.name)
    if (side !== undefined) return `${sideExpression(side)} AS ${name}`
    if (!present.has(field.name)) return `CAST(NULL AS ${duckdbTypeName(field.type)}) AS ${name}`
    return `CAST(${name} AS ${duckdbTypeName(field.type)}) AS ${name}`
  })
}

/** `FIELD_IDS {…}` of COPY: an id on every node, list elements and map keys and values too. */
export function fieldIds(fields: readonly NestedField[]): string {
  const entries = fields.map(
    (field) => `${quoteIdentifier(field.name)}: ${nodeIds(field.id, field.type)}`,
  )
  return `{${entries.join(', ')}}`
}

function nodeIds(id: number, type: Type): string {
  switch (type.type) {
    case 'struct':
      return `{__duckdb_field_id: ${id}, ${fieldIds(type.fields).slice(1, -1)}}`
    case 'list':
      return `{__duckdb_field_id: ${id}, element: ${nodeIds(type.elementId, type.element)}}`
    case 'map':
      return `{__duckdb_field_id: ${id}, key: ${nodeIds(type.keyId, type.key)}, value: ${nodeIds(type.valueId, type.value)}}`
    default:
      return String(id)
  }
}

function sideExpression(side: SideField): string {
  if (side.from.kind !== 'struct') return sourceExpression(side.from)
  const members = side.from.members.map(
    (member) => `${quoteIdentifier(member.name)} := ${sourceExpression(member.from)}`,
  )
  return `struct_pack(${members.join(', ')})`
}

function sourceExpression(source: SideSource): string {
  switch (source.kind) {
    case 'key':
      return quoteIdentifier(source.key)
    case 'millis': {
      const key = quoteIdentifier(source.key)
      const { min, max } = instantMillis
      return `CASE WHEN ${key} BETWEEN ${min} AND ${max} THEN make_timestamptz(${key} * 1000) END`
    }
    case 'constant':
      return `CAST(${quoteLiteral(source.value)} AS VARCHAR)`
    default:
      return unreachable(source)
  }
}

function sideKeys(sideFields: readonly SideField[]): ReadonlyMap<string, string> {
  const types = { int: 'INTEGER', long: 'BIGINT', string: 'VARCHAR' }
  const keys = new Map<string, string>()
  for (const side of sideFields) {
    const sources =
      side.from.kind === 'struct' ? side.from.members.map((member) => member.from) : [side.from]
    for (const source of sources) {
      if (source.kind === 'key') keys.set(source.key, types[source.type])
      else if (source.kind === 'millis') keys.set(source.key, 'BIGINT')
    }
  }
  return keys
}

/** True for a type of the name, and for one with such a type inside. */
export function holdsType(type: Type, name: PrimitiveType['type']): boolean {
  switch (type.type) {
    case 'struct':
      return type.fields.some((field) => holdsType(field.type, name))
    case 'list':
      return holdsType(type.element, name)
    case 'map':
      return holdsType(type.key, name) || holdsType(type.value, name)
    default:
      return type.type === name
  }
}
