/**
 * An object store in memory with the conditional semantics of S3, for tests and the simulator.
 *
 * Every write gets an ETag that no other write of this store ever had. An operation takes effect in
 * one step between its call and its answer, so concurrent callers interleave as they do over HTTP.
 */
import { readFile } from 'node:fs/promises'
import {
  type Clock,
  NotFoundError,
  ValidationError,
  systemClock,
  systemRandom,
} from '../../common/index.ts'
import { replaceLocalFile } from '../local/replace-local-file.ts'
import { type ByteRange, clipRange } from '../byte-range.ts'
import type { FileIO, ObjectInfo, StoredObject, WriteCondition, WriteResult } from '../file-io.ts'
import { toLakeError } from '../local/local-errors.ts'
import { parseLocation } from '../location.ts'

interface MemoryObject {
  readonly body: Uint8Array
  readonly etag: string
  readonly modifiedMs: number
}

export class MemoryFileIO implements FileIO {
  readonly #clock: Clock
  readonly #objects = new Map<string, MemoryObject>()
  #writes = 0

  constructor(options: { readonly clock?: Clock } = {}) {
    this.#clock = options.clock ?? systemClock
  }

  async read(location: string, range?: ByteRange): Promise<Uint8Array> {
    const { body } = await this.#find(location)
    if (range === undefined) return body.slice()
    const { start, end } = clipRange(range, body.length, location)
    return body.slice(start, end)
  }

  async readObject(location: string): Promise<StoredObject> {
    const { body, etag } = await this.#find(location)
    return { body: body.slice(), etag }
  }

  async stat(location: string): Promise<ObjectInfo | undefined> {
    checkMemoryLocation(location)
    await turn()
    const object = this.#objects.get(location)
    return object === undefined ? undefined : infoOf(location, object)
  }

  async write(
    location: string,
    body: Uint8Array,
    condition?: WriteCondition,
  ): Promise<WriteResult> {
    checkMemoryLocation(location)
    const copy = Uint8Array.from(body)
    await turn()
    const existing = this.#objects.get(location)
    if (condition?.kind === 'if-absent' && existing !== undefined) {
      return { ok: false, reason: 'exists' }
    }
    if (condition?.kind === 'if-match' && existing?.etag !== condition.etag) {
      return { ok: false, reason: 'changed' }
    }
    const etag = `"m${++this.#writes}"`
    this.#objects.set(location, { body: copy, etag, modifiedMs: this.#clock.now() })
    // A second turn: other callers may act between the effect and the answer.
    await turn()
    return { ok: true, etag }
  }

  async upload(localPath: string, location: string): Promise<ObjectInfo> {
    await this.write(location, await readLocal(localPath))
    const stored = this.#objects.get(location)
    if (stored === undefined) throw notFound(location)
    return infoOf(location, stored)
  }

  async download(location: string, localPath: string): Promise<void> {
    const { body } = await this.#find(location)
    await replaceLocalFile(localPath, systemRandom, (file) => file.append(body))
  }

  async delete(locations: readonly string[]): Promise<void> {
    for (const location of locations) checkMemoryLocation(location)
    for (const location of locations) {
      await turn()
      this.#objects.delete(location)
    }
  }

  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    parseLocation(prefix)
    await turn()
    const matching = [...this.#objects].filter(([location]) => location.startsWith(prefix))
    for (const [location, object] of matching) yield infoOf(location, object)
  }

  async close(): Promise<void> {
    await turn()
  }

  async #find(location: string): Promise<MemoryObject> {
    checkMemoryLocation(location)
    await turn()
    const object = this.#objects.get(location)
    if (object === undefined) throw notFound(location)
    return object
  }
}

async function readLocal(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (error) {
    throw toLakeError(error, `file://${path}`)
  }
}

function checkMemoryLocation(location: string): void {
  const { scheme, authority, path } = parseLocation(location)
  if (scheme !== 'memory' || authority === '' || path === '') {
    throw new ValidationError('expected memory://name/key', { facts: { location } })
  }
}

function notFound(location: string): NotFoundError {
  return new NotFoundError('no such object', { facts: { location } })
}

function infoOf(location: string, object: MemoryObject): ObjectInfo {
  const { body, etag, modifiedMs } = object
  return { location, sizeBytes: body.length, etag, modifiedMs }
}

/** Lets every other pending caller take a step. */
function turn(): Promise<void> {
  return Promise.resolve()
}
