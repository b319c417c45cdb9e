/**
 * The event times at which a table gained or lost rows since a run read it. They come from the column
 * bounds of the files that later snapshots added, removed, or deleted rows from by position. Changes whose
 * times cannot be determined are `unknown`, never none.
 */
import {
  currentSchema,
  type DataFile,
  decodeValue,
  type ManifestFile,
  mainBranch,
  type NestedField,
  type Snapshot,
  snapshotById,
  type TableMetadata,
} from '../../catalog/format/index.ts'
import {
  ancestorsOf,
  type ManifestCache,
  offsetsProperty,
  readManifestEntries,
  readSnapshotManifests,
  type Table,
} from '../../catalog/index.ts'
import { onlyReferencedFile } from '../../catalog/scan/index.ts'
import { ValidationError } from '../../common/index.ts'
import type { FileIO } from '../../io/index.ts'
import { type Span, union } from './interval.ts'
import type { SourceState } from './model-state.ts'

export interface ChangeSource {
  readonly io: FileIO
  readonly cache?: ManifestCache
}

/** With more snapshots than this between two runs, they are not read one by one. */
const snapshotsMax = 2_000

/** The column `name`; undefined when there is none. Throws ValidationError for a column that is not a time. */
export function eventTimeField(metadata: TableMetadata, name: string): NestedField | undefined {
  const field = currentSchema(metadata).fields.find((each) => each.name === name)
  if (field === undefined) return undefined
  if (['date', 'timestamp', 'timestamptz'].includes(field.type.type)) return field
  throw new ValidationError('event_time must be a date, timestamp or timestamptz', {
    facts: { column: name, type: field.type.type, table: metadata.location },
  })
}

/** The times of the rows of `table` that changed after `since`. */
export async function changedTimes(
  source: ChangeSource,
  { metadata }: Table,
  since: SourceState,
  field: NestedField,
): Promise<readonly Span[] | 'unknown'> {
  if (metadata.tableUuid !== since.tableUuid) return 'unknown'
  if (metadata.currentSnapshotId === since.snapshotId) return []
  const later = snapshotsSince(metadata, since)
  const files =
    later === undefined
      ? await newerFiles(source, metadata, since)
      : await changedFiles(source, metadata, later)
  if (files === undefined) return 'unknown'
  const spans: Span[] = []
  for (const file of files) {
    const span = timesOf(file, field)
    if (span === 'unknown') return 'unknown'
    if (span !== undefined) spans.push(span)
  }
  return union(spans)
}

type BoundedFile = Pick<DataFile, 'recordCount' | 'nullValueCounts' | 'lowerBounds' | 'upperBounds'>

/** The times that the rows of a file lie in; undefined when all of them are null. */
export function timesOf(file: BoundedFile, field: NestedField): Span | 'unknown' | undefined {
  const lower = file.lowerBounds?.get(field.id)
  const upper = file.upperBounds?.get(field.id)
  if (lower === undefined || upper === undefined) {
    const isAllNull = file.nullValueCounts?.get(field.id) === file.recordCount
    return file.recordCount === 0n || isAllNull ? undefined : 'unknown'
  }
  return { startMs: toMs(field, lower), endMs: toMs(field, upper) + 1 }
}

function toMs({ type }: NestedField, bytes: Uint8Array): number {
  if (type.type === 'date') return Number(decodeValue(type, bytes)) * 86_400_000
  if (type.type !== 'timestamp' && type.type !== 'timestamptz') return Number.NaN
  const micros = decodeValue(type, bytes) as bigint
  const floored = micros >= 0n ? micros / 1_000n : (micros - 999n) / 1_000n
  return Number(floored)
}

/** Newest first; undefined when history does not reach back to `since`. */
function snapshotsSince(
  metadata: TableMetadata,
  since: SourceState,
): readonly Snapshot[] | undefined {
  const later: Snapshot[] = []
  for (const snapshot of ancestorsOf(metadata, metadata.currentSnapshotId)) {
    if (snapshot.snapshotId === since.snapshotId) return later
    if (later.length === snapshotsMax) return undefined
    later.push(snapshot)
  }
  const isWhole = later.at(-1)?.parentSnapshotId === undefined
  return isWhole && since.snapshotId === undefined ? later : undefined
}

async function changedFiles(
  source: ChangeSource,
  metadata: TableMetadata,
  snapshots: readonly Snapshot[],
): Promise<readonly DataFile[] | undefined> {
  const files: DataFile[] = []
  for (const snapshot of snapshots) {
    // A rewrite moves rows between files; the table neither gains nor loses any.
    if (snapshot.summary?.operation === 'replace') continue
    const manifests = await readSnapshotManifests(source, snapshot)
    const referenced = new Set<string>()
    for (const manifest of manifests) {
      if (manifest.addedSnapshotId !== snapshot.snapshotId) continue
      for (const entry of await readManifestEntries(source, metadata, manifest)) {
        if (entry.snapshotId !== snapshot.snapshotId || entry.status === 'existing') continue
        if (manifest.content === 'data') files.push(entry.dataFile)
        else {
          const target = targetOf(entry.dataFile)
          if (target === undefined) return undefined
          referenced.add(target)
        }
      }
    }
    const targets = await dataFiles(source, metadata, manifests, referenced)
    if (targets === undefined) return undefined
    files.push(...targets)
  }
  return files
}

/** The one data file that a delete file removes rows from; which rows, only its content says. */
function targetOf(deletes: DataFile): string | undefined {
  return deletes.content === 'position-deletes' ? onlyReferencedFile(deletes) : undefined
}

/** The data files of `paths`, active or just removed; undefined when one of them is missing. */
async function dataFiles(
  source: ChangeSource,
  metadata: TableMetadata,
  manifests: readonly ManifestFile[],
  paths: ReadonlySet<string>,
): Promise<readonly DataFile[] | undefined> {
  const matches = new Map<string, DataFile>()
  for (const manifest of manifests) {
    if (matches.size === paths.size) break
    if (manifest.content !== 'data') continue
    for (const { dataFile } of await readManifestEntries(source, metadata, manifest)) {
      if (paths.has(dataFile.filePath)) matches.set(dataFile.filePath, dataFile)
    }
  }
  return matches.size === paths.size ? [...matches.values()] : undefined
}

/**
 * The active files that are newer than `since`, for a history that has expired. Only for tables that streams
 * write, because those only gain rows; in others rows may have been removed without a trace.
 */
async function newerFiles(
  source: ChangeSource,
  metadata: TableMetadata,
  since: SourceState,
): Promise<readonly DataFile[] | undefined> {
  const current = snapshotById(metadata, metadata.currentSnapshotId ?? -1n)
  const isStream = offsetsProperty(metadata, mainBranch) !== undefined
  const isAhead = (current?.sequenceNumber ?? 0n) > since.sequenceNumber
  // A snapshot that still exists but is not an ancestor means that the table was rolled back.
  const isRolledBack =
    since.snapshotId !== undefined && snapshotById(metadata, since.snapshotId) !== undefined
  if (current === undefined || !isStream || !isAhead || isRolledBack) return undefined
  const files: DataFile[] = []
  for (const manifest of await readSnapshotManifests(source, current)) {
    if (manifest.content === 'deletes') return undefined
    if (manifest.sequenceNumber <= since.sequenceNumber) continue
    for (const entry of await readManifestEntries(source, metadata, manifest)) {
      const isNewer = (entry.sequenceNumber ?? 0n) > since.sequenceNumber
      if (isNewer && entry.status !== 'deleted') files.push(entry.dataFile)
    }
  }
  return files
}
