/**
 * A bounded cache of immutable objects on this machine's disk, shared by processes.
 *
 * DuckDB can only read S3 through an extension that may not be there; without it data files are
 * fetched through `FileIO` once and read as local files. Data files never change, so a cached copy
 * is right for as long as it is whole.
 *
 * Invariants (docs/spec/sql.md):
 *  - Q8: an entry appears whole, by rename(2); a copy whose size is not the manifest's is not used.
 *  - Q9: what a lease holds cannot vanish while it is read, whichever process evicts: a lease is a
 *    directory of hard links, and eviction only unlinks the entry.
 */
import { createHash } from 'node:crypto'
import { link, mkdir, readdir, rename, rm, stat, unlink, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { FileIO } from '../../io/index.ts'
import {
  CorruptDataError,
  UnsupportedError,
  errorMessage,
  mapLimited,
  randomUuid,
  silentLogger,
  systemClock,
  systemRandom,
  type Clock,
  type Logger,
  type Random,
  isRunning,
} from '../../common/index.ts'

export interface FileCacheOptions {
  readonly io: FileIO
  readonly directory: string
  readonly bytesMax: number
  /** Part of each entry's key, so that two stores with the same object names do not mix. */
  readonly scope?: string
  readonly downloadsMax?: number
  readonly clock?: Clock
  readonly random?: Random
  readonly logger?: Logger
}

export interface CacheableFile {
  readonly location: string
  readonly sizeBytes: number
}

/** Files held for one reader. `release` must be called, also after a failure. */
export interface FileLease {
  /** Local paths by location. */
  readonly paths: ReadonlyMap<string, string>
  readonly bytesFetched: number
  release(): Promise<void>
}

/** A lease of a process that died is removed after this time. */
const staleLeaseMs = 24 * 3_600_000

export class FileCache {
  readonly #io: FileIO
  readonly #entries: string
  readonly #leases: string
  readonly #bytesMax: number
  readonly #scope: string
  readonly #downloadsMax: number
  readonly #clock: Clock
  readonly #random: Random
  readonly #logger: Logger
  /** Downloads under way in this process, by entry name, so that two queries share one. */
  readonly #downloads = new Map<string, Promise<void>>()

  constructor(options: FileCacheOptions) {
    this.#io = options.io
    this.#entries = join(options.directory, 'entries')
    this.#leases = join(options.directory, 'leases')
    this.#bytesMax = options.bytesMax
    this.#scope = options.scope ?? ''
    this.#downloadsMax = options.downloadsMax ?? 8
    this.#clock = options.clock ?? systemClock
    this.#random = options.random ?? systemRandom
    this.#logger = options.logger ?? silentLogger
  }

  /** Brings all `files` to this machine and holds them. */
  async lease(files: readonly CacheableFile[]): Promise<FileLease> {
    const total = files.reduce((sum, file) => sum + file.sizeBytes, 0)
    if (total > this.#bytesMax) {
      throw new UnsupportedError(
        'the query reads more than the local file cache holds: filter more, raise its size, or read s3 directly with the httpfs extension',
        { facts: { bytes: total, cache_bytes: this.#bytesMax, files: files.length } },
      )
    }
    const directory = join(this.#leases, `${process.pid}-${randomUuid(this.#random)}`)
    await mkdir(this.#entries, { recursive: true, mode: 0o700 })
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const release = (): Promise<void> => rm(directory, { recursive: true, force: true })
    try {
      const paths = new Map<string, string>()
      const fetched = await this.#takeAll(files, directory, paths)
      if (fetched > 0) await this.#evict()
      return { paths, bytesFetched: fetched, release }
    } catch (error) {
      await release()
      throw error
    }
  }

  async #takeAll(
    files: readonly CacheableFile[],
    directory: string,
    paths: Map<string, string>,
  ): Promise<number> {
    let fetched = 0
    const take = async (file: CacheableFile): Promise<void> => {
      const path = join(directory, this.#entryName(file.location))
      if (await this.#take(file, path)) fetched += file.sizeBytes
      paths.set(file.location, path)
    }
    await mapLimited(files, take, { limit: this.#downloadsMax })
    return fetched
  }

  /** Links the entry to `path`; true when it had to be fetched. */
  async #take(file: CacheableFile, path: string): Promise<boolean> {
    const name = this.#entryName(file.location)
    const entry = join(this.#entries, name)
    if (await this.#linkWhole(entry, path, file.sizeBytes)) return false
    for (let attempt = 0; attempt < 3; attempt++) {
      await this.#download(name, file)
      // Another process may evict the entry between its arrival and our link.
      if (await this.#linkWhole(entry, path, file.sizeBytes)) return true
    }
    throw new CorruptDataError('cannot keep a file in the local cache', {
      facts: { location: file.location, size: file.sizeBytes },
    })
  }

  async #linkWhole(entry: string, path: string, sizeBytes: number): Promise<boolean> {
    try {
      await link(entry, path)
    } catch (error) {
      if (isMissing(error)) return false
      throw error
    }
    const { size } = await stat(path)
    if (size === sizeBytes) {
      const now = this.#clock.now() / 1000
      // Eviction goes by the time of last use; a lost update only makes its choice a little worse.
      await utimes(path, now, now).catch(() => undefined)
      return true
    }
    await unlink(path)
    await unlinkIfThere(entry)
    return false
  }

  async #download(name: string, file: CacheableFile): Promise<void> {
    const running = this.#downloads.get(name)
    if (running !== undefined) return running
    const download = this.#fetch(name, file).finally(() => this.#downloads.delete(name))
    this.#downloads.set(name, download)
    return download
  }

  async #fetch(name: string, file: CacheableFile): Promise<void> {
    const temporary = join(this.#entries, `.${name}.${randomUuid(this.#random)}.part`)
    try {
      await this.#io.download(file.location, temporary)
      const { size } = await stat(temporary)
      if (size !== file.sizeBytes) {
        throw new CorruptDataError('the object is not as long as the manifest says', {
          facts: { location: file.location, size, manifest: file.sizeBytes },
        })
      }
      await rename(temporary, join(this.#entries, name))
    } catch (error) {
      await unlinkIfThere(temporary)
      throw error
    }
  }

  /** Unlinks entries, the longest unused first, until the bound holds; clears up after the dead. */
  async #evict(): Promise<void> {
    const now = this.#clock.now()
    const entries: { path: string; size: number; usedMs: number }[] = []
    for (const name of await readdir(this.#entries)) {
      const path = join(this.#entries, name)
      const info = await statIfThere(path)
      if (info === undefined) continue
      const isPart = name.endsWith('.part')
      if (isPart && now - info.mtimeMs > staleLeaseMs) await unlinkIfThere(path)
      if (!isPart) entries.push({ path, size: info.size, usedMs: info.mtimeMs })
    }
    let total = entries.reduce((sum, entry) => sum + entry.size, 0)
    entries.sort((a, b) => a.usedMs - b.usedMs)
    for (const entry of entries) {
      if (total <= this.#bytesMax) break
      await unlinkIfThere(entry.path)
      total -= entry.size
    }
    await this.#removeStaleLeases(now)
  }

  async #removeStaleLeases(now: number): Promise<void> {
    for (const name of await readdir(this.#leases)) {
      const path = join(this.#leases, name)
      const info = await statIfThere(path)
      const pid = Number(name.split('-')[0])
      if (info === undefined || pid === process.pid) continue
      if (isRunning(pid) && now - info.mtimeMs < staleLeaseMs) continue
      await rm(path, { recursive: true, force: true }).catch((error: unknown) => {
        this.#logger.warn('sql.cache.lease-not-removed', { path, error: errorMessage(error) })
      })
    }
  }

  #entryName(location: string): string {
    return createHash('sha256').update(`${this.#scope}\n${location}`).digest('hex')
  }
}

async function statIfThere(
  path: string,
): Promise<{ readonly size: number; readonly mtimeMs: number } | undefined> {
  try {
    return await stat(path)
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}
