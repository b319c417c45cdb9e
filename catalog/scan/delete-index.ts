/**
 * Which delete files apply to a data file (spec, "Scan Planning", rules for delete files).
 *
 * Position deletes apply to data of the same or an older sequence number in the same partition,
 * equality deletes to strictly older data, in the same partition or everywhere when their spec is
 * unpartitioned (iceberg-facts 31 and 32).
 */
import { deletePathFieldId } from '../data-files/position-deletes.ts'
import { partitionTupleKey } from '../format/partition-tuple-key.ts'
import { partitionTypes } from '../format/partition-types.ts'
import { partitionSpecById } from '../format/table-metadata.ts'
import type {
  DataFile,
  ManifestEntry,
  PartitionSpec,
  PrimitiveType,
  TableMetadata,
} from '../format/types.ts'

interface DeleteFile {
  readonly file: DataFile
  readonly sequenceNumber: bigint
}

export class DeleteIndex {
  readonly #metadata: TableMetadata
  readonly #byPartition = new Map<string, DeleteFile[]>()
  readonly #global: DeleteFile[] = []
  readonly #types = new Map<number, readonly PrimitiveType[]>()

  constructor(metadata: TableMetadata, entries: readonly ManifestEntry[]) {
    this.#metadata = metadata
    for (const { status, dataFile, sequenceNumber } of entries) {
      if (status === 'deleted' || dataFile.content === 'data') continue
      const entry = { file: dataFile, sequenceNumber: sequenceNumber ?? 0n }
      if (dataFile.content === 'equality-deletes' && this.#isUnpartitioned(dataFile.specId)) {
        this.#global.push(entry)
      } else {
        const key = this.#partitionKey(dataFile)
        this.#byPartition.set(key, [...(this.#byPartition.get(key) ?? []), entry])
      }
    }
  }

  deletesFor(file: DataFile, sequenceNumber: bigint): readonly DataFile[] {
    if (this.#byPartition.size === 0 && this.#global.length === 0) return []
    const candidates = [...this.#global, ...(this.#byPartition.get(this.#partitionKey(file)) ?? [])]
    return candidates
      .filter((candidate) => applies(candidate, file, sequenceNumber))
      .map((candidate) => candidate.file)
  }

  #spec(specId: number): PartitionSpec {
    return partitionSpecById(this.#metadata, specId)
  }

  #isUnpartitioned(specId: number): boolean {
    return this.#spec(specId).fields.every((field) => field.transform.kind === 'void')
  }

  #partitionKey(file: DataFile): string {
    const types =
      this.#types.get(file.specId) ?? partitionTypes(this.#metadata, this.#spec(file.specId))
    this.#types.set(file.specId, types)
    return partitionTupleKey(file.specId, types, file.partition)
  }
}

function applies(candidate: DeleteFile, file: DataFile, sequenceNumber: bigint): boolean {
  if (candidate.file.content === 'equality-deletes') {
    return sequenceNumber < candidate.sequenceNumber
  }
  if (sequenceNumber > candidate.sequenceNumber) return false
  const target = candidate.file.referencedDataFile
  return target === undefined ? mayName(candidate.file, file.filePath) : target === file.filePath
}

/** Paths are compared as bytes, and their bounds are never truncated (iceberg-facts 31). */
function mayName(deletes: DataFile, path: string): boolean {
  const lower = deletes.lowerBounds?.get(deletePathFieldId)
  const upper = deletes.upperBounds?.get(deletePathFieldId)
  const bytes = Buffer.from(path, 'utf8')
  return (
    (lower === undefined || Buffer.compare(lower, bytes) <= 0) &&
    (upper === undefined || Buffer.compare(bytes, upper) <= 0)
  )
}

/** The data file of a position delete file that names one only, by `referenced_data_file` or equal path bounds. */
export function onlyReferencedFile(file: DataFile): string | undefined {
  if (file.referencedDataFile !== undefined) return file.referencedDataFile
  const lower = file.lowerBounds?.get(deletePathFieldId)
  const upper = file.upperBounds?.get(deletePathFieldId)
  if (lower === undefined || upper === undefined || Buffer.compare(lower, upper) !== 0) {
    return undefined
  }
  return Buffer.from(lower).toString('utf8')
}
