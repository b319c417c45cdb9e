/**
 * A directory of this machine as an object store: atomic, flushed to disk, and safe between
 * processes, conditional writes included (see version-chain.ts for how and why).
 *
 * For disks of one machine: network file systems may repeat link(2) behind our back.
 */
import { constants } from 'node:fs'
import { type FileHandle, copyFile, open, readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import {
  type Clock,
  type Random,
  UnavailableError,
  ValidationError,
  randomUuid,
  systemClock,
  systemRandom,
  hasCode,
} from '../../common/index.ts'
import { replaceLocalFile } from './replace-local-file.ts'
import { type ByteRange, checkRange, clipRange } from '../byte-range.ts'
import type { FileIO, ObjectInfo, StoredObject, WriteCondition, WriteResult } from '../file-io.ts'
import {
  fileFacts,
  readExactly,
  removeStaleTemporaries,
  temporaryPrefix,
  unlinkIfPresent,
  writeTemporary,
} from './durable-file.ts'
import { toLakeError, withLocation } from './local-errors.ts'
import {
  type OpenHead,
  createObject,
  deleteObject,
  etagOf,
  openHead,
  replaceObject,
  swapObject,
} from './local-object.ts'
import { isHiddenName, localPath, pathLocation } from './local-path.ts'

export interface LocalFileIOOptions {
  /** Absolute directory; a location outside it is refused. */
  readonly root?: string
  readonly clock?: Clock
  readonly random?: Random
}

export class LocalFileIO implements FileIO {
  readonly #root: string | undefined
  readonly #clock: Clock
  readonly #random: Random
  /** Directories in which this process has looked for left-over temporary files. */
  readonly #tidied = new Set<string>()

  constructor(options: LocalFileIOOptions = {}) {
    this.#root = options.root
    this.#clock = options.clock ?? systemClock
    this.#random = options.random ?? systemRandom
  }

  async read(location: string, range?: ByteRange): Promise<Uint8Array> {
    const path = localPath(location, this.#root)
    if (range !== undefined) checkRange(range, location)
    return this.#withHead(path, location, async ({ handle }) => {
      const { size } = await fileStat(handle)
      const { start, end } = clipRange(range ?? { start: 0, end: size }, size, location)
      return readExactly(handle, start, end - start)
    })
  }

  async readObject(location: string): Promise<StoredObject> {
    const path = localPath(location, this.#root)
    return this.#withHead(path, location, async ({ head, handle }) => {
      const { fingerprint, sizeBytes } = await fileFacts(handle)
      const body = await readExactly(handle, 0, sizeBytes)
      return { body, etag: etagOf(head, fingerprint) }
    })
  }

  async stat(location: string): Promise<ObjectInfo | undefined> {
    return this.#stat(localPath(location, this.#root), location)
  }

  async write(
    location: string,
    body: Uint8Array,
    condition?: WriteCondition,
  ): Promise<WriteResult> {
    const path = localPath(location, this.#root)
    return withLocation(location, () =>
      this.#withTemporary(
        path,
        (temporary) => writeTemporary(temporary, (handle) => handle.writeFile(body)),
        (temporary) => this.#publish(path, temporary, condition),
      ),
    )
  }

  async upload(source: string, location: string): Promise<ObjectInfo> {
    const path = localPath(location, this.#root)
    await requireFile(source)
    const copy = async (temporary: string): Promise<void> => {
      // The empty file is made first so that a missing directory is made along with it.
      await writeTemporary(temporary, async () => undefined)
      await copyFile(source, temporary, constants.COPYFILE_FICLONE)
      const handle = await open(temporary, 'r+')
      try {
        await handle.sync()
      } finally {
        await handle.close()
      }
    }
    await withLocation(location, () =>
      this.#withTemporary(path, copy, (temporary) => replaceObject(path, temporary)),
    )
    const info = await this.#stat(path, location)
    if (info !== undefined) return info
    throw new UnavailableError('the object was deleted while it was written', {
      facts: { location },
    })
  }

  async download(location: string, target: string): Promise<void> {
    const path = localPath(location, this.#root)
    await this.#withHead(path, location, ({ handle }) =>
      replaceLocalFile(target, this.#random, async (file) => {
        const input = handle.createReadStream({ start: 0, autoClose: false })
        for await (const chunk of input) await file.append(chunk as Buffer)
      }),
    )
  }

  async delete(locations: readonly string[]): Promise<void> {
    const paths = locations.map((location) => localPath(location, this.#root))
    for (const [index, path] of paths.entries()) {
      await withLocation(locations[index] ?? path, () => deleteObject(path))
    }
  }

  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    const isWholeDirectory = prefix.endsWith('/')
    const path = isWholeDirectory
      ? localPath(prefix.slice(0, -1), this.#root)
      : localPath(prefix, this.#root)
    if (isWholeDirectory) yield* this.#walk(path, '')
    else yield* this.#walk(dirname(path), basename(path))
  }

  async close(): Promise<void> {
    this.#tidied.clear()
  }

  async *#walk(directory: string, start: string): AsyncIterable<ObjectInfo> {
    const entries = await readDirectory(directory)
    for (const entry of entries) {
      if (!entry.name.startsWith(start) || isHiddenName(entry.name)) continue
      const path = join(directory, entry.name)
      if (entry.isDirectory()) yield* this.#walk(path, '')
      if (!entry.isFile()) continue
      const info = await this.#stat(path, pathLocation(path))
      // It may have been deleted since the directory was read.
      if (info !== undefined) yield info
    }
  }

  async #stat(path: string, location: string): Promise<ObjectInfo | undefined> {
    const opened = await withLocation(location, () => openHead(path))
    if (opened === undefined) return undefined
    try {
      const { sizeBytes, modifiedMs, fingerprint } = await fileFacts(opened.handle)
      return { location, sizeBytes, modifiedMs, etag: etagOf(opened.head, fingerprint) }
    } catch (error) {
      if (hasCode(error, 'EISDIR')) return undefined
      throw toLakeError(error, location)
    } finally {
      await opened.handle.close()
    }
  }

  async #withHead<T>(
    path: string,
    location: string,
    use: (opened: OpenHead) => Promise<T>,
  ): Promise<T> {
    return withLocation(location, async () => {
      const opened = await openHead(path)
      if (opened === undefined) throw Object.assign(new Error('missing'), { code: 'ENOENT' })
      try {
        return await use(opened)
      } finally {
        await opened.handle.close()
      }
    })
  }

  #temporaryName(): string {
    return `${temporaryPrefix}${process.pid}-${randomUuid(this.#random)}`
  }

  async #withTemporary<T>(
    path: string,
    fill: (temporary: string) => Promise<void>,
    use: (temporary: string) => Promise<T>,
  ): Promise<T> {
    const directory = dirname(path)
    if (!this.#tidied.has(directory)) {
      this.#tidied.add(directory)
      await removeStaleTemporaries(directory, this.#clock.now())
    }
    const temporary = join(directory, this.#temporaryName())
    try {
      await fill(temporary)
      return await use(temporary)
    } finally {
      await unlinkIfPresent(temporary)
    }
  }

  async #publish(
    path: string,
    temporary: string,
    condition: WriteCondition | undefined,
  ): Promise<WriteResult> {
    if (condition === undefined) return replaceObject(path, temporary)
    if (condition.kind === 'if-absent') return createObject(path, temporary)
    return swapObject(path, temporary, condition.etag)
  }
}

async function fileStat(handle: FileHandle): Promise<{ size: number }> {
  const stats = await handle.stat()
  if (stats.isDirectory()) throw Object.assign(new Error('is a directory'), { code: 'EISDIR' })
  return stats
}

async function readDirectory(directory: string): ReturnType<typeof readDirents> {
  try {
    return await readDirents(directory)
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return []
    throw toLakeError(error, pathLocation(directory))
  }
}

async function readDirents(directory: string) {
  return readdir(directory, { withFileTypes: true })
}

async function requireFile(source: string): Promise<void> {
  const stats = await withLocation(pathLocation(source), () => stat(source))
  if (stats.isFile()) return
  throw new ValidationError('only a file can be uploaded', { facts: { path: source } })
}
