import { createServer, type IncomingHttpHeaders } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { describe, expect, it } from 'vitest'
import { makeClients } from './s3-options.ts'

const keys = { accessKeyId: 'key', secretAccessKey: 'secret', region: 'us-east-1' }

/** What a PUT to a store at `127.0.0.1` looks like, addressed by `host`. */
async function headersOfPut(host: string): Promise<IncomingHttpHeaders> {
  let seen: IncomingHttpHeaders = {}
  const server = createServer((request, response) => {
    seen = request.headers
    request.resume().on('end', () => response.writeHead(200, { etag: '"e"' }).end())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const { bulk } = makeClients({ ...keys, endpoint: `http://${host}:${port}` })
  const body = Buffer.from('a body')
  await bulk.send(new PutObjectCommand({ Bucket: 'b', Key: 'k', Body: body }))
  bulk.destroy()
  server.close()
  return seen
}

describe('makeClients()', () => {
  it('leaves bodies to their CRC-32 where nobody on the way could alter them', async () => {
    const headers = await headersOfPut('127.0.0.1')
    expect(headers['x-amz-content-sha256']).toBe('UNSIGNED-PAYLOAD')
    expect(headers['x-amz-checksum-crc32']).toBeDefined()
    expect(headers.authorization).toMatch(/SignedHeaders=[^,]*x-amz-checksum-crc32/)
  })

  it('signs bodies that go over a network in the clear', async () => {
    // Another name of this machine, which does not say so.
    const headers = await headersOfPut('0.0.0.0')
    expect(headers['x-amz-content-sha256']).toMatch(/^[0-9a-f]{64}$/)
  })

  it.each([
    ['https://minio.example', true],
    [undefined, true],
    ['http://[::1]:9000', true],
    ['http://minio.example:9000', false],
    ['http://127.0.0.1.example', false],
  ])('takes %s for safe: %s', (endpoint, isSafe) => {
    const { bulk } = makeClients({ ...keys, endpoint })
    expect(bulk.middlewareStack.identify().some((name) => name.startsWith('unsignedBody'))).toBe(
      isSafe,
    )
  })
})
