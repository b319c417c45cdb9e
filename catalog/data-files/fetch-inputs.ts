/** Downloads the inputs of a rewrite. A file of the local store is used where it is. */
import { join } from 'node:path'
import { mapLimited } from '../../common/index.ts'
import { type FileIO, locationScheme, parseLocation } from '../../io/index.ts'
import type { DataFile } from '../format/types.ts'
import type { LocalFile, RewriteInput } from './data-file-rewriter.ts'

/** A data file and the delete files that apply to it. */
export interface InputFiles {
  readonly file: DataFile
  readonly deletes: readonly DataFile[]
}

const downloadsMax = 4

/** The inputs with their local paths; downloaded files go into `directory`. */
export async function fetchInputs(
  io: FileIO,
  tasks: readonly InputFiles[],
  directory: string,
): Promise<readonly RewriteInput[]> {
  const files = new Map<string, DataFile>()
  for (const { file, deletes } of tasks) {
    for (const input of [file, ...deletes]) files.set(input.filePath, input)
  }
  const local = new Map<string, LocalFile>()
  const fetch = async (file: DataFile, index: number): Promise<void> => {
    const path = localPath(file.filePath) ?? join(directory, `input-${index}.parquet`)
    if (localPath(file.filePath) === undefined) await io.download(file.filePath, path)
    local.set(file.filePath, { file, path })
  }
  await mapLimited([...files.values()], fetch, { limit: downloadsMax })
  const localOf = (file: DataFile): LocalFile =>
    local.get(file.filePath) ?? { file, path: file.filePath }
  return tasks.map(({ file, deletes }) => ({ ...localOf(file), deletes: deletes.map(localOf) }))
}

function localPath(location: string): string | undefined {
  return locationScheme(location) === 'file' ? parseLocation(location).path : undefined
}
