/**
 * The Iceberg table model in memory, under the names of the table spec ("Apache Iceberg Table Spec").
 *
 * Everything is readonly; wire names (kebab-case, Avro) live only in the codecs. Every 64-bit number
 * is a `bigint`.
 */
import type { JsonObject } from '../../common/index.ts'

// ---- Schemas and Data Types ------------------------------------------------------------------

export type SimpleTypeName =
  | 'boolean'
  | 'int'
  | 'long'
  | 'float'
  | 'double'
  | 'date'
  | 'time'
  | 'timestamp'
  | 'timestamptz'
  | 'string'
  | 'uuid'
  | 'binary'

export interface SimpleType {
  readonly type: SimpleTypeName
}
export interface FixedType {
  readonly type: 'fixed'
  /** Bytes. */
  readonly length: number
}
export interface DecimalType {
  readonly type: 'decimal'
  readonly precision: number
  readonly scale: number
}
export interface StructType {
  readonly type: 'struct'
  readonly fields: readonly NestedField[]
}
export interface ListType {
  readonly type: 'list'
  readonly elementId: number
  readonly elementRequired: boolean
  readonly element: Type
}
export interface MapType {
  readonly type: 'map'
  readonly keyId: number
  readonly key: Type
  readonly valueId: number
  readonly valueRequired: boolean
  readonly value: Type
}
export type PrimitiveType = SimpleType | FixedType | DecimalType
export type Type = PrimitiveType | StructType | ListType | MapType

export interface NestedField {
  readonly id: number
  readonly name: string
  readonly required: boolean
  readonly type: Type
  readonly doc?: string
  /** v3 only: JSON single-value form (Appendix D), kept as it was read. */
  readonly initialDefault?: unknown
  readonly writeDefault?: unknown
}

export interface Schema {
  readonly schemaId: number
  readonly identifierFieldIds: readonly number[]
  readonly fields: readonly NestedField[]
}

/**
 * A single value of a primitive type:
 * boolean -> boolean; int, date (days) -> number; float, double -> number;
 * long, time (us), timestamp and timestamptz (us since the epoch) -> bigint;
 * decimal -> bigint, the unscaled value; string, uuid (canonical lower case) -> string;
 * fixed, binary -> Uint8Array.
 */
export type Value = boolean | number | bigint | string | Uint8Array

// ---- Partitioning and Sorting ----------------------------------------------------------------

export type Transform =
  | { readonly kind: 'identity' | 'void' | 'year' | 'month' | 'day' | 'hour' }
  | { readonly kind: 'bucket'; readonly buckets: number }
  | { readonly kind: 'truncate'; readonly width: number }
  /** A transform of a later spec: kept as written, ignored when planning. */
  | { readonly kind: 'unknown'; readonly text: string }

export interface PartitionField {
  readonly sourceId: number
  readonly fieldId: number
  readonly name: string
  readonly transform: Transform
}

export interface PartitionSpec {
  readonly specId: number
  readonly fields: readonly PartitionField[]
}

export interface SortField {
  readonly transform: Transform
  readonly sourceId: number
  readonly direction: 'asc' | 'desc'
  readonly nullOrder: 'nulls-first' | 'nulls-last'
}

export interface SortOrder {
  readonly orderId: number
  readonly fields: readonly SortField[]
}

// ---- Snapshots and refs ----------------------------------------------------------------------

export type SnapshotOperation = 'append' | 'replace' | 'overwrite' | 'delete'

/** `operation` and the other summary entries, all strings as on the wire. */
export interface Summary {
  readonly operation: SnapshotOperation
  readonly [key: string]: string
}

export interface Snapshot {
  readonly snapshotId: bigint
  readonly parentSnapshotId?: bigint
  readonly sequenceNumber: bigint
  readonly timestampMs: bigint
  readonly manifestList?: string
  /** v1 tables may list manifests here instead of a manifest list. */
  readonly manifests?: readonly string[]
  /** Absent only in v1 tables. */
  readonly summary?: Summary
  readonly schemaId?: number
  readonly unknownFields?: JsonObject
}

export interface SnapshotRef {
  readonly snapshotId: bigint
  readonly type: 'branch' | 'tag'
  readonly maxRefAgeMs?: bigint
  readonly maxSnapshotAgeMs?: bigint
  readonly minSnapshotsToKeep?: number
}

export interface SnapshotLogEntry {
  readonly snapshotId: bigint
  readonly timestampMs: bigint
}

export interface MetadataLogEntry {
  readonly metadataFile: string
  readonly timestampMs: bigint
}

// ---- Table Metadata --------------------------------------------------------------------------

export interface TableMetadata {
  readonly formatVersion: 1 | 2 | 3
  readonly tableUuid: string
  readonly location: string
  readonly lastSequenceNumber: bigint
  readonly lastUpdatedMs: bigint
  readonly lastColumnId: number
  readonly schemas: readonly Schema[]
  readonly currentSchemaId: number
  readonly partitionSpecs: readonly PartitionSpec[]
  readonly defaultSpecId: number
  readonly lastPartitionId: number
  readonly sortOrders: readonly SortOrder[]
  readonly defaultSortOrderId: number
  readonly properties: Readonly<Record<string, string>>
  /** Absent for an empty table. */
  readonly currentSnapshotId?: bigint
  readonly snapshots: readonly Snapshot[]
  readonly snapshotLog: readonly SnapshotLogEntry[]
  readonly metadataLog: readonly MetadataLogEntry[]
  readonly refs: Readonly<Record<string, SnapshotRef>>
  /** Statistics and fields of a later spec, kept unchanged through a round trip. */
  readonly unknownFields?: JsonObject
}

// ---- Manifests -------------------------------------------------------------------------------

export type DataFileContent = 'data' | 'position-deletes' | 'equality-deletes'

export interface DataFile {
  readonly content: DataFileContent
  readonly filePath: string
  readonly fileFormat: string
  readonly specId: number
  /** One entry per field of the spec, in spec order. */
  readonly partition: readonly (Value | null)[]
  readonly recordCount: bigint
  readonly fileSizeInBytes: bigint
  /** The maps below are keyed by field id. */
  readonly columnSizes?: ReadonlyMap<number, bigint>
  readonly valueCounts?: ReadonlyMap<number, bigint>
  readonly nullValueCounts?: ReadonlyMap<number, bigint>
  readonly nanValueCounts?: ReadonlyMap<number, bigint>
  /** Single-value binary form (Appendix D); a long column may hold 4-byte bounds of its int days. */
  readonly lowerBounds?: ReadonlyMap<number, Uint8Array>
  readonly upperBounds?: ReadonlyMap<number, Uint8Array>
  readonly keyMetadata?: Uint8Array
  readonly splitOffsets?: readonly bigint[]
  readonly equalityIds?: readonly number[]
  readonly sortOrderId?: number
  readonly referencedDataFile?: string
  readonly contentOffset?: bigint
  readonly contentSizeInBytes?: bigint
}

export type ManifestEntryStatus = 'existing' | 'added' | 'deleted'

export interface ManifestEntry {
  readonly status: ManifestEntryStatus
  /** null in the file means: inherited from the manifest list. */
  readonly snapshotId?: bigint
  readonly sequenceNumber?: bigint
  readonly fileSequenceNumber?: bigint
  readonly dataFile: DataFile
}

export interface FieldSummary {
  readonly containsNull: boolean
  readonly containsNan?: boolean
  readonly lowerBound?: Uint8Array
  readonly upperBound?: Uint8Array
}

/** One row of a manifest list. */
export interface ManifestFile {
  readonly manifestPath: string
  readonly manifestLength: bigint
  readonly partitionSpecId: number
  readonly content: 'data' | 'deletes'
  readonly sequenceNumber: bigint
  readonly minSequenceNumber: bigint
  readonly addedSnapshotId: bigint
  readonly addedFilesCount: number
  readonly existingFilesCount: number
  readonly deletedFilesCount: number
  readonly addedRowsCount: bigint
  readonly existingRowsCount: bigint
  readonly deletedRowsCount: bigint
  readonly partitions?: readonly FieldSummary[]
  readonly keyMetadata?: Uint8Array
}
