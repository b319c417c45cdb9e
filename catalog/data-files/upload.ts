/**
 * Uploads files from this machine under new names in the table's folder, several at a time.
 *
 * When one upload fails, every file of the call is deleted again, since no snapshot can name them; what
 * cannot be deleted is left to the removal of orphan files. Files of a call that returned belong to
 * the caller, who deletes them only when it is certain that no commit added them.
 */
import { mapLimited, type Random, randomUuid } from '../../common/index.ts'
import type { FileIO } from '../../io/index.ts'
import { currentSchema, defaultPartitionSpec, partitionSpecById } from '../format/table-metadata.ts'
import type { DataFile, PartitionSpec, TableMetadata } from '../format/types.ts'
import type { WrittenFile } from './data-file-writer.ts'
import { newDataFileLocation } from './locations.ts'
import type { LocalPositionDeletes } from './position-delete-writer.ts'
import { type PositionDeletes, positionDeleteFile } from './position-deletes.ts'

export interface UploadTools {
  readonly io: FileIO
  readonly random: Random
  /** Once aborted, no further upload is begun. */
  readonly signal?: AbortSignal
}

const uploadsMax = 32
/** A small file is sent whole, and a large one in a few parts of which this much is in memory. */
const heldBytesMax = 64 << 20
/** Many small files go at once, of large ones four. */
const bytesAtOnce = 4 * heldBytesMax

/** Returns data files in the order of `files`, which were partitioned by `spec`. */
export async function uploadDataFiles(
  tools: UploadTools,
  metadata: TableMetadata,
  files: readonly WrittenFile[],
  spec: PartitionSpec = defaultPartitionSpec(metadata),
): Promise<readonly DataFile[]> {
  const schema = currentSchema(metadata)
  return uploadAll(tools, files, {
    locate: ({ partition }) =>
      newDataFileLocation(metadata, spec, schema, partition, `${randomUuid(tools.random)}.parquet`),
    describe: (file, filePath, fileSizeInBytes) => {
      const { localPath: _, ...metrics } = file
      const { specId } = spec
      const own = { content: 'data', filePath, fileFormat: 'PARQUET', specId } as const
      return { ...own, ...metrics, fileSizeInBytes }
    },
  })
}

/** Each delete file takes the spec and partition of its data file, which need not be the current spec. */
export async function uploadPositionDeletes(
  tools: UploadTools,
  metadata: TableMetadata,
  files: readonly LocalPositionDeletes[],
): Promise<readonly PositionDeletes[]> {
  const schema = currentSchema(metadata)
  return uploadAll(tools, files, {
    locate: ({ target: { specId, partition } }) => {
      const spec = partitionSpecById(metadata, specId)
      const name = `${randomUuid(tools.random)}-deletes.parquet`
      return newDataFileLocation(metadata, spec, schema, partition, name)
    },
    describe: (file, filePath, fileSizeInBytes) => {
      const { localPath: _, target, ...positions } = file
      const { specId, partition } = target
      const referencedFiles = [target.filePath]
      const place = { filePath, fileSizeInBytes, specId, partition, referencedFiles }
      return { file: positionDeleteFile({ ...positions, ...place }), referencedFiles }
    },
  })
}

async function uploadAll<
  Local extends { readonly localPath: string; readonly fileSizeInBytes: bigint },
  Uploaded,
>(
  { io, signal }: UploadTools,
  files: readonly Local[],
  as: {
    readonly locate: (file: Local) => string
    readonly describe: (file: Local, location: string, sizeBytes: bigint) => Uploaded
  },
): Promise<readonly Uploaded[]> {
  const begun: string[] = []
  const upload = async (file: Local): Promise<Uploaded> => {
    const location = as.locate(file)
    begun.push(location)
    const { sizeBytes } = await io.upload(file.localPath, location)
    return as.describe(file, location, BigInt(sizeBytes))
  }
  const options = {
    limit: uploadsMax,
    weight: ({ fileSizeInBytes }: Local) => Math.min(Number(fileSizeInBytes), heldBytesMax),
    weightMax: bytesAtOnce,
    ...(signal === undefined ? {} : { signal }),
  }
  try {
    return await mapLimited(files, upload, options)
  } catch (error) {
    await io.delete(begun).catch(() => undefined)
    throw error
  }
}
