/**
 * Files between the store and this machine: inputs of a rewrite come, results go. A file of the local
 * store is used where it lies.
 */
import { join } from 'node:path'
import type { DataFile, PartitionSpec, Schema, TableMetadata } from '../catalog/format/index.ts'
import {
  type LocalFile,
  newDataFileLocation,
  type RewriteInput,
  type WrittenFile,
} from '../catalog/index.ts'
import type { FileScanTask } from '../catalog/scan/index.ts'
import { type Random, randomUuid } from '../common/index.ts'
import { type FileIO, locationScheme, parseLocation } from '../io/index.ts'

const transfersMax = 4

/** Inputs with their local paths; what is fetched goes into `directory`. */
export async function fetchInputs(
  io: FileIO,
  tasks: readonly FileScanTask[],
  directory: string,
): Promise<readonly RewriteInput[]> {
  const files = new Map<string, DataFile>()
  for (const { file, deletes } of tasks) {
    for (const wanted of [file, ...deletes]) files.set(wanted.filePath, wanted)
  }
  const local = new Map<string, LocalFile>()
  await forEachLimited([...files.values()], async (file, index) => {
    const path = localPath(file.filePath) ?? join(directory, `input-${index}.parquet`)
    if (localPath(file.filePath) === undefined) await io.download(file.filePath, path)
    local.set(file.filePath, { file, path })
  })
  const localOf = (file: DataFile): LocalFile =>
    local.get(file.filePath) ?? { file, path: file.filePath }
  return tasks.map(({ file, deletes }) => ({ ...localOf(file), deletes: deletes.map(localOf) }))
}

export interface UploadPlace {
  readonly metadata: TableMetadata
  readonly schema: Schema
  readonly spec: PartitionSpec
}

/**
 * Uploads under new names. Each location is put into `uploaded` before anything is sent there, so that
 * whoever gives up knows what to delete.
 */
export async function uploadFiles(
  io: FileIO,
  random: Random,
  { metadata, schema, spec }: UploadPlace,
  files: readonly WrittenFile[],
  uploaded: Set<string>,
): Promise<readonly DataFile[]> {
  const results: DataFile[] = []
  await forEachLimited(files, async (written, index) => {
    const { localPath: path, ...metrics } = written
    const name = `${randomUuid(random)}.parquet`
    const filePath = newDataFileLocation(metadata, spec, schema, written.partition, name)
    uploaded.add(filePath)
    const stored = await io.upload(path, filePath)
    results[index] = {
      content: 'data',
      filePath,
      fileFormat: 'PARQUET',
      specId: spec.specId,
      ...metrics,
      fileSizeInBytes: BigInt(stored.sizeBytes),
    }
  })
  return results
}

function localPath(location: string): string | undefined {
  return locationScheme(location) === 'file' ? parseLocation(location).path : undefined
}

async function forEachLimited<T>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const waiting = items.entries()
  const worker = async (): Promise<void> => {
    for (const [index, item] of waiting) await work(item, index)
  }
  const workers = Array.from({ length: Math.min(transfersMax, items.length) }, worker)
  // All end before a failure is told, or one would write into a folder that is being removed.
  const failed = (await Promise.allSettled(workers)).find(({ status }) => status === 'rejected')
  if (failed?.status === 'rejected') throw failed.reason
}
