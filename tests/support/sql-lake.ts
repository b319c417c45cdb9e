/**
 * Iceberg tables for tests of SQL: rows are given as a SELECT, files are written by DuckDB with the
 * field ids of the schema, statistics are computed here from the rows themselves.
 */
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  applyTransform,
  compareValues,
  currentSchema,
  defaultPartitionSpec,
  isPrimitive,
  parsePartitionBy,
  schemaFromJson,
  type DataFile,
  type NestedField,
  type PrimitiveType,
  type Schema,
  type Type,
  type Value,
} from '../../catalog/format/index.ts'
import {
  FastAppend,
  ObjectStoreCatalog,
  commitAction,
  lowerBoundFor,
  newDataFileLocation,
  upperBoundFor,
  type Catalog,
  type Table,
  type TableUpdate,
} from '../../catalog/index.ts'
import { randomUuid, seededRandom, systemClock, type Clock } from '../../common/index.ts'
import { MemoryFileIO, type FileIO } from '../../io/index.ts'
import { type Database, openDatabase, quoteIdentifier } from '../../sql/index.ts'

export interface SqlLake {
  readonly io: FileIO
  readonly catalog: Catalog
  readonly database: Database
  /** A directory of this lake's own, removed by `close`. */
  readonly directory: string
  /** Creates `namespace.table`; columns as `name type`, such as `'id long', 'at timestamp'`. */
  create(name: string, columns: readonly string[], partitionBy?: readonly string[]): Promise<Table>
  /** Appends the rows of a SELECT, one file for each partition; column names are those of the file. */
  append(name: string, select: string, options?: AppendOptions): Promise<Table>
  /** Commits metadata changes. */
  update(name: string, updates: readonly TableUpdate[]): Promise<Table>
  load(name: string): Promise<Table>
  close(): Promise<void>
}

export interface AppendOptions {
  /** The schema that the file is written with; default: the table's current one. */
  readonly schema?: Schema
  readonly branch?: string
}

export interface SqlLakeOptions {
  readonly io?: FileIO
  readonly warehouse?: string
  readonly clock?: Clock
  readonly database?: Database
}

export async function openSqlLake(options: SqlLakeOptions = {}): Promise<SqlLake> {
  const directory = await mkdtemp(join(tmpdir(), 'tide-sql-'))
  const io = options.io ?? new MemoryFileIO()
  const random = seededRandom(7)
  const clock = options.clock ?? systemClock
  const warehouse = options.warehouse ?? 'memory://lake/warehouse'
  const catalog = new ObjectStoreCatalog({ io, warehouse, clock, random })
  const database = options.database ?? (await openDatabase({ threads: 2 }))
  const identifier = (name: string): Table['identifier'] => {
    const parts = name.split('.')
    return { namespace: parts.slice(0, -1), name: parts.at(-1) ?? '' }
  }
  const load = (name: string): Promise<Table> => catalog.loadTable(identifier(name))
  return {
    io,
    catalog,
    database,
    directory,
    load,
    create: async (name, columns, partitionBy = []) => {
      const { namespace } = identifier(name)
      await catalog.createNamespace(namespace).catch(() => undefined)
      const schema = columnsSchema(columns)
      const partitionSpec = parsePartitionBy(partitionBy, schema)
      return catalog.createTable({ identifier: identifier(name), schema, partitionSpec })
    },
    append: async (name, select, appendOptions = {}) => {
      const table = await load(name)
      const schema = appendOptions.schema ?? currentSchema(table.metadata)
      const files = await writeFiles({ io, database, directory, table, schema, select, random })
      const action = new FastAppend(
        { io, clock, random },
        { files, ...(appendOptions.branch === undefined ? {} : { branch: appendOptions.branch }) },
      )
      return commitAction(catalog, identifier(name), action, { clock, random })
    },
    update: (name, updates) =>
      catalog.commitTable({ identifier: identifier(name), requirements: [], updates }),
    close: async () => {
      if (options.database === undefined) database.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** A schema out of `name type` texts; struct, list and map types as the spec's JSON. */
export function columnsSchema(columns: readonly string[]): Schema {
  const fields = columns.map((column, index) => {
    const [, name = '', type = ''] = /^(.*?) (\S+|\{.*\})$/s.exec(column) ?? []
    const json: unknown = type.startsWith('{') ? JSON.parse(type) : type
    return { id: index + 1, name, required: false, type: json }
  })
  return schemaFromJson({ type: 'struct', 'schema-id': 0, fields } as never)
}

interface WriteFiles {
  readonly io: FileIO
  readonly database: Database
  readonly directory: string
  readonly table: Table
  readonly schema: Schema
  readonly select: string
  readonly random: ReturnType<typeof seededRandom>
}

async function writeFiles(write: WriteFiles): Promise<readonly DataFile[]> {
  const { database, schema, table, select } = write
  const spec = defaultPartitionSpec(table.metadata)
  return database.withConnection(async (connection) => {
    await connection.run(
      `CREATE OR REPLACE TEMP TABLE given AS SELECT *, row_number() OVER () AS "$row" FROM (${select})`,
    )
    const reader = await connection.runAndReadAll('SELECT * FROM given ORDER BY "$row"')
    const names = reader.columnNames().slice(0, -1)
    const rows = reader.getRows().map((row) =>
      names.map((name, column) => {
        const field = schema.fields.find((candidate) => candidate.name === name)
        return field !== undefined && isPrimitive(field.type)
          ? toValue(field.type, row[column])
          : null
      }),
    )
    const groups = new Map<string, { partition: (Value | null)[]; rows: number[] }>()
    for (const [index, row] of rows.entries()) {
      const partition = spec.fields.map(({ sourceId, transform }) => {
        const source = schema.fields.find(({ id }) => id === sourceId)
        if (source === undefined || !isPrimitive(source.type)) return null
        const value = row[names.indexOf(source.name)] ?? null
        return value === null ? null : applyTransform(transform, source.type, value)
      })
      const key = partition.map((value) => `${typeof value}:${String(value)}`).join('|')
      const group = groups.get(key) ?? { partition, rows: [] }
      group.rows.push(index)
      groups.set(key, group)
    }
    const files: DataFile[] = []
    for (const group of groups.values()) {
      const path = join(write.directory, `${randomUuid(write.random)}.parquet`)
      const ids = fieldIds(schema.fields, names)
      const numbers = group.rows.map((index) => index + 1).join(', ')
      await connection.run(
        `COPY (SELECT * EXCLUDE ("$row") FROM given WHERE "$row" IN (${numbers})) TO '${path}' (FORMAT parquet${ids === '' ? '' : `, FIELD_IDS {${ids}}`})`,
      )
      const fileName = path.slice(path.lastIndexOf('/') + 1)
      const location = newDataFileLocation(table.metadata, spec, schema, group.partition, fileName)
      await write.io.upload(path, location)
      const metrics = metricsOf(
        schema,
        names,
        group.rows.map((index) => rows[index] ?? []),
      )
      files.push({
        content: 'data',
        filePath: location,
        fileFormat: 'parquet',
        specId: spec.specId,
        partition: group.partition,
        recordCount: BigInt(group.rows.length),
        fileSizeInBytes: BigInt((await stat(path)).size),
        ...metrics,
      })
      await rm(path)
    }
    return files
  })
}

type Metrics = Pick<
  DataFile,
  'valueCounts' | 'nullValueCounts' | 'nanValueCounts' | 'lowerBounds' | 'upperBounds'
>

function metricsOf(
  schema: Schema,
  names: readonly string[],
  rows: readonly (readonly (Value | null)[])[],
): Metrics {
  const valueCounts = new Map<number, bigint>()
  const nullValueCounts = new Map<number, bigint>()
  const nanValueCounts = new Map<number, bigint>()
  const lowerBounds = new Map<number, Uint8Array>()
  const upperBounds = new Map<number, Uint8Array>()
  const mode = { kind: 'truncate', width: 4 } as const
  for (const [column, name] of names.entries()) {
    const field = schema.fields.find((candidate) => candidate.name === name)
    if (field === undefined || !isPrimitive(field.type)) continue
    const { id, type } = field
    const values = rows.flatMap((row) => row[column] ?? [])
    const nans = values.filter((value) => Number.isNaN(value))
    const ordered = values
      .filter((value) => !Number.isNaN(value))
      .sort((a, b) => compareValues(type, a, b))
    valueCounts.set(id, BigInt(rows.length))
    nullValueCounts.set(id, BigInt(rows.length - values.length))
    if (type.type === 'float' || type.type === 'double') nanValueCounts.set(id, BigInt(nans.length))
    const [first] = ordered
    const last = ordered.at(-1)
    if (first === undefined || last === undefined) continue
    const lower = lowerBoundFor(type, first, mode)
    const upper = upperBoundFor(type, last, mode)
    if (lower !== undefined) lowerBounds.set(id, lower)
    if (upper !== undefined) upperBounds.set(id, upper)
  }
  return { valueCounts, nullValueCounts, nanValueCounts, lowerBounds, upperBounds }
}

/** `{"a": 1, "s": {__duckdb_field_id: 2, "x": 3}}` without the outer braces. */
function fieldIds(fields: readonly NestedField[], names?: readonly string[]): string {
  return fields
    .filter(({ name }) => names === undefined || names.includes(name))
    .map(({ id, name, type }) => `${quoteIdentifier(name)}: ${typeIds(id, type)}`)
    .join(', ')
}

function typeIds(id: number, type: Type): string {
  if (type.type === 'struct') return `{__duckdb_field_id: ${id}, ${fieldIds(type.fields)}}`
  if (type.type === 'list') {
    return `{__duckdb_field_id: ${id}, element: ${typeIds(type.elementId, type.element)}}`
  }
  if (type.type !== 'map') return String(id)
  return `{__duckdb_field_id: ${id}, key: ${typeIds(type.keyId, type.key)}, value: ${typeIds(type.valueId, type.value)}}`
}

/** A value as DuckDB's driver gives it, in the form of `Value`. */
function toValue(type: PrimitiveType, value: unknown): Value | null {
  if (value === null || value === undefined) return null
  const parts = value as { micros?: bigint; days?: number; value?: bigint; bytes?: Uint8Array }
  switch (type.type) {
    case 'date':
      return parts.days ?? null
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      return parts.micros ?? null
    case 'decimal':
      return parts.value ?? null
    case 'binary':
    case 'fixed':
      return parts.bytes ?? null
    case 'uuid':
      return String(value)
    case 'long':
      return BigInt(value as bigint)
    case 'int':
      return Number(value)
    case 'boolean':
    case 'float':
    case 'double':
    case 'string':
      return value as Value
  }
}
