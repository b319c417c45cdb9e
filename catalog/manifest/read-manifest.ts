/**
 * Reading manifests of any writer, by field id, with inheritance applied (spec, "Sequence Number
 * Inheritance", "Manifest Entry Fields").
 */
import { CorruptDataError } from '../../common/index.ts'
import type {
  DataFile,
  DataFileContent,
  ManifestEntry,
  ManifestEntryStatus,
  ManifestFile,
  PartitionSpec,
  PrimitiveType,
} from '../format/types.ts'
import type { AvroDatum } from '../format/avro/avro-datum.ts'
import { readAvroFile } from '../format/avro/avro-file.ts'
import { partitionValueFromAvro } from './partition-value.ts'
import { RecordAccess } from './record-access.ts'

const statuses: readonly ManifestEntryStatus[] = ['existing', 'added', 'deleted']
const contents: readonly DataFileContent[] = ['data', 'position-deletes', 'equality-deletes']

export interface ReadManifest {
  /** All entries, deleted ones too. */
  readonly entries: readonly ManifestEntry[]
  /** A measure of the memory that the entries hold. */
  readonly sizeBytes: number
}

export function parseManifest(
  bytes: Uint8Array,
  manifest: ManifestFile,
  spec: PartitionSpec,
  partitionTypes: readonly PrimitiveType[],
): ReadManifest {
  const where = manifest.manifestPath
  const file = readAvroFile(bytes, where)
  const entryAccess = new RecordAccess(file.type, where)
  const fileReader = new DataFileReader(entryAccess, spec, partitionTypes, where)
  const entries = file.records.map((record) => {
    const status = statuses[Number(entryAccess.required(record, 0))]
    if (status === undefined) {
      throw new CorruptDataError('manifest entry has an unknown status', { facts: { where } })
    }
    return inherit(
      {
        status,
        snapshotId: entryAccess.optionalLong(record, 1),
        sequenceNumber: entryAccess.optionalLong(record, 3),
        fileSequenceNumber: entryAccess.optionalLong(record, 4),
        dataFile: fileReader.read(entryAccess.required(record, 2)),
      },
      manifest,
    )
  })
  return { entries, sizeBytes: file.inflatedBytes + 200 * entries.length }
}

interface RawEntry {
  readonly status: ManifestEntryStatus
  readonly snapshotId: bigint | undefined
  readonly sequenceNumber: bigint | undefined
  readonly fileSequenceNumber: bigint | undefined
  readonly dataFile: DataFile
}

function inherit(raw: RawEntry, manifest: ManifestFile): ManifestEntry {
  // v1 manifests have no sequence numbers: all of them read as 0.
  const mayInherit = raw.status === 'added' || manifest.sequenceNumber === 0n
  if (raw.sequenceNumber === undefined && !mayInherit) {
    throw new CorruptDataError('existing or deleted entry has no sequence number', {
      facts: { where: manifest.manifestPath, file: raw.dataFile.filePath },
    })
  }
  return {
    status: raw.status,
    snapshotId: raw.snapshotId ?? manifest.addedSnapshotId,
    sequenceNumber: raw.sequenceNumber ?? manifest.sequenceNumber,
    ...(raw.fileSequenceNumber === undefined && !mayInherit
      ? {}
      : { fileSequenceNumber: raw.fileSequenceNumber ?? manifest.sequenceNumber }),
    dataFile: raw.dataFile,
  }
}

class DataFileReader {
  readonly #access: RecordAccess
  readonly #where: string
  readonly #specId: number
  readonly #partition: readonly { readonly type: PrimitiveType; readonly position: number }[]

  constructor(
    entryAccess: RecordAccess,
    spec: PartitionSpec,
    partitionTypes: readonly PrimitiveType[],
    where: string,
  ) {
    const access = entryAccess.nested(2)
    if (access === undefined) {
      throw new CorruptDataError('manifest has no field data_file', { facts: { where } })
    }
    this.#access = access
    this.#where = where
    this.#specId = spec.specId
    const tuple = access.nested(102)
    this.#partition = spec.fields.map((field, index) => ({
      type: partitionTypes[index] ?? { type: 'string' },
      position: tuple?.positionOf(field.fieldId, index) ?? -1,
    }))
  }

  read(record: AvroDatum): DataFile {
    const access = this.#access
    const content = contents[Number(access.get(record, 134) ?? 0)]
    if (content === undefined) {
      throw new CorruptDataError('data file has unknown content', { facts: { where: this.#where } })
    }
    return {
      content,
      filePath: access.required(record, 100) as string,
      fileFormat: access.required(record, 101) as string,
      specId: this.#specId,
      partition: this.#readPartition(access.get(record, 102)),
      recordCount: access.long(record, 103),
      fileSizeInBytes: access.long(record, 104),
      ...this.#readMetrics(record),
      ...this.#readRest(record),
    }
  }

  #readPartition(tuple: AvroDatum): readonly (PartitionDatum | null)[] {
    const members = (tuple ?? []) as readonly AvroDatum[]
    return this.#partition.map(({ type, position }) =>
      partitionValueFromAvro(type, members[position] ?? null, this.#where),
    )
  }

  #readMetrics(record: AvroDatum): Partial<DataFile> {
    const map = <V extends bigint | Uint8Array>(id: number): ReadonlyMap<number, V> | undefined => {
      const pairs = this.#access.get(record, id) as readonly (readonly [number, V])[] | null
      return pairs === null ? undefined : new Map(pairs)
    }
    return defined({
      columnSizes: map<bigint>(108),
      valueCounts: map<bigint>(109),
      nullValueCounts: map<bigint>(110),
      nanValueCounts: map<bigint>(137),
      lowerBounds: map<Uint8Array>(125),
      upperBounds: map<Uint8Array>(128),
    })
  }

  #readRest(record: AvroDatum): Partial<DataFile> {
    const get = <T>(id: number): T | undefined => (this.#access.get(record, id) ?? undefined) as T
    return defined({
      keyMetadata: get<Uint8Array | undefined>(131),
      splitOffsets: get<readonly bigint[] | undefined>(132),
      equalityIds: get<readonly number[] | undefined>(135),
      sortOrderId: get<number | undefined>(140),
      referencedDataFile: get<string | undefined>(143),
      contentOffset: this.#access.optionalLong(record, 144),
      contentSizeInBytes: this.#access.optionalLong(record, 145),
    })
  }
}

type PartitionDatum = NonNullable<ReturnType<typeof partitionValueFromAvro>>

type Defined<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> }

/** Leaves out members that are undefined, as `exactOptionalPropertyTypes` requires. */
function defined<T extends object>(members: T): Defined<T> {
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== undefined),
  ) as Defined<T>
}
