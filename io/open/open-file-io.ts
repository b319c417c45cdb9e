/**
 * The stores by the scheme of a location, so that one warehouse may name another's files.
 *
 * The S3 client is loaded when the first `s3://` location is used: a command that works on a local
 * directory does not wait for the SDK.
 */
import {
  type Clock,
  type Random,
  ValidationError,
  systemClock,
  systemRandom,
} from '../../common/index.ts'
import type {
  ByteRange,
  FileIO,
  ObjectInfo,
  StoredObject,
  WriteCondition,
  WriteResult,
} from '../file-io.ts'
import { LocalFileIO } from '../local/local-file-io.ts'
import { locationScheme, parseLocation } from '../location.ts'
import { MemoryFileIO } from '../memory/memory-file-io.ts'
import type { BucketAdmin } from '../s3/s3-bucket-admin.ts'
import type { S3Options } from '../s3/s3-options.ts'

export interface FileIOSettings {
  readonly s3?: S3Options
  /** Absolute directory that `file://` locations must lie in. */
  readonly localRoot?: string
}

export interface FileIOParts {
  readonly clock?: Clock
  readonly random?: Random
}

type StoreKind = 's3' | 'local' | 'memory'

const kinds: Readonly<Record<string, StoreKind>> = {
  s3: 's3',
  s3a: 's3',
  s3n: 's3',
  file: 'local',
  memory: 'memory',
}

/** A FileIO that serves `s3://`, `s3a://`, `file://` and `memory://` locations. */
export function openFileIO(settings: FileIOSettings = {}, parts: FileIOParts = {}): FileIO {
  const clock = parts.clock ?? systemClock
  const random = parts.random ?? systemRandom
  return new RoutingFileIO({
    s3: () => openS3FileIO(settings.s3, { clock, random }),
    local: async () =>
      new LocalFileIO({
        clock,
        random,
        ...(settings.localRoot === undefined ? {} : { root: settings.localRoot }),
      }),
    memory: async () => new MemoryFileIO({ clock }),
  })
}

export async function openS3FileIO(
  options: S3Options = {},
  parts: FileIOParts = {},
): Promise<FileIO> {
  const { S3FileIO } = await import('../s3/s3-file-io.ts')
  return new S3FileIO(options, parts)
}

/** What standing up a bucket needs and reading and writing objects does not. */
export async function openBucketAdmin(options: S3Options = {}): Promise<BucketAdmin> {
  const { S3BucketAdmin } = await import('../s3/s3-bucket-admin.ts')
  return new S3BucketAdmin(options)
}

class RoutingFileIO implements FileIO {
  readonly #open: Readonly<Record<StoreKind, () => Promise<FileIO>>>
  readonly #stores = new Map<StoreKind, Promise<FileIO>>()

  constructor(open: Readonly<Record<StoreKind, () => Promise<FileIO>>>) {
    this.#open = open
  }

  async read(location: string, range?: ByteRange): Promise<Uint8Array> {
    return (await this.#store(location)).read(location, range)
  }

  async readObject(location: string): Promise<StoredObject> {
    return (await this.#store(location)).readObject(location)
  }

  async stat(location: string): Promise<ObjectInfo | undefined> {
    return (await this.#store(location)).stat(location)
  }

  async write(
    location: string,
    body: Uint8Array,
    condition?: WriteCondition,
  ): Promise<WriteResult> {
    return (await this.#store(location)).write(location, body, condition)
  }

  async upload(localPath: string, location: string): Promise<ObjectInfo> {
    return (await this.#store(location)).upload(localPath, location)
  }

  async download(location: string, localPath: string): Promise<void> {
    return (await this.#store(location)).download(location, localPath)
  }

  async delete(locations: readonly string[]): Promise<void> {
    const groups = new Map<StoreKind, string[]>()
    for (const location of locations) {
      const kind = kindOf(location)
      const group = groups.get(kind) ?? []
      group.push(location)
      groups.set(kind, group)
    }
    for (const group of groups.values()) {
      const [first = ''] = group
      await (await this.#store(first)).delete(group)
    }
  }

  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    yield* (await this.#store(prefix)).list(prefix)
  }

  async close(): Promise<void> {
    const stores = [...this.#stores.values()]
    this.#stores.clear()
    for (const store of stores) await (await store).close()
  }

  #store(location: string): Promise<FileIO> {
    const kind = kindOf(location)
    const existing = this.#stores.get(kind)
    if (existing !== undefined) return existing
    const opened = this.#open[kind]()
    this.#stores.set(kind, opened)
    return opened
  }
}

function kindOf(location: string): StoreKind {
  const kind = kinds[locationScheme(location)]
  if (kind !== undefined) return kind
  // Says what a location looks like when this is none at all.
  parseLocation(location)
  throw new ValidationError('no store serves this scheme; known are s3, s3a, file and memory', {
    facts: { location },
  })
}
