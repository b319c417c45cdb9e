/**
 * Files of this machine to S3: one PUT for small ones, parts for large ones, never more than a few
 * parts in memory. What fails half-way is aborted, so that no invisible parts are paid for.
 */
import { type FileHandle, open } from 'node:fs/promises'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  type CompletedPart,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { mapLimited, NotFoundError, UnavailableError, ValidationError } from '../../common/index.ts'
import type { RequestGate } from './request-gate.ts'
import type { S3Location } from './s3-location.ts'

export interface UploadLimits {
  /** Files larger than this are sent in parts. */
  readonly singleBytesMax: number
  readonly partBytes: number
  readonly partsAtOnce: number
}

export const defaultUploadLimits: UploadLimits = {
  singleBytesMax: 64 * 1024 * 1024,
  partBytes: 16 * 1024 * 1024,
  partsAtOnce: 3,
}

/** S3's own bound on the number of parts. */
const partsMax = 10_000

interface Upload {
  readonly client: S3Client
  readonly gate: RequestGate
  readonly target: { readonly Bucket: string; readonly Key: string }
  readonly file: FileHandle
  readonly localPath: string
  readonly sizeBytes: number
}

/** Sends the file and returns its size; the caller compares it with what the store holds. */
export async function uploadFile(
  client: S3Client,
  gate: RequestGate,
  localPath: string,
  { bucket, key }: S3Location,
  limits: UploadLimits,
): Promise<number> {
  const file = await openSource(localPath)
  try {
    const stats = await file.stat()
    if (!stats.isFile()) {
      throw new ValidationError('only a file can be uploaded', { facts: { path: localPath } })
    }
    const target = { Bucket: bucket, Key: key }
    const upload = { client, gate, target, file, localPath, sizeBytes: stats.size }
    if (stats.size > limits.singleBytesMax) await sendParts(upload, limits)
    else await sendWhole(upload)
    return stats.size
  } finally {
    await file.close()
  }
}

async function openSource(localPath: string): Promise<FileHandle> {
  try {
    return await open(localPath, 'r')
  } catch (error) {
    throw new NotFoundError('the file to upload cannot be opened', {
      facts: { path: localPath },
      cause: error,
    })
  }
}

async function sendWhole({ client, gate, target, ...source }: Upload): Promise<void> {
  await gate.run(async () => {
    const body = await readPart(source, 0, source.sizeBytes)
    await client.send(new PutObjectCommand({ ...target, Body: body }))
  })
}

async function sendParts(upload: Upload, limits: UploadLimits): Promise<void> {
  const { client, gate, target, sizeBytes } = upload
  const created = await gate.run(() => client.send(new CreateMultipartUploadCommand(target)))
  const uploadId = created.UploadId
  if (uploadId === undefined) {
    throw new UnavailableError('the store gave no upload id', { facts: { key: target.Key } })
  }
  const partBytes = Math.max(limits.partBytes, Math.ceil(sizeBytes / partsMax))
  const starts = Array.from({ length: Math.ceil(sizeBytes / partBytes) }, (_, at) => at * partBytes)
  try {
    const parts = await mapLimited(
      starts,
      (_, index) => sendPart(upload, uploadId, index, partBytes),
      { limit: limits.partsAtOnce },
    )
    await complete(upload, uploadId, parts)
  } catch (error) {
    await abort(upload, uploadId)
    throw error
  }
}

async function sendPart(
  upload: Upload,
  uploadId: string,
  index: number,
  partBytes: number,
): Promise<CompletedPart> {
  const { client, gate, target, sizeBytes } = upload
  const start = index * partBytes
  return gate.run(async () => {
    const body = await readPart(upload, start, Math.min(partBytes, sizeBytes - start))
    const PartNumber = index + 1
    const sent = await client.send(
      new UploadPartCommand({ ...target, UploadId: uploadId, PartNumber, Body: body }),
    )
    return {
      PartNumber,
      ...(sent.ETag === undefined ? {} : { ETag: sent.ETag }),
      ...(sent.ChecksumCRC32 === undefined ? {} : { ChecksumCRC32: sent.ChecksumCRC32 }),
    }
  })
}

async function complete(
  { client, gate, target, sizeBytes }: Upload,
  uploadId: string,
  parts: readonly CompletedPart[],
): Promise<void> {
  const finish = new CompleteMultipartUploadCommand({
    ...target,
    UploadId: uploadId,
    MultipartUpload: { Parts: [...parts] },
  })
  try {
    await gate.run(() => client.send(finish))
  } catch (error) {
    // The SDK repeats the request when an answer was lost, and the repetition finds the upload gone
    // because the first one finished it. The object itself, assembled from as many parts, tells.
    if ((error as Error).name !== 'NoSuchUpload') throw error
    const head = await gate.run(() => client.send(new HeadObjectCommand(target)))
    const isOurs = head.ContentLength === sizeBytes && head.ETag?.endsWith(`-${parts.length}"`)
    if (isOurs !== true) throw error
  }
}

async function abort({ client, gate, target }: Upload, uploadId: string): Promise<void> {
  const command = new AbortMultipartUploadCommand({ ...target, UploadId: uploadId })
  try {
    await gate.run(() => client.send(command))
  } catch {
    // The upload has failed already, and that error is the one to tell; a bucket's life-cycle rule
    // (AbortIncompleteMultipartUpload) removes parts that stay behind.
  }
}

async function readPart(
  source: Pick<Upload, 'file' | 'localPath' | 'sizeBytes'>,
  start: number,
  length: number,
): Promise<Uint8Array> {
  const body = Buffer.allocUnsafe(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await source.file.read(body, filled, length - filled, start + filled)
    if (bytesRead === 0) {
      throw new ValidationError('the file shrank while it was uploaded', {
        facts: { path: source.localPath, size: source.sizeBytes },
      })
    }
    filled += bytesRead
  }
  return body
}
