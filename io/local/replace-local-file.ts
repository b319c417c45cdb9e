/**
 * A file of this machine, written whole or not at all: the receiving end of every download.
 *
 * What fails on this side (disk full, no right to write) names the file, so that the fault is not
 * looked for in the store.
 */
import { type FileHandle, mkdir, open, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Random, randomUuid } from '../../common/index.ts'
import { temporaryPrefix, unlinkIfPresent } from './durable-file.ts'
import { toLakeError } from './local-errors.ts'

export interface LocalFileWriter {
  /** Appends; a failure is one of this machine. */
  append(chunk: Uint8Array): Promise<void>
  /** Drops what was appended, for another try. */
  restart(): Promise<void>
}

export async function replaceLocalFile(
  path: string,
  random: Random,
  fill: (writer: LocalFileWriter) => Promise<void>,
): Promise<void> {
  const partial = join(dirname(path), `${temporaryPrefix}${process.pid}-${randomUuid(random)}`)
  const here = async <T>(step: () => Promise<T>): Promise<T> => {
    try {
      return await step()
    } catch (error) {
      throw toLakeError(error, `file://${path}`)
    }
  }
  const file = await here(() => openIn(partial))
  try {
    try {
      await fill({
        append: (chunk) => here(() => file.writeFile(chunk)),
        restart: () => here(() => emptied(file)),
      })
    } finally {
      await file.close()
    }
    await here(() => rename(partial, path))
  } finally {
    await unlinkIfPresent(partial)
  }
}

async function openIn(path: string): Promise<FileHandle> {
  await mkdir(dirname(path), { recursive: true })
  // Appending, so that a restart begins at the start again.
  return open(path, 'ax')
}

async function emptied(file: FileHandle): Promise<void> {
  await file.truncate(0)
}
