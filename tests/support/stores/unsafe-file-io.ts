/**
 * A store that breaks one promise of conditional writes, around one that keeps them: what the
 * certification of a store must find (failures.md, fault 7).
 */
import { type Clock, systemClock } from '../../../common/index.ts'
import type { ByteRange } from '../../../io/byte-range.ts'
import type {
  FileIO,
  ObjectInfo,
  StoredObject,
  WriteCondition,
  WriteResult,
} from '../../../io/file-io.ts'

/**
 * `ignore-if-absent`, `ignore-if-match`: the header is not looked at. `create-on-if-match`: a missing
 * key satisfies if-match. `check-then-write`: conditions are checked, but not in one step with the
 * write, so that only a race shows it. `lost-write`: some writes are confirmed and not kept.
 */
export type BrokenPromise =
  | 'ignore-if-absent'
  | 'ignore-if-match'
  | 'create-on-if-match'
  | 'check-then-write'
  | 'lost-write'

export class UnsafeFileIO implements FileIO {
  readonly #inner: FileIO
  readonly #broken: BrokenPromise
  readonly #clock: Clock
  #writes = 0

  constructor(inner: FileIO, broken: BrokenPromise, clock: Clock = systemClock) {
    this.#inner = inner
    this.#broken = broken
    this.#clock = clock
  }

  read(location: string, range?: ByteRange): Promise<Uint8Array> {
    return this.#inner.read(location, range)
  }

  readObject(location: string): Promise<StoredObject> {
    return this.#inner.readObject(location)
  }

  stat(location: string): Promise<ObjectInfo | undefined> {
    return this.#inner.stat(location)
  }

  async write(
    location: string,
    body: Uint8Array,
    condition?: WriteCondition,
  ): Promise<WriteResult> {
    if (condition === undefined) return this.#inner.write(location, body)
    if (this.#broken === 'lost-write' && ++this.#writes % 3 === 0) {
      return { ok: true, etag: `"lost-${this.#writes}"` }
    }
    if (this.#broken === 'check-then-write') return this.#checkThenWrite(location, body, condition)
    return this.#inner.write(location, body, await this.#heeded(location, condition))
  }

  upload(localPath: string, location: string): Promise<ObjectInfo> {
    return this.#inner.upload(localPath, location)
  }

  download(location: string, localPath: string): Promise<void> {
    return this.#inner.download(location, localPath)
  }

  delete(locations: readonly string[]): Promise<void> {
    return this.#inner.delete(locations)
  }

  list(prefix: string): AsyncIterable<ObjectInfo> {
    return this.#inner.list(prefix)
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  async #heeded(location: string, condition: WriteCondition): Promise<WriteCondition | undefined> {
    if (condition.kind === 'if-absent') {
      return this.#broken === 'ignore-if-absent' ? undefined : condition
    }
    if (this.#broken === 'ignore-if-match') return undefined
    const isMissing = (await this.#inner.stat(location)) === undefined
    return this.#broken === 'create-on-if-match' && isMissing ? undefined : condition
  }

  async #checkThenWrite(
    location: string,
    body: Uint8Array,
    condition: WriteCondition,
  ): Promise<WriteResult> {
    const found = await this.#inner.stat(location)
    if (condition.kind === 'if-absent' && found !== undefined)
      return { ok: false, reason: 'exists' }
    if (condition.kind === 'if-match' && found?.etag !== condition.etag) {
      return { ok: false, reason: 'changed' }
    }
    await this.#clock.sleep(1)
    return this.#inner.write(location, body)
  }
}
