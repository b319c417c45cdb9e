/**
 * The whole seam to object storage: whole objects, byte ranges, conditional writes, listings.
 *
 * A location is absolute: `s3://bucket/key`, `file:///dir/name` or `memory://name/key`. An object
 * becomes visible whole or not at all. Losing a conditional write is a value, not an exception,
 * because it is an ordinary event of the commit protocol; an exception from a conditional write
 * means that the outcome is unknown unless it is one of AccessDeniedError and ValidationError.
 */
import type { ByteRange } from './byte-range.ts'

export type WriteCondition =
  | { readonly kind: 'if-absent' }
  | { readonly kind: 'if-match'; readonly etag: string }

export type WriteResult =
  | { readonly ok: true; readonly etag: string }
  /** `exists`: if-absent found an object. `changed`: if-match found another ETag, or no object. */
  | { readonly ok: false; readonly reason: 'exists' | 'changed' }

export interface ObjectInfo {
  readonly location: string
  readonly sizeBytes: number
  readonly etag: string
  readonly modifiedMs: number
}

export interface StoredObject {
  readonly body: Uint8Array
  readonly etag: string
}

export interface FileIO {
  /** Reads an object or a range of it. Throws NotFoundError, UnavailableError, AccessDeniedError. */
  read(location: string, range?: ByteRange): Promise<Uint8Array>
  /** Reads an object together with the ETag that a later `if-match` write needs. */
  readObject(location: string): Promise<StoredObject>
  /** Size, ETag and time, or undefined when there is no such object. */
  stat(location: string): Promise<ObjectInfo | undefined>
  /**
   * Writes an object. With a condition exactly one of several racing writers gets `ok: true`.
   * Conditional writes are sent once and never retried inside.
   */
  write(location: string, body: Uint8Array, condition?: WriteCondition): Promise<WriteResult>
  /** Copies a file of this machine to `location`; returns what was stored (size as the store says). */
  upload(localPath: string, location: string): Promise<ObjectInfo>
  /** Copies an object to a file of this machine, whole or not at all. */
  download(location: string, localPath: string): Promise<void>
  /** Deletes objects; a missing one is not an error. */
  delete(locations: readonly string[]): Promise<void>
  /** Every object whose location starts with `prefix`, in no promised order. */
  list(prefix: string): AsyncIterable<ObjectInfo>
  close(): Promise<void>
}
