/** A table's metadata (`"t$snapshots"`, `"t$files"`, …) as a DuckDB table, filled through JSON. */
import { formatTimestamp, formatValue, isPrimitive, type Type } from '../../catalog/format/index.ts'
import {
  readMetadataTable,
  type ManifestSource,
  type MetadataCell,
  type MetadataColumn,
} from '../../catalog/index.ts'
import { stringifyJson } from '../../common/index.ts'
import { quoteIdentifier } from '../text/sql-text.ts'
import type { BoundTable } from './bound-tables.ts'
import type { Statement } from '../session/query-session.ts'
import { duckdbTypeName } from '../text/type-name.ts'

/** Rows that one INSERT carries, so that a table of many files does not become one huge text. */
const rowsPerInsert = 5000

/** Reads the metadata now; the result makes the DuckDB table `name`. */
export async function metadataTable(
  source: ManifestSource,
  bound: BoundTable,
  kind: string,
): Promise<(name: string) => readonly Statement[]> {
  // Without a time travel clause the current snapshot, which the reader finds itself.
  const isTravel = bound.reference.timeTravel !== undefined
  const snapshotId = isTravel ? bound.readPoint.snapshot?.snapshotId : undefined
  const { columns, rows } = await readMetadataTable(bound.table, kind, source, snapshotId)
  return (name) => {
    const definitions = columns.map((column) => `${quoteIdentifier(column.name)} ${typeOf(column)}`)
    const statements: Statement[] = [{ sql: `CREATE TABLE ${name} (${definitions.join(', ')})` }]
    // Columns travel as c0, c1, …: JSON keys must not depend on names that an attacker chose.
    const members = columns.map((column, index) => `c${index} ${typeOf(column)}`)
    const rowType = `STRUCT(${members.join(', ')})[]`
    for (let from = 0; from < rows.length; from += rowsPerInsert) {
      const part = rows.slice(from, from + rowsPerInsert).map((row) => rowJson(columns, row))
      statements.push({
        sql: `INSERT INTO ${name} SELECT unnest(CAST($1::JSON AS ${rowType}), max_depth := 2)`,
        values: [stringifyJson(part)],
      })
    }
    return statements
  }
}

function typeOf(column: MetadataColumn): string {
  return duckdbTypeName(column.type)
}

function rowJson(
  columns: readonly MetadataColumn[],
  row: readonly MetadataCell[],
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    columns.map(({ type }, index) => [`c${index}`, cellJson(type, row[index] ?? null)]),
  )
}

/** A cell as JSON that DuckDB casts to the column's type without loss. */
function cellJson(type: Type, cell: MetadataCell): unknown {
  if (cell === null) return null
  if (type.type === 'list') {
    return (cell as readonly MetadataCell[]).map((item) => cellJson(type.element, item))
  }
  if (type.type === 'map') {
    const entries = [...(cell as ReadonlyMap<number | string, MetadataCell>)]
    return Object.fromEntries(
      entries.map(([key, item]) => [String(key), cellJson(type.value, item)]),
    )
  }
  if (type.type === 'struct') {
    const members = cell as Readonly<Record<string, MetadataCell>>
    return Object.fromEntries(
      type.fields.map(({ name, type: memberType }) => [
        name,
        cellJson(memberType, members[name] ?? null),
      ]),
    )
  }
  if (cell instanceof Uint8Array) return blobText(cell)
  if (type.type === 'timestamptz') return `${formatTimestamp(cell as bigint)}Z`
  if (typeof cell === 'number' && !Number.isFinite(cell)) return String(cell)
  return isPrimitive(type) && needsText(type) ? formatValue(type, cell as never) : cell
}

/** Types whose value in memory is a count of units: they travel as text. */
function needsText(type: Type): boolean {
  return ['date', 'time', 'timestamp', 'decimal'].includes(type.type)
}

function blobText(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('hex')
    .replaceAll(/../g, (byte) => `\\x${byte}`)
}
