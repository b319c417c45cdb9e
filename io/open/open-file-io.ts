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
import type { FileIO } from '../file-io.ts'
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
  return routingFileIO({
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

/** Sends each operation to the store of its location, which is opened at its first use. */
function routingFileIO(open: Readonly<Record<StoreKind, () => Promise<FileIO>>>): FileIO {
  const stores = new Map<StoreKind, Promise<FileIO>>()
  const storeOf = (location: string): Promise<FileIO> => {
    const kind = kindOf(location)
    const store = stores.get(kind) ?? open[kind]()
    stores.set(kind, store)
    return store
  }
  return {
    read: async (location, range) => (await storeOf(location)).read(location, range),
    readObject: async (location) => (await storeOf(location)).readObject(location),
    stat: async (location) => (await storeOf(location)).stat(location),
    write: async (location, body, condition) =>
      (await storeOf(location)).write(location, body, condition),
    upload: async (localPath, location) => (await storeOf(location)).upload(localPath, location),
    download: async (location, localPath) =>
      (await storeOf(location)).download(location, localPath),
    delete: async (locations) => {
      const groups = new Map<StoreKind, string[]>()
      for (const location of locations) {
        const kind = kindOf(location)
        const group = groups.get(kind) ?? []
        group.push(location)
        groups.set(kind, group)
      }
      for (const group of groups.values()) {
        const [first = ''] = group
        await (await storeOf(first)).delete(group)
      }
    },
    async *list(prefix) {
      yield* (await storeOf(prefix)).list(prefix)
    },
    close: async () => {
      const opened = [...stores.values()]
      stores.clear()
      for (const store of opened) await (await store).close()
    },
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
