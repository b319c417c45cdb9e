/**
 * S3, MinIO and whatever speaks their protocol as a FileIO.
 *
 * Plain requests are repeated by the SDK; conditional writes are sent once (s3-options.ts says why)
 * and everything about their answer that is not certain is an error: "outcome unknown".
 */
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
  type PutObjectCommandOutput,
} from '@aws-sdk/client-s3'
import {
  AccessDeniedError,
  type Clock,
  LakeError,
  type Random,
  UnavailableError,
  ValidationError,
  backoffMs,
  systemClock,
  systemRandom,
} from '../../common/index.ts'
import { replaceLocalFile } from '../local/replace-local-file.ts'
import { type ByteRange, checkRange } from '../byte-range.ts'
import type { FileIO, ObjectInfo, StoredObject, WriteCondition, WriteResult } from '../file-io.ts'
import { RequestGate } from './request-gate.ts'
import { writeIf, written } from './s3-conditional-write.ts'
import { failureOf, isMissingKey, missingBucket, toLakeError } from './s3-errors.ts'
import { type S3Location, s3Object, s3Prefix } from './s3-location.ts'
import { type S3Clients, type S3Options, makeClients } from './s3-options.ts'
import { type UploadLimits, defaultUploadLimits, uploadFile } from './s3-upload.ts'

/** S3's bound on keys in one DeleteObjects request. */
const deleteKeysMax = 1000
/** Readings of a body that broke off; the request itself is repeated by the SDK. */
const bodyAttemptsMax = 4
const waits = { retriesMax: 5, waitMsMin: 50, waitMsMax: 2_000, totalMsMax: 30_000 }

export interface S3Parts {
  readonly clock?: Clock
  readonly random?: Random
  readonly uploadLimits?: UploadLimits
}

export class S3FileIO implements FileIO {
  readonly #clients: S3Clients
  readonly #gate: RequestGate
  readonly #clock: Clock
  readonly #random: Random
  readonly #uploadLimits: UploadLimits
  /** Buckets that have answered: a HEAD cannot tell a missing bucket from a missing key. */
  readonly #existingBuckets = new Set<string>()

  constructor(options: S3Options = {}, parts: S3Parts = {}) {
    this.#clients = makeClients(options)
    this.#gate = new RequestGate(this.#clients.requestsMax)
    this.#clock = parts.clock ?? systemClock
    this.#random = parts.random ?? systemRandom
    this.#uploadLimits = parts.uploadLimits ?? defaultUploadLimits
  }

  async read(location: string, range?: ByteRange): Promise<Uint8Array> {
    const target = s3Object(location)
    if (range !== undefined && checkRange(range, location).start === range.end) {
      return this.#readNothing(location, range.start)
    }
    return (await this.#get(target, location, range)).body
  }

  async readObject(location: string): Promise<StoredObject> {
    const { body, output } = await this.#get(s3Object(location), location)
    if (output.ETag === undefined) {
      throw new UnavailableError('the store gave no etag', { facts: { location } })
    }
    return { body, etag: output.ETag }
  }

  async stat(location: string): Promise<ObjectInfo | undefined> {
    const { bucket, key } = s3Object(location)
    try {
      const command = new HeadObjectCommand({ Bucket: bucket, Key: key })
      const head = await this.#gate.run(() => this.#clients.bulk.send(command))
      this.#existingBuckets.add(bucket)
      return {
        location,
        sizeBytes: head.ContentLength ?? 0,
        etag: head.ETag ?? '',
        modifiedMs: head.LastModified?.getTime() ?? 0,
      }
    } catch (error) {
      if (!isMissingKey(failureOf(error))) {
        throw toLakeError(error, { operation: 'stat', bucket, location })
      }
      await this.#requireBucket(bucket)
      return undefined
    }
  }

  async write(
    location: string,
    body: Uint8Array,
    condition?: WriteCondition,
  ): Promise<WriteResult> {
    const target = s3Object(location)
    if (condition !== undefined) {
      const send = (input: PutObjectCommandInput): Promise<PutObjectCommandOutput> =>
        this.#gate.run(() => this.#clients.conditional.send(new PutObjectCommand(input)))
      const pause = (resent: number): Promise<void> =>
        this.#clock.sleep(backoffMs(waits, resent, this.#random))
      return writeIf({ target, location, body, condition, send, pause })
    }
    const command = new PutObjectCommand({ Bucket: target.bucket, Key: target.key, Body: body })
    return this.#attempt('write', target.bucket, location, async () => {
      const output = await this.#gate.run(() => this.#clients.bulk.send(command))
      return written(output.ETag, location)
    })
  }

  async upload(localPath: string, location: string): Promise<ObjectInfo> {
    const target = s3Object(location)
    const { bulk } = this.#clients
    const sizeBytes = await this.#attempt('upload', target.bucket, location, () =>
      uploadFile(bulk, this.#gate, localPath, target, this.#uploadLimits),
    )
    const info = await this.stat(location)
    if (info?.sizeBytes === sizeBytes) return info
    throw new UnavailableError('the store does not hold what was uploaded', {
      facts: { location, size: sizeBytes, stored: info?.sizeBytes },
    })
  }

  async download(location: string, localPath: string): Promise<void> {
    const target = s3Object(location)
    await replaceLocalFile(localPath, this.#random, (file) =>
      this.#reading(target, location, async (output) => {
        await file.restart()
        for await (const chunk of chunksOf(output)) await file.append(chunk)
      }),
    )
  }

  async delete(locations: readonly string[]): Promise<void> {
    const keysByBucket = new Map<string, string[]>()
    for (const location of locations) {
      const { bucket, key } = s3Object(location)
      const keys = keysByBucket.get(bucket) ?? []
      keys.push(key)
      keysByBucket.set(bucket, keys)
    }
    for (const [bucket, keys] of keysByBucket) {
      for (let at = 0; at < keys.length; at += deleteKeysMax) {
        await this.#deleteBatch(bucket, keys.slice(at, at + deleteKeysMax))
      }
    }
  }

  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    const { scheme, bucket, key } = s3Prefix(prefix)
    let token: string | undefined
    do {
      const command = new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: key,
        ...(token === undefined ? {} : { ContinuationToken: token }),
      })
      const page = await this.#attempt('list', bucket, prefix, () =>
        this.#gate.run(() => this.#clients.bulk.send(command)),
      )
      this.#existingBuckets.add(bucket)
      for (const entry of page.Contents ?? []) {
        // A key that ends in a slash is a folder that some console drew, not an object of ours.
        if (entry.Key === undefined || entry.Key.endsWith('/')) continue
        yield {
          location: `${scheme}://${bucket}/${entry.Key}`,
          sizeBytes: entry.Size ?? 0,
          etag: entry.ETag ?? '',
          modifiedMs: entry.LastModified?.getTime() ?? 0,
        }
      }
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined
    } while (token !== undefined)
  }

  async close(): Promise<void> {
    this.#clients.bulk.destroy()
    this.#clients.conditional.destroy()
  }

  async #readNothing(location: string, start: number): Promise<Uint8Array> {
    const info = await this.stat(location)
    if (info === undefined) {
      const { bucket } = s3Object(location)
      throw toLakeError(
        { name: 'NoSuchKey', message: 'missing' },
        { operation: 'read', bucket, location },
      )
    }
    if (start <= info.sizeBytes) return new Uint8Array()
    throw new ValidationError('the range starts past the end of the object', {
      facts: { location, start, size: info.sizeBytes },
    })
  }

  async #get(
    target: S3Location,
    location: string,
    range?: ByteRange,
  ): Promise<{ readonly body: Uint8Array; readonly output: GetObjectCommandOutput }> {
    return this.#reading(
      target,
      location,
      async (output) => {
        const chunks: Uint8Array[] = []
        for await (const chunk of chunksOf(output)) chunks.push(chunk)
        const received = Buffer.concat(chunks)
        // A store that knows no ranges sends the whole object.
        const isWhole = range !== undefined && output.ContentRange === undefined
        return { body: isWhole ? received.subarray(range.start, range.end) : received, output }
      },
      range,
    )
  }

  /** Gets an object and reads its body; a body that breaks off is asked for again. */
  async #reading<T>(
    { bucket, key }: S3Location,
    location: string,
    use: (output: GetObjectCommandOutput) => Promise<T>,
    range?: ByteRange,
  ): Promise<T> {
    const command = new GetObjectCommand({
      Bucket: bucket,
      Key: key,
      ...(range === undefined ? {} : { Range: `bytes=${range.start}-${range.end - 1}` }),
    })
    return this.#attempt('read', bucket, location, () =>
      this.#gate.run(async () => {
        for (let tried = 1; ; tried++) {
          const output = await this.#clients.bulk.send(command)
          this.#existingBuckets.add(bucket)
          try {
            return await use(output)
          } catch (error) {
            // An error of ours came from this machine: asking the store again does not help.
            if (error instanceof LakeError || tried >= bodyAttemptsMax) throw error
            await this.#clock.sleep(backoffMs(waits, tried, this.#random))
          }
        }
      }),
    )
  }

  async #deleteBatch(bucket: string, keys: readonly string[]): Promise<void> {
    const command = new DeleteObjectsCommand({
      Bucket: bucket,
      Delete: { Objects: keys.map((key) => ({ Key: key })), Quiet: true },
    })
    const output = await this.#attempt('delete', bucket, `s3://${bucket}`, () =>
      this.#gate.run(() => this.#clients.bulk.send(command)),
    )
    const failed = (output.Errors ?? []).filter(({ Code }) => Code !== 'NoSuchKey')
    const first = failed[0]
    if (first === undefined) return
    const options = {
      facts: {
        location: `s3://${bucket}/${first.Key ?? ''}`,
        code: first.Code,
        reason: first.Message,
        failed: failed.length,
        requested: keys.length,
      },
    }
    if (first.Code === 'AccessDenied') {
      throw new AccessDeniedError('these keys may not delete objects', options)
    }
    throw new UnavailableError('the store did not delete every object', options)
  }

  async #requireBucket(bucket: string): Promise<void> {
    if (this.#existingBuckets.has(bucket)) return
    try {
      const command = new HeadBucketCommand({ Bucket: bucket })
      await this.#gate.run(() => this.#clients.bulk.send(command))
    } catch (error) {
      const { code, status } = failureOf(error)
      if (status === 404) throw missingBucket(bucket, error)
      // Keys that may not ask about the bucket: the missing object stands as the answer.
      if (status !== 403 && code !== 'AccessDenied') {
        throw toLakeError(error, { operation: 'stat', bucket })
      }
    }
    this.#existingBuckets.add(bucket)
  }

  async #attempt<T>(
    operation: string,
    bucket: string,
    location: string,
    request: () => Promise<T>,
  ): Promise<T> {
    try {
      return await request()
    } catch (error) {
      throw toLakeError(error, { operation, bucket, location })
    }
  }
}

/** A body that ends before its content length is an error of Node's, not a short body. */
function chunksOf(output: GetObjectCommandOutput): AsyncIterable<Uint8Array> {
  if (output.Body === undefined) throw new UnavailableError('the store sent no body')
  return output.Body as AsyncIterable<Uint8Array>
}
