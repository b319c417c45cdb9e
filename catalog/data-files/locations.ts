/**
 * Where a table's files go (spec, "File System Operations"; properties `write.data.path` and
 * `write.metadata.path`). Every name is new, because an object once written is never replaced.
 */
import { partitionFolder } from '../format/partition-path.ts'
import { statedProperty, type TableProperty, tableProperties } from '../table/properties.ts'
import type { PartitionSpec, Schema, TableMetadata, Value } from '../format/types.ts'

/** S3's bound on a key, which a location exceeds by its scheme and bucket. */
const locationBytesMax = 1024

/** Folder of data files, without a slash at the end. */
export function dataLocation(metadata: TableMetadata): string {
  return folder(metadata, tableProperties.dataPath, 'data')
}

/** Folder of metadata files, manifests and manifest lists, without a slash at the end. */
export function metadataLocation(metadata: TableMetadata): string {
  return folder(metadata, tableProperties.metadataPath, 'metadata')
}

/** `data/ts_day=2024-01-02/<name>`; the folder name is for people, engines read the values from manifests. */
export function newDataFileLocation(
  metadata: TableMetadata,
  spec: PartitionSpec,
  schema: Schema,
  partition: readonly (Value | null)[],
  fileName: string,
): string {
  const data = dataLocation(metadata)
  const bytesMax = locationBytesMax - Buffer.byteLength(`${data}//${fileName}`)
  const path = partitionFolder(spec, schema, partition, bytesMax)
  return [data, ...(path === '' ? [] : [path]), fileName].join('/')
}

export function manifestLocation(metadata: TableMetadata, commitId: string, index: number): string {
  return `${metadataLocation(metadata)}/${commitId}-m${index}.avro`
}

export function manifestListLocation(
  metadata: TableMetadata,
  snapshotId: bigint,
  attempt: number,
  commitId: string,
): string {
  return `${metadataLocation(metadata)}/snap-${snapshotId}-${attempt}-${commitId}.avro`
}

function folder(metadata: TableMetadata, property: TableProperty<string>, name: string): string {
  const chosen = statedProperty(metadata.properties, property)
  return (chosen ?? `${metadata.location}/${name}`).replace(/\/+$/, '')
}
