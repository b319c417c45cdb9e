/**
 * Which delete files apply to a data file (spec, "Scan Planning", rules for delete files).
 *
 * Position deletes apply to data of the same or an older sequence number in the same partition,
 * equality deletes to strictly older data, in the same partition or everywhere when their spec is
 * unpartitioned (iceberg-facts 31 and 32).
 */
import { partitionTypes } from '../spec/partition-types.ts'
import { encodeValue } from '../spec/single-value.ts'
import { partitionSpecById } from '../spec/table-metadata.ts'
import type {
  DataFile,
  ManifestEntry,
  PartitionSpec,
  PrimitiveType,
  TableMetadata,
} from '../spec/types.ts'

/** The field ids of a position delete file's two columns. */
const filePathFieldId = 2147483546

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

  /** Equal partition tuples of one spec have equal keys; NaN equals NaN, -0.0 is not 0.0. */
  #partitionKey(file: DataFile): string {
    const types =
      this.#types.get(file.specId) ?? partitionTypes(this.#metadata, this.#spec(file.specId))
    this.#types.set(file.specId, types)
    const values = types.map((type, index) => {
      const value = file.partition[index] ?? null
      return value === null ? 'null' : Buffer.from(encodeValue(type, value)).toString('hex')
    })
    return [file.specId, ...values].join('|')
  }
}

function applies(candidate: DeleteFile, file: DataFile, sequenceNumber: bigint): boolean {
  if (candidate.file.content === 'equality-deletes') {
    return sequenceNumber < candidate.sequenceNumber
  }
  if (sequenceNumber > candidate.sequenceNumber) return false
  const target = candidate.file.referencedDataFile ?? onlyPathOf(candidate.file)
  return target === undefined || target === file.filePath
}

/** The one data file that a position delete file names, when its path bounds say so. */
function onlyPathOf(file: DataFile): string | undefined {
  const lower = file.lowerBounds?.get(filePathFieldId)
  const upper = file.upperBounds?.get(filePathFieldId)
  if (lower === undefined || upper === undefined || Buffer.compare(lower, upper) !== 0) {
    return undefined
  }
  return Buffer.from(lower).toString('utf8')
}
