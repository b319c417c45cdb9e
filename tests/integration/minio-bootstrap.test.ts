/** Standing up and certifying a real MinIO, and refusing one behind a gateway that drops conditions. */
import { type Server, createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  AccessDeniedError,
  NotFoundError,
  UnavailableError,
  UnsupportedError,
  ValidationError,
} from '../../common/index.ts'
import { type BucketAdmin, type FileIO, openBucketAdmin, openS3FileIO } from '../../io/index.ts'
import {
  type StoreRole,
  bootstrapBucket,
  certifyStore,
  probeStore,
  refuseUnsafeStore,
  rolePolicy,
  startNativeMinio,
} from '../../minio/index.ts'
import {
  type MinioService,
  freePort,
  installMinio,
  requirePart,
  startMinio,
} from '../support/services/index.ts'
import { signV4 } from '../support/sign-v4.ts'

const bucket = 'lake'
const warehouse = `s3://${bucket}/warehouse`
const body = Buffer.from('x')

describe.skipIf(!requirePart('minio'))('MinIO stood up and certified', () => {
  let minio: MinioService
  let admin: BucketAdmin
  let root: FileIO

  const rootKeys = (): { accessKeyId: string; secretAccessKey: string } => ({
    accessKeyId: minio.accessKeyId,
    secretAccessKey: minio.secretAccessKey,
  })

  beforeAll(async () => {
    minio = await startMinio()
    admin = await openBucketAdmin({ endpoint: minio.endpoint, ...rootKeys() })
    root = await openS3FileIO({ endpoint: minio.endpoint, ...rootKeys() })
  })
  afterAll(async () => {
    await admin?.close()
    await root?.close()
    await minio?.stop()
  })

  test('[IO23] bootstrapBucket() creates what is missing and may be run again', async () => {
    await expect(root.stat(`${warehouse}/x`)).rejects.toThrow(NotFoundError)
    const options = { bucket, prefix: 'warehouse', versioning: true }
    const first = await bootstrapBucket(admin, options)
    expect(first.steps.map((step) => step.outcome)).toEqual(['done', 'done'])
    expect(first.policies.map(({ role }) => role)).toEqual(['ingest', 'reader', 'sweeper'])
    const second = await bootstrapBucket(admin, options)
    expect(second.steps.map((step) => step.outcome)).toEqual(['already', 'already'])
    expect(await admin.isVersioned(bucket)).toBe(true)
    expect(await root.stat(`${warehouse}/x`)).toBeUndefined()
  })

  test('[IO23] bootstrapBucket() refuses a scope before it creates anything', async () => {
    const options = { bucket: 'other-lake', prefix: 'ware*house' }
    await expect(bootstrapBucket(admin, options)).rejects.toThrow(ValidationError)
    expect(await admin.exists('other-lake')).toBe(false)
  })

  test('[IO23] bootstrapBucket() never replaces a policy that it did not write', async () => {
    const foreign = {
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { AWS: ['*'] },
          Action: ['s3:GetObject'],
          Resource: ['arn:aws:s3:::guarded/public/*'],
        },
      ],
    }
    await admin.create('guarded')
    await admin.setPolicy('guarded', JSON.stringify(foreign))
    const principals = { reader: ['arn:aws:iam::123456789012:user/reader'] }
    const report = await bootstrapBucket(admin, { bucket: 'guarded', prefix: 'w', principals })
    expect(report.steps.at(-1)).toMatchObject({ name: 'policy', outcome: 'refused' })
    expect(await admin.policy('guarded')).toContain('public/*')
  })

  test('[IO23] the roles can do what their policy says and nothing else', async () => {
    const location = `${warehouse}/t/data/file.parquet`
    await root.write(location, body)
    await root.write(`s3://${bucket}/elsewhere/secret`, body)
    const can = async (role: StoreRole): Promise<Record<string, boolean>> => {
      const io = await openS3FileIO({ endpoint: minio.endpoint, ...(await assume(role)) })
      const pointer = `${warehouse}/_catalog/${role}`
      const answers = {
        read: await allowed(io.read(location)),
        list: await allowed(collect(io.list(`${warehouse}/t/`))),
        stat: await allowed(io.stat(`${warehouse}/missing`)),
        write: await allowed(io.write(`${warehouse}/t/data/${role}`, body)),
        create: await allowed(io.write(pointer, body, { kind: 'if-absent' })),
        readElsewhere: await allowed(io.read(`s3://${bucket}/elsewhere/secret`)),
        listElsewhere: await allowed(collect(io.list(`s3://${bucket}/elsewhere/`))),
        writeElsewhere: await allowed(io.write(`s3://${bucket}/elsewhere/x`, body)),
        delete: await allowed(io.delete([location])),
      }
      await io.close()
      return answers
    }
    const reader = {
      read: true,
      list: true,
      stat: true,
      write: false,
      create: false,
      readElsewhere: false,
      listElsewhere: false,
      writeElsewhere: false,
      delete: false,
    }
    expect(await can('reader')).toEqual(reader)
    expect(await can('ingest')).toEqual({ ...reader, write: true, create: true })
    expect(await can('sweeper')).toEqual({ ...reader, write: true, create: true, delete: true })
  })

  test('[IO22] certifyStore() passes this MinIO, with the rights of ingest too', async () => {
    const checks = await certifyStore(root, `${warehouse}/_catalog/certify`)
    expect(checks.filter((check) => !check.ok)).toEqual([])
    const ingest = await openS3FileIO({ endpoint: minio.endpoint, ...(await assume('ingest')) })
    expect((await probeStore(ingest, `${warehouse}/_catalog/probe`)).every(({ ok }) => ok)).toBe(
      true,
    )
    const asIngest = await certifyStore(ingest, `${warehouse}/_catalog/certify`, { rounds: 3 })
    expect(asIngest.every(({ ok }) => ok)).toBe(true)
    expect(asIngest.at(-1)?.detail).toMatch(/may not delete/)
    await ingest.close()
  })

  test('[IO22] a gateway that drops the conditions in front of MinIO is refused', async () => {
    const gateway = await startDroppingGateway()
    const { port } = gateway.address() as AddressInfo
    const io = await openS3FileIO({ endpoint: `http://127.0.0.1:${port}`, ...rootKeys() })
    try {
      await io.write(`${warehouse}/through`, Buffer.from('the gateway works'))
      expect(Buffer.from(await io.read(`${warehouse}/through`)).toString()).toBe(
        'the gateway works',
      )
      const probe = await probeStore(io, `${warehouse}/_catalog/gateway`)
      expect(probe.map(({ ok }) => ok)).toEqual([false, false, false])
      expect(() => refuseUnsafeStore(probe, warehouse)).toThrow(UnsupportedError)
      const checks = await certifyStore(io, `${warehouse}/_catalog/gateway`)
      expect(checks.filter(({ ok }) => ok).map(({ name }) => name)).toEqual(['clean-up'])
    } finally {
      await io.close()
      gateway.closeAllConnections()
      await new Promise((resolve) => gateway.close(resolve))
    }
  })

  test('startNativeMinio() starts a server, says why when it cannot, and ends it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'native-minio-'))
    const options = {
      binaryPath: join(await installMinio(), 'minio'),
      dataDirectory: join(folder, 'data'),
      port: await freePort(),
      accessKeyId: 'tidewater',
      secretAccessKey: 'tidewater-secret',
      logPath: join(folder, 'minio.log'),
    }
    const server = await startNativeMinio(options)
    try {
      expect((await fetch(`${server.endpoint}/minio/health/live`)).ok).toBe(true)
      await expect(
        startNativeMinio({ ...options, dataDirectory: join(folder, 'second') }),
      ).rejects.toThrow(/another process listens.*port=/)
    } finally {
      await server.stop()
    }
    await server.stop()
    await expect(fetch(server.endpoint)).rejects.toThrow()
    // Node exits at once over arguments that are MinIO's.
    await expect(startNativeMinio({ ...options, binaryPath: process.execPath })).rejects.toThrow(
      UnavailableError,
    )
    await expect(
      startNativeMinio({ ...options, binaryPath: join(folder, 'no-such-binary') }),
    ).rejects.toThrow(NotFoundError)
    await rm(folder, { recursive: true, force: true })
  })

  /** Temporary keys that are bound by the role's policy (MinIO's AssumeRole). */
  async function assume(role: StoreRole): Promise<{
    accessKeyId: string
    secretAccessKey: string
    sessionToken: string
  }> {
    const policy = JSON.stringify(rolePolicy(role, { bucket, prefix: 'warehouse' }))
    const form = new URLSearchParams({
      Action: 'AssumeRole',
      Version: '2011-06-15',
      Policy: policy,
    })
    const text = form.toString()
    const url = new URL(minio.endpoint)
    const type = { 'content-type': 'application/x-www-form-urlencoded' }
    const signed = signV4(
      { method: 'POST', url, headers: type, service: 'sts', body: text },
      rootKeys(),
      new Date(),
    )
    const response = await fetch(url, { method: 'POST', headers: signed, body: text })
    const xml = await response.text()
    const part = (name: string): string => {
      const found = new RegExp(`<${name}>([^<]+)</${name}>`).exec(xml)?.[1]
      if (found === undefined) throw new Error(`no ${name} in ${xml}`)
      return found
    }
    return {
      accessKeyId: part('AccessKeyId'),
      secretAccessKey: part('SecretAccessKey'),
      sessionToken: part('SessionToken'),
    }
  }

  /** Forwards to MinIO without If-Match and If-None-Match, and signs again, as some gateways do. */
  async function startDroppingGateway(): Promise<Server> {
    const dropped = /^(if-match|if-none-match|authorization|host|connection|expect)$/
    const unsigned = /^(x-amz-|content-type$|content-md5$)/
    const gateway = createServer((incoming, outgoing) => {
      const url = new URL(incoming.url ?? '/', minio.endpoint)
      const kept = Object.entries(incoming.headers).flatMap(([name, value]) =>
        dropped.test(name) || typeof value !== 'string' ? [] : [[name, value] as const],
      )
      const toSign = Object.fromEntries(kept.filter(([name]) => unsigned.test(name)))
      const signed = signV4(
        { method: incoming.method ?? '', url, headers: toSign, service: 's3' },
        rootKeys(),
        new Date(),
      )
      const headers = { ...Object.fromEntries(kept), ...signed }
      const forwarded = httpRequest(url, { method: incoming.method, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(outgoing)
      })
      forwarded.once('error', () => outgoing.destroy())
      incoming.pipe(forwarded)
    })
    await new Promise<void>((resolve) => gateway.listen(0, '127.0.0.1', resolve))
    return gateway
  }
})

async function allowed(request: Promise<unknown>): Promise<boolean> {
  try {
    await request
    return true
  } catch (error) {
    if (error instanceof AccessDeniedError) return false
    throw error
  }
}

async function collect(items: AsyncIterable<unknown>): Promise<unknown[]> {
  const found = []
  for await (const item of items) found.push(item)
  return found
}
