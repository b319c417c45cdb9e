/**
 * The SELECT that stands for a table: its pruned files, projected by field id.
 *
 * Top-level columns are matched by id in DuckDB's reader, so renames, drops, additions and widened
 * types come out right (iceberg-facts 7-9). Members of structs DuckDB matches by name; files whose
 * member names differ from the schema's are read under their own names and rebuilt by id here.
 */
import {
  formatValue,
  isPrimitive,
  valueFromJson,
  type NestedField,
  type Schema,
  type Type,
} from '../../catalog/format/index.ts'
import { UnsupportedError, type Json } from '../../common/index.ts'
import { quoteIdentifier, quoteLiteral } from '../text/sql-text.ts'
import type { FileNode } from './file-layout.ts'
import { duckdbTypeName } from '../text/type-name.ts'

/** A data file as DuckDB can open it. */
export interface ScanFile {
  /** Location in the manifest, which `"$path"` shows. */
  readonly location: string
  /** Path or URL given to DuckDB. */
  readonly path: string
}

/** Files that name the members of their structs alike. */
export interface FileGroup<File extends ScanFile = ScanFile> {
  readonly files: readonly File[]
  /** The file's own nested columns by field id; undefined: named as in the schema. */
  readonly layout: FileLayout | undefined
}

type FileLayout = ReadonlyMap<number, FileNode>

/** Columns after the schema's own, present only in a query that names them. */
export interface HiddenColumns {
  /** `"$path"`: the location of the row's file. */
  readonly withPath: boolean
  /** `"$pos"`: the row's position in its file, counted from 0. */
  readonly withPos?: boolean
}

export interface ScanSelect extends HiddenColumns {
  readonly schema: Schema
  readonly groups: readonly FileGroup[]
  readonly rowCount: bigint
  /** Further queries whose rows follow, with the same columns. */
  readonly streamingSelects?: readonly string[]
  /**
   * A relation `(path, pos)` of deleted rows: files by the path that DuckDB opens, rows of a file
   * counted from 0, as position delete files do (spec, "Position Delete Files").
   */
  readonly deletedRows?: string
}

const pathColumn = '$path'
const posColumn = '$pos'
const fileColumn = '$file'
/** DuckDB's own name of this column, which cannot be changed. */
const rowNumberColumn = 'file_row_number'

/** SQL text of a query that yields the table's columns in schema order. */
export function scanSelect(scan: ScanSelect): string {
  checkNames(scan.schema)
  for (const field of scan.schema.fields) checkListDepth(field)
  const selects = [
    ...scan.groups
      .filter((group) => group.files.length > 0)
      .map((group) => groupSelect(scan, group)),
    ...(scan.streamingSelects ?? []),
  ]
  return selects.length === 0 ? emptySelect(scan) : selects.join('\nUNION ALL\n')
}

/** DuckDB 1.5.5 doubles its time with each level of a list: 0.1 s at 18, minutes beyond 25. */
const listLevelsMax = 20

function checkListDepth(field: NestedField): void {
  const levels = listLevels(field.type)
  if (levels <= listLevelsMax) return
  throw new UnsupportedError(
    'lists are nested too deeply for the engine; read this column with another engine or drop it',
    { facts: { column: field.name, levels, limit: listLevelsMax } },
  )
}

function listLevels(type: Type): number {
  switch (type.type) {
    case 'list':
      return 1 + listLevels(type.element)
    case 'map':
      return 1 + Math.max(listLevels(type.key), listLevels(type.value))
    case 'struct':
      return type.fields.reduce((most, field) => Math.max(most, listLevels(field.type)), 0)
    default:
      return 0
  }
}

function emptySelect(scan: ScanSelect): string {
  const columns = scan.schema.fields.map(
    (field) => `CAST(NULL AS ${duckdbTypeName(field.type)}) AS ${quoteIdentifier(field.name)}`,
  )
  return `SELECT ${[...columns, ...noHidden(scan)].join(', ')} WHERE false`
}

/** Those of `columnNames` that are hidden columns. */
export function hiddenColumns(columnNames: ReadonlySet<string>): HiddenColumns {
  return { withPath: columnNames.has(pathColumn), withPos: columnNames.has(posColumn) }
}

/** The hidden columns of rows that lie in no file of the table. */
export function noHidden({ withPath, withPos }: HiddenColumns): readonly string[] {
  return [
    ...(withPath ? [`CAST(NULL AS VARCHAR) AS ${quoteIdentifier(pathColumn)}`] : []),
    ...(withPos === true ? [`CAST(NULL AS BIGINT) AS ${quoteIdentifier(posColumn)}`] : []),
  ]
}

/** The schema's columns out of `r`, which was read by `schemaMembers`. */
export function columnSelects(schema: Schema, layout: FileLayout | undefined): string[] {
  return schema.fields.map((field) => {
    const name = quoteIdentifier(field.name)
    const node = layout?.get(field.id)
    if (node === undefined) return `r.${name}`
    const rebuilt = rebuild(`r.${name}`, field.type, node, 0)
    return `CAST(${rebuilt} AS ${duckdbTypeName(field.type)}) AS ${name}`
  })
}

function groupSelect(scan: ScanSelect, group: FileGroup): string {
  const columns = columnSelects(scan.schema, group.layout)
  const from = `${readParquet(scan, group)} AS r${withoutDeleted(scan)}`
  const pos = scan.withPos === true ? [posSelect(scan.schema)] : []
  if (!scan.withPath) return `SELECT ${[...columns, ...pos].join(', ')} FROM ${from}`
  const paths = group.files.map(
    ({ path, location }) => `(${quoteLiteral(path)}, ${quoteLiteral(location)})`,
  )
  const hidden = [`p.location AS ${quoteIdentifier(pathColumn)}`, ...pos]
  return (
    `SELECT ${[...columns, ...hidden].join(', ')} FROM ${from} ` +
    `JOIN (VALUES ${paths.join(', ')}) AS p(path, location) ON r.${quoteIdentifier(fileColumn)} = p.path`
  )
}

function withoutDeleted({ schema, deletedRows }: ScanSelect): string {
  if (deletedRows === undefined) return ''
  checkRowNumbers(schema)
  const file = quoteIdentifier(fileColumn)
  return ` ANTI JOIN ${deletedRows} AS d ON r.${file} = d.path AND r.${rowNumberColumn} = d.pos`
}

function posSelect(schema: Schema): string {
  checkRowNumbers(schema)
  return `r.${rowNumberColumn} AS ${quoteIdentifier(posColumn)}`
}

function checkRowNumbers(schema: Schema): void {
  if (schema.fields.every(({ name }) => name.toLowerCase() !== rowNumberColumn)) return
  throw new UnsupportedError(
    'a column has the name that the engine gives to row numbers, so positions of rows cannot be read and deletes cannot be applied: rename it',
    { facts: { column: rowNumberColumn } },
  )
}

/** The entries of read_parquet's `schema`: each field by its id. */
export function schemaMembers(schema: Schema, layout: FileLayout | undefined): string[] {
  return schema.fields.map((field) => {
    const node = layout?.get(field.id)
    const type = node === undefined ? duckdbTypeName(field.type) : fileTypeName(field.type, node)
    return `${field.id}: {name: ${quoteLiteral(field.name)}, type: ${quoteLiteral(type)}, default_value: ${defaultValue(field)}}`
  })
}

function readParquet(scan: ScanSelect, group: FileGroup): string {
  const files = group.files.map(({ path }) => quoteLiteral(escapeGlob(path)))
  const columns = schemaMembers(scan.schema, group.layout)
  const options = [
    `schema = MAP {${columns.join(', ')}}`,
    'hive_partitioning = false',
    `explicit_cardinality = ${scan.rowCount > 0n ? scan.rowCount : 1n}`,
    ...(scan.withPath || scan.deletedRows !== undefined
      ? [`filename = ${quoteLiteral(fileColumn)}`]
      : []),
    ...(scan.deletedRows === undefined && scan.withPos !== true
      ? []
      : [`${rowNumberColumn} = true`]),
  ]
  return `read_parquet([${files.join(', ')}], ${options.join(', ')})`
}

/** DuckDB expands patterns in file names; a character in brackets is taken literally. */
export function escapeGlob(path: string): string {
  return path.replaceAll(/[*?[]/g, (char) => `[${char}]`)
}

/** v3: rows older than the column have this value (spec, "Default values"). */
function defaultValue(field: NestedField): string {
  if (field.initialDefault === undefined || field.initialDefault === null) return 'NULL'
  if (!isPrimitive(field.type)) {
    throw new UnsupportedError('a default of a nested column cannot be read yet', {
      facts: { column: field.name },
    })
  }
  const value = valueFromJson(field.type, field.initialDefault as Json)
  if (value instanceof Uint8Array) {
    const hex = Buffer.from(value).toString('hex')
    return quoteLiteral(hex.replaceAll(/../g, (byte) => `\\x${byte}`))
  }
  return quoteLiteral(formatValue(field.type, value))
}

/** The type to read a nested column with: the file's names around the schema's leaf types. */
function fileTypeName(type: Type, node: FileNode): string {
  const [first, second] = node.members
  if (type.type === 'struct') {
    const members = type.fields.flatMap((field) => {
      const member = node.members.find(({ id }) => id === field.id)
      return member === undefined
        ? []
        : [`${quoteIdentifier(member.name)} ${fileTypeName(field.type, member)}`]
    })
    if (members.length > 0) return `STRUCT(${members.join(', ')})`
    // No member is read, but whether the struct is null is.
    return first === undefined ? 'VARCHAR' : `STRUCT(${quoteIdentifier(first.name)} VARCHAR)`
  }
  const memberType = (member: FileNode | undefined, schemaType: Type): string =>
    member === undefined ? duckdbTypeName(schemaType) : fileTypeName(schemaType, member)
  if (type.type === 'list') return `${memberType(first, type.element)}[]`
  if (type.type !== 'map') return duckdbTypeName(type)
  return `MAP(${memberType(first, type.key)}, ${memberType(second, type.value)})`
}

/** An expression that turns the file's value into the schema's, member by member. */
function rebuild(value: string, type: Type, node: FileNode, depth: number): string {
  if (type.type === 'struct') {
    const members = type.fields.map((field) => {
      const member = node.members.find(({ id }) => id === field.id)
      const part =
        member === undefined
          ? `CAST(NULL AS ${duckdbTypeName(field.type)})`
          : rebuild(`(${value}).${quoteIdentifier(member.name)}`, field.type, member, depth)
      return `${quoteIdentifier(field.name)} := ${part}`
    })
    return `CASE WHEN (${value}) IS NULL THEN NULL ELSE struct_pack(${members.join(', ')}) END`
  }
  const item = `item${depth}`
  const [first, second] = node.members
  if (type.type === 'list' && first !== undefined) {
    const body = rebuild(item, type.element, first, depth + 1)
    return `list_transform(${value}, lambda ${item}: ${body})`
  }
  if (type.type === 'map' && first !== undefined && second !== undefined) {
    const key = rebuild(`${item}.key`, type.key, first, depth + 1)
    const entry = rebuild(`${item}.value`, type.value, second, depth + 1)
    const entries = `list_transform(map_entries(${value}), lambda ${item}: struct_pack(k := ${key}, v := ${entry}))`
    return `CASE WHEN (${value}) IS NULL THEN NULL ELSE map_from_entries(${entries}) END`
  }
  return value
}

/** DuckDB's names know no case: two columns that differ only in case cannot both be read. */
function checkNames(schema: Schema): void {
  const seen = new Map<string, string>()
  for (const { name, type } of schema.fields) {
    refuseNestedDefaults(type)
    const other = seen.get(name.toLowerCase())
    if (other !== undefined) {
      throw new UnsupportedError('two columns differ only in case, which sql cannot tell apart', {
        facts: { column: name, other },
      })
    }
    seen.set(name.toLowerCase(), name)
  }
}

/** DuckDB's struct cast would fill in NULL, which is not the default. */
function refuseNestedDefaults(type: Type): void {
  if (type.type === 'list') refuseNestedDefaults(type.element)
  if (type.type === 'map') {
    refuseNestedDefaults(type.key)
    refuseNestedDefaults(type.value)
  }
  if (type.type !== 'struct') return
  for (const field of type.fields) {
    if (field.initialDefault !== undefined && field.initialDefault !== null) {
      throw new UnsupportedError('a default inside a struct cannot be read yet', {
        facts: { column: field.name },
      })
    }
    refuseNestedDefaults(field.type)
  }
}
