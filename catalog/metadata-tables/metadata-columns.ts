/** How metadata tables describe columns and hold cells. */
import { NotFoundError } from '../../common/index.ts'
import type { Table } from '../catalog.ts'
import type { ManifestSource } from '../manifest/snapshot-manifests.ts'
import { currentSnapshot, snapshotById } from '../format/table-metadata.ts'
import type { NestedField, Snapshot, Type, Value } from '../format/types.ts'

export interface MetadataColumn {
  readonly name: string
  /** An Iceberg type; the ids inside nested types mean nothing. */
  readonly type: Type
}

/**
 * A cell as `Value` holds it (timestamps: microseconds), or a list, a map, or a struct as an object.
 */
export type MetadataCell =
  | Value
  | null
  | readonly MetadataCell[]
  | ReadonlyMap<number | string, MetadataCell>
  | { readonly [member: string]: MetadataCell }

export type MetadataRow = readonly MetadataCell[]

/** The result of a reader, with rows by column name. */
export interface MetadataTableRows {
  readonly columns: readonly MetadataColumn[]
  readonly rows: readonly Readonly<Record<string, MetadataCell>>[]
}

/** Reads one metadata table, of the current snapshot where `snapshotId` is undefined. */
export type MetadataTableReader = (
  table: Table,
  source: ManifestSource,
  snapshotId: bigint | undefined,
) => Promise<MetadataTableRows>

export const boolean: Type = { type: 'boolean' }
export const integer: Type = { type: 'int' }
export const bigint: Type = { type: 'long' }
export const varchar: Type = { type: 'string' }
export const varbinary: Type = { type: 'binary' }
export const timestamptz: Type = { type: 'timestamptz' }

export function arrayOf(element: Type): Type {
  return { type: 'list', elementId: 0, elementRequired: false, element }
}

export function mapOf(key: Type, value: Type): Type {
  return { type: 'map', keyId: 0, key, valueId: 0, valueRequired: false, value }
}

export function rowOf(members: readonly MetadataColumn[]): Type {
  const fields: readonly NestedField[] = members.map(({ name, type }) => ({
    id: 0,
    name,
    type,
    required: false,
  }))
  return { type: 'struct', fields }
}

export function columns(types: Readonly<Record<string, Type>>): readonly MetadataColumn[] {
  return Object.entries(types).map(([name, type]) => ({ name, type }))
}

export function microsOf(timestampMs: bigint): bigint {
  return timestampMs * 1000n
}

/** The requested snapshot, or else the current one; undefined for an empty table. */
export function chosenSnapshot(
  { metadata }: Table,
  snapshotId: bigint | undefined,
): Snapshot | undefined {
  if (snapshotId === undefined) return currentSnapshot(metadata)
  const snapshot = snapshotById(metadata, snapshotId)
  if (snapshot !== undefined) return snapshot
  throw new NotFoundError('table has no such snapshot; it may have expired', {
    facts: { snapshot: snapshotId, table: metadata.location },
  })
}
