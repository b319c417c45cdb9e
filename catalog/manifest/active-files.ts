/**
 * Finding given files among a snapshot's manifests, without reading manifests that cannot hold them.
 */
import { mapLimited } from '../../common/index.ts'
import { readManifestEntries, type ManifestSource } from './snapshot-manifests.ts'
import { partitionTupleKey } from '../format/partition-tuple-key.ts'
import { partitionTypes } from '../format/partition-types.ts'
import { compareValues, decodeValue } from '../format/single-value.ts'
import { partitionSpecById } from '../format/table-metadata.ts'
import type {
  DataFile,
  FieldSummary,
  ManifestEntry,
  ManifestFile,
  PrimitiveType,
  TableMetadata,
  Value,
} from '../format/types.ts'

/** An active file and the manifest that says so. */
export interface ActiveFile {
  readonly manifest: ManifestFile
  readonly entry: ManifestEntry
}

export type FilePlace = Pick<DataFile, 'filePath' | 'specId' | 'partition'>

/** Every active entry of the given files; a file that is not found is not active. */
export async function locateFiles(
  source: ManifestSource,
  metadata: TableMetadata,
  manifests: readonly ManifestFile[],
  files: readonly FilePlace[],
): Promise<readonly ActiveFile[]> {
  if (files.length === 0) return []
  const paths = new Set(files.map((file) => file.filePath))
  const partitions = new PartitionSet(metadata, files)
  const candidates = manifests.filter((manifest) => partitions.mayBeIn(manifest))
  const read = await readActiveFiles(source, metadata, candidates)
  return read.filter(({ entry }) => paths.has(entry.dataFile.filePath))
}

export async function readActiveFiles(
  source: ManifestSource,
  metadata: TableMetadata,
  manifests: readonly ManifestFile[],
): Promise<readonly ActiveFile[]> {
  const read = await mapLimited(manifests, async (manifest) => {
    const entries = await readManifestEntries(source, metadata, manifest)
    return entries
      .filter((entry) => entry.status !== 'deleted')
      .map((entry) => ({ manifest, entry }))
  })
  return read.flat()
}

/** Distinct partitions, to be compared with the summaries of manifests. */
export class PartitionSet {
  readonly #bySpec = new Map<
    number,
    {
      readonly types: readonly PrimitiveType[]
      readonly tuples: Map<string, readonly (Value | null)[]>
    }
  >()

  constructor(metadata: TableMetadata, files: readonly Omit<FilePlace, 'filePath'>[]) {
    for (const { specId, partition } of files) {
      let spec = this.#bySpec.get(specId)
      if (spec === undefined) {
        const types = partitionTypes(metadata, partitionSpecById(metadata, specId))
        spec = { types, tuples: new Map() }
        this.#bySpec.set(specId, spec)
      }
      spec.tuples.set(partitionTupleKey(specId, spec.types, partition), partition)
    }
  }

  has({ specId, partition }: Omit<FilePlace, 'filePath'>): boolean {
    const spec = this.#bySpec.get(specId)
    return spec !== undefined && spec.tuples.has(partitionTupleKey(specId, spec.types, partition))
  }

  mayBeIn({ partitionSpecId, partitions }: ManifestFile): boolean {
    const spec = this.#bySpec.get(partitionSpecId)
    if (spec === undefined) return false
    if (partitions === undefined) return true
    return [...spec.tuples.values()].some((tuple) =>
      spec.types.every((type, index) => {
        const summary = partitions[index]
        return summary === undefined || mayHold(summary, type, tuple[index] ?? null)
      }),
    )
  }
}

function mayHold(summary: FieldSummary, type: PrimitiveType, value: Value | null): boolean {
  if (value === null) return summary.containsNull
  if (Number.isNaN(value)) return summary.containsNan !== false
  const { lowerBound, upperBound } = summary
  try {
    if (lowerBound !== undefined && compareValues(type, value, decodeValue(type, lowerBound)) < 0) {
      return false
    }
    return (
      upperBound === undefined || compareValues(type, value, decodeValue(type, upperBound)) <= 0
    )
  } catch {
    // A bound that does not have the width of the type excludes nothing.
    return true
  }
}
