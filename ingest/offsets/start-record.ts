/**
 * Where a stream begins to read, while its table does not exist yet because records have to decide its columns
 * (docs/spec/exactly-once.md, E11). It is a property of the dead-letter table, which can be made at once. The
 * first commit of rows takes it over.
 */
import { formatIdentifier, type TableIdentifier } from '../../catalog/format/index.ts'
import type { Table } from '../../catalog/index.ts'
import { formatOffsetMap, type OffsetMap, parseOffsetMap } from './offset-map.ts'

/** Which table's streams a record is of: several may share their dead-letter table. */
export interface StartRecordKey {
  readonly table: TableIdentifier
  readonly branch: string
}

export function startRecordKey({ table, branch }: StartRecordKey): string {
  return `tidewater.start-offsets.${formatIdentifier(table)}@${branch}`
}

/** By stream; empty where nothing is recorded. */
export function readStartRecord({ identifier, metadata }: Table, of: StartRecordKey): OffsetMap {
  const key = startRecordKey(of)
  const { properties } = metadata
  const text = Object.hasOwn(properties, key) ? properties[key] : undefined
  if (text === undefined) return new Map()
  return parseOffsetMap(text, `${formatIdentifier(identifier)} property ${key}`)
}

/** The change of properties that leaves `record`. */
export function startRecordChange(
  of: StartRecordKey,
  record: OffsetMap,
): { readonly updates?: Readonly<Record<string, string>>; readonly removals?: readonly string[] } {
  const key = startRecordKey(of)
  return record.size === 0 ? { removals: [key] } : { updates: { [key]: formatOffsetMap(record) } }
}
