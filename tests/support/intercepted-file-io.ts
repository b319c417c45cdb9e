/**
 * A FileIO whose writes and reads a test steps between, to lose, delay or double exactly one request.
 */
import type {
  ByteRange,
  FileIO,
  ObjectInfo,
  StoredObject,
  WriteCondition,
  WriteResult,
} from '../../io/index.ts'

export interface WriteCall {
  readonly location: string
  readonly body: Uint8Array
  readonly condition: WriteCondition | undefined
  /** Sends the request to the store. */
  send(): Promise<WriteResult>
}

export interface ReadCall {
  readonly location: string
  send(): Promise<StoredObject>
}

export class InterceptedFileIO implements FileIO {
  readonly #inner: FileIO
  readonly deleted: string[] = []
  onWrite: (call: WriteCall) => Promise<WriteResult> = (call) => call.send()
  onRead: (call: ReadCall) => Promise<StoredObject> = (call) => call.send()

  constructor(inner: FileIO) {
    this.#inner = inner
  }

  write(location: string, body: Uint8Array, condition?: WriteCondition): Promise<WriteResult> {
    const send = (): Promise<WriteResult> => this.#inner.write(location, body, condition)
    return this.onWrite({ location, body, condition, send })
  }

  readObject(location: string): Promise<StoredObject> {
    return this.onRead({ location, send: () => this.#inner.readObject(location) })
  }

  async read(location: string, range?: ByteRange): Promise<Uint8Array> {
    return this.#inner.read(location, range)
  }

  stat(location: string): Promise<ObjectInfo | undefined> {
    return this.#inner.stat(location)
  }

  upload(localPath: string, location: string): Promise<ObjectInfo> {
    return this.#inner.upload(localPath, location)
  }

  download(location: string, localPath: string): Promise<void> {
    return this.#inner.download(location, localPath)
  }

  delete(locations: readonly string[]): Promise<void> {
    this.deleted.push(...locations)
    return this.#inner.delete(locations)
  }

  list(prefix: string): AsyncIterable<ObjectInfo> {
    return this.#inner.list(prefix)
  }

  close(): Promise<void> {
    return this.#inner.close()
  }
}
