/**
 * How data files themselves name the members of their structs.
 *
 * Parquet files are matched to the schema by field id, but DuckDB matches members of structs by
 * name. For most tables the names in the files are the schema's own; where the table's history says
 * that they may differ, the footers are read.
 */
import type { NestedField, Schema, TableMetadata, Type } from '../../catalog/format/index.ts'
import {
  type ColumnNames,
  columnNames,
  removedSchemaIds,
  statedProperty,
  tableProperties,
} from '../../catalog/table/index.ts'
import { UnsupportedError } from '../../common/index.ts'
import type { FooterRow, QuerySession } from '../session/query-session.ts'
import { escapeGlob, type FileGroup, type ScanFile } from './scan-sql.ts'

/** A field as one file has it. Members: of a struct its fields, of a list its element, of a map key and value. */
export interface FileNode {
  readonly id: number | undefined
  readonly name: string
  readonly members: readonly FileNode[]
}

/** Iceberg's Java library changes any other name to one that is valid in Avro. */
const plainName = /^[A-Za-z_][A-Za-z0-9_]*$/

/** True when every active file certainly names the members of structs as `schema` does. */
export function namesAreCertain(metadata: TableMetadata, schema: Schema): boolean {
  // A table with a name mapping may hold files without field ids.
  if (statedProperty(metadata.properties, tableProperties.nameMapping) !== undefined) return false
  const expected = structsOf(schema)
  if (expected.size === 0) return true
  const names = [...expected.values()].flatMap((struct) => [...struct.values()])
  if (!names.every((name) => plainName.test(name))) return false
  // A schema that was removed may still be the one that an active file was written with.
  const ids = new Set(metadata.schemas.map(({ schemaId }) => schemaId))
  const removed = removedSchemaIds(metadata)
  for (let id = Math.max(...ids); id >= 0; id--) {
    if (!ids.has(id) && !removed.has(id)) return false
  }
  if (removed.size > 0 && !hasOnlyGrown(expected, columnNames(metadata))) return false
  return metadata.schemas.every((past) => agrees(expected, structsOf(past)))
}

/** True when members of structs were added and never renamed or dropped, in whichever schema. */
function hasOnlyGrown(
  expected: ReadonlyMap<number, ReadonlyMap<number, string>>,
  names: ColumnNames,
): boolean {
  for (const [structId, members] of expected) {
    for (const [name, ids] of names.get(structId) ?? []) {
      if ([...ids].some((id) => members.get(id) !== name)) return false
    }
  }
  return true
}

/** Groups files by layout; members are read from the footers. */
export async function groupByLayout<File extends ScanFile>(
  session: Pick<QuerySession, 'footers'>,
  schema: Schema,
  files: readonly File[],
): Promise<readonly FileGroup<File>[]> {
  const nested = schema.fields.filter((field) => holdsStruct(field.type))
  const roots = await readFooters(session, files)
  const groups = new Map<string, { files: File[]; layout: ReadonlyMap<number, FileNode> }>()
  for (const file of files) {
    const columns = roots.get(file.path) ?? []
    if (columns.every(({ id }) => id === undefined)) {
      throw new UnsupportedError(
        'a data file has no field ids, and its columns cannot be read by name yet: rewrite it',
        { facts: { file: file.location } },
      )
    }
    const layout = new Map<number, FileNode>()
    for (const field of nested) {
      const column = columns.find(({ id }) => id === field.id)
      if (column !== undefined && !isNamedAs(column, field)) layout.set(field.id, column)
    }
    const key = JSON.stringify([...layout])
    const group = groups.get(key) ?? { files: [], layout }
    group.files.push(file)
    groups.set(key, group)
  }
  return [...groups.values()].map(({ files, layout }) => ({
    files,
    layout: layout.size === 0 ? undefined : layout,
  }))
}

/** Structs of a schema: id of the field that holds the struct -> member id -> member name. */
function structsOf(schema: Schema): Map<number, Map<number, string>> {
  const structs = new Map<number, Map<number, string>>()
  const visit = (id: number, type: Type): void => {
    if (type.type === 'struct') {
      structs.set(id, new Map(type.fields.map((field) => [field.id, field.name])))
      for (const field of type.fields) visit(field.id, field.type)
    } else if (type.type === 'list') {
      visit(type.elementId, type.element)
    } else if (type.type === 'map') {
      visit(type.keyId, type.key)
      visit(type.valueId, type.value)
    }
  }
  for (const field of schema.fields) visit(field.id, field.type)
  return structs
}

/**
 * True when matching by name and matching by id give the same members: no member was renamed, no name
 * moved to another member, and each struct keeps at least one member (DuckDB cannot match structs that have none in common).
 */
function agrees(
  expected: ReadonlyMap<number, ReadonlyMap<number, string>>,
  past: ReadonlyMap<number, ReadonlyMap<number, string>>,
): boolean {
  for (const [id, members] of expected) {
    const before = past.get(id)
    if (before === undefined) continue
    const idsByName = new Map([...before].map(([memberId, name]) => [name.toLowerCase(), memberId]))
    let shared = 0
    for (const [memberId, name] of members) {
      const earlierName = before.get(memberId)
      if (earlierName !== undefined && earlierName !== name) return false
      const earlierId = idsByName.get(name.toLowerCase())
      if (earlierId !== undefined && earlierId !== memberId) return false
      if (earlierName !== undefined) shared++
    }
    if (shared === 0) return false
  }
  return true
}

function holdsStruct(type: Type): boolean {
  if (type.type === 'list') return holdsStruct(type.element)
  if (type.type === 'map') return holdsStruct(type.key) || holdsStruct(type.value)
  return type.type === 'struct'
}

function isNamedAs(node: FileNode, field: { readonly id: number; readonly type: Type }): boolean {
  const { type } = field
  const byId = (id: number, memberType: Type): boolean => {
    const member = node.members.find((candidate) => candidate.id === id)
    return member !== undefined && isNamedAs(member, { id, type: memberType })
  }
  if (type.type === 'list') return byId(type.elementId, type.element)
  if (type.type === 'map') return byId(type.keyId, type.key) && byId(type.valueId, type.value)
  if (type.type !== 'struct') return true
  return isStructNamedAs(node, type.fields)
}

function isStructNamedAs(node: FileNode, fields: readonly NestedField[]): boolean {
  let shared = 0
  for (const field of fields) {
    const member = node.members.find((candidate) => candidate.id === field.id)
    const namesake = node.members.find(
      (candidate) => candidate.name.toLowerCase() === field.name.toLowerCase(),
    )
    if (member !== namesake) return false
    if (member === undefined) continue
    if (!isNamedAs(member, field)) return false
    shared++
  }
  return shared > 0
}

async function readFooters(
  session: Pick<QuerySession, 'footers'>,
  files: readonly ScanFile[],
): Promise<ReadonlyMap<string, readonly FileNode[]>> {
  if (files.length === 0) return new Map()
  const byFile = new Map<string, FooterRow[]>()
  for (const row of await session.footers(files.map(({ path }) => escapeGlob(path)))) {
    const rows = byFile.get(row[0]) ?? []
    rows.push(row)
    byFile.set(row[0], rows)
  }
  return new Map([...byFile].map(([file, rows]) => [file, readTree(rows)]))
}

/** The rows list the schema depth first, each with the number of its children. */
function readTree(rows: readonly FooterRow[]): readonly FileNode[] {
  let next = 0
  const read = (): FileNode => {
    const [, name, count, id] = rows[next++] ?? ['', '', 0n, null]
    const inner = Array.from({ length: Number(count ?? 0n) }, read)
    return { id: id === null ? undefined : Number(id), name, members: withoutWrappers(inner) }
  }
  return next < rows.length ? read().members : []
}

/** Lists and maps have a repeated group without an id around their element, or key and value. */
function withoutWrappers(members: readonly FileNode[]): readonly FileNode[] {
  const [only, ...others] = members
  const isWrapper = only !== undefined && others.length === 0 && only.id === undefined
  return isWrapper && only.members.length > 0 ? only.members : members
}
