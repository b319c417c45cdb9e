/**
 * Files that survive a crash: written under a temporary name, flushed, then made visible by link(2)
 * or rename(2), with the directory flushed as well.
 *
 * A process that dies leaves at most a temporary file behind, which listings hide and which is
 * removed a day later by the next write into that directory.
 */
import { createHash } from 'node:crypto'
import { type FileHandle, link, mkdir, open, readdir, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { hasCode, syncDirectory } from '../../common/index.ts'

export const temporaryPrefix = '.~tmp-'
const temporaryAgeMsMax = 24 * 60 * 60 * 1000

/** Up to this size an ETag is a hash of the whole body, as on S3. */
const wholeHashBytesMax = 64 * 1024
const endHashBytes = 32 * 1024

/** Makes a directory and its parents, all durable; an existing one costs one call. */
export async function makeDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true })
  if (first === undefined) return
  const top = dirname(first)
  for (let current = path; current.length > top.length; current = dirname(current)) {
    await syncDirectory(dirname(current))
  }
}

/** Creates a file, fills it and flushes it; makes the directory when it is missing. */
export async function writeTemporary(
  path: string,
  fill: (handle: FileHandle) => Promise<void>,
): Promise<void> {
  const handle = await openNew(path)
  try {
    await fill(handle)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function openNew(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx')
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
    await makeDirectory(dirname(path))
    return open(path, 'wx')
  }
}

/** link(2): the atomic "create if absent" of a file system. False when the name is taken. */
export async function linkNew(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false
    throw error
  }
}

export async function unlinkIfPresent(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
  }
}

/** Removes temporary files that a dead process left in `directory`. */
export async function removeStaleTemporaries(directory: string, nowMs: number): Promise<void> {
  let names: string[]
  try {
    names = await readdir(directory)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return
    throw error
  }
  for (const name of names.filter((name) => name.startsWith(temporaryPrefix))) {
    const path = join(directory, name)
    try {
      const { mtimeMs } = await stat(path)
      if (nowMs - mtimeMs > temporaryAgeMsMax) await unlink(path)
    } catch (error) {
      // Its writer finished, or another process cleaned up first.
      if (!hasCode(error, 'ENOENT')) throw error
    }
  }
}

/** Identity of a whole body, the same on every machine, so that a copied directory keeps working. */
export async function contentId(handle: FileHandle): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of handle.createReadStream({ start: 0, autoClose: false })) {
    hash.update(chunk as Buffer)
  }
  return hash.digest('hex').slice(0, 24)
}

export async function contentIdAt(path: string): Promise<string> {
  const handle = await open(path, 'r')
  try {
    return await contentId(handle)
  } finally {
    await handle.close()
  }
}

export interface FileFacts {
  readonly sizeBytes: number
  readonly modifiedMs: number
  readonly fingerprint: string
}

/**
 * What an ETag is made of. Small bodies are hashed whole, which is what S3 does; a large body is
 * identified by its inode, time, size and both ends, because a hash of a whole data file takes too long.
 */
export async function fileFacts(handle: FileHandle): Promise<FileFacts> {
  const stats = await handle.stat({ bigint: true })
  if (stats.isDirectory()) throw Object.assign(new Error('is a directory'), { code: 'EISDIR' })
  const sizeBytes = Number(stats.size)
  const hash = createHash('sha256').update(`${sizeBytes}:`)
  if (sizeBytes <= wholeHashBytesMax) {
    hash.update(await readExactly(handle, 0, sizeBytes))
  } else {
    hash.update(`${stats.ino}:${stats.mtimeNs}:`)
    hash.update(await readExactly(handle, 0, endHashBytes))
    hash.update(await readExactly(handle, sizeBytes - endHashBytes, endHashBytes))
  }
  const fingerprint = hash.digest('hex').slice(0, 32)
  return { sizeBytes, modifiedMs: Number(stats.mtimeMs), fingerprint }
}

/** Reads `length` bytes from `position`; fewer means that the file shrank under us. */
export async function readExactly(
  handle: FileHandle,
  position: number,
  length: number,
): Promise<Uint8Array> {
  const buffer = new Uint8Array(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, position + filled)
    if (bytesRead === 0) {
      throw new Error(`file ended early: wanted ${length} bytes at ${position}, got ${filled}`)
    }
    filled += bytesRead
  }
  return buffer
}
