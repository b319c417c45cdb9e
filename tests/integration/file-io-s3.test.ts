/** The FileIO suite, and what only a real store can show, over a real MinIO. */
import { createHash, randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AccessDeniedError, NotFoundError, UnavailableError } from '../../common/index.ts'
import { type FileIO, type S3Options, openFileIO, openS3FileIO } from '../../io/index.ts'
import { describeFileIO } from '../conformance/describe-file-io.ts'
import { type MinioService, freePort, requirePart, startMinio } from '../support/services/index.ts'

const bucket = 'file-io'

describe.skipIf(!requirePart('minio'))('S3FileIO over MinIO', () => {
  let minio: MinioService
  let io: FileIO
  let scratch: string

  const options = (): S3Options => ({
    endpoint: minio.endpoint,
    accessKeyId: minio.accessKeyId,
    secretAccessKey: minio.secretAccessKey,
  })
  const refused = async (wrong: S3Options): Promise<unknown> => {
    const other = await openS3FileIO({ ...options(), ...wrong })
    try {
      return await other.readObject(`s3://${bucket}/any`).then(
        () => undefined,
        (error: unknown) => error,
      )
    } finally {
      await other.close()
    }
  }

  beforeAll(async () => {
    minio = await startMinio({ buckets: [bucket] })
    io = await openS3FileIO(options())
    scratch = await mkdtemp(join(tmpdir(), 'file-io-s3-'))
  })
  afterAll(async () => {
    await io?.close()
    await minio?.stop()
    if (scratch !== undefined) await rm(scratch, { recursive: true, force: true })
  })

  describeFileIO('s3', async () => ({
    io: await openS3FileIO(options()),
    prefix: `s3://${bucket}/${randomUUID()}/`,
  }))

  describeFileIO('s3a through the router', async () => ({
    io: openFileIO({ s3: options() }),
    prefix: `s3a://${bucket}/${randomUUID()}/`,
  }))

  test('[IO11] upload() sends a large file in parts and the bytes arrive', async () => {
    const body = Buffer.alloc(70 * 1024 * 1024 + 12_345)
    for (let at = 0; at < body.length; at += 4096) body.writeUInt32LE(at, at)
    const source = join(scratch, 'large.bin')
    const target = join(scratch, 'large-back.bin')
    await writeFile(source, body)
    const location = `s3://${bucket}/large.bin`
    const info = await io.upload(source, location)
    expect(info.sizeBytes).toBe(body.length)
    expect(info.etag).toMatch(/-5"$/)
    await io.download(location, target)
    expect(sha256(await readFile(target))).toBe(sha256(body))
    const middle = { start: 33_000_000, end: 33_000_100 }
    const part = await io.read(location, middle)
    expect(body.subarray(middle.start, middle.end).equals(part)).toBe(true)
  })

  test('[IO16] a missing bucket is named together with the way out', async () => {
    const location = 's3://no-such-bucket-here/key'
    const attempts = [
      () => io.read(location),
      () => io.stat(location),
      () => io.write(location, Buffer.from('x')),
      () => io.write(location, Buffer.from('x'), { kind: 'if-absent' }),
      () => io.write(location, Buffer.from('x'), { kind: 'if-match', etag: '"1"' }),
      () => io.delete([location]),
      () => collect(io.list(location)),
    ]
    for (const attempt of attempts) {
      const error = await attempt().then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
      expect(error).toBeInstanceOf(NotFoundError)
      expect(String(error)).toMatch(/no such bucket: create it.*bucket=no-such-bucket-here/)
    }
  })

  test('[IO16] wrong keys are AccessDeniedError that says which one is wrong', async () => {
    const unknown = await refused({ accessKeyId: 'nobody' })
    expect(unknown).toBeInstanceOf(AccessDeniedError)
    expect(String(unknown)).toMatch(/does not know this access key id/)
    const wrong = await refused({ secretAccessKey: 'not-the-secret' })
    expect(wrong).toBeInstanceOf(AccessDeniedError)
    expect(String(wrong)).toMatch(/secret access key is wrong/)
  })

  test('[IO16] nobody listening is UnavailableError, soon', async () => {
    const port = await freePort()
    const error = await refused({ endpoint: `http://127.0.0.1:${port}`, attemptsMax: 2 })
    expect(error).toBeInstanceOf(UnavailableError)
    expect(String(error)).toContain('ECONNREFUSED')
  })
})

async function collect(items: AsyncIterable<unknown>): Promise<unknown[]> {
  const found = []
  for await (const item of items) found.push(item)
  return found
}

function sha256(body: Uint8Array): string {
  return createHash('sha256').update(body).digest('hex')
}
