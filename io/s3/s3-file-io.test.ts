/**
 * What S3FileIO makes of answers that a healthy store rarely gives: a scripted HTTP server plays them.
 */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  AccessDeniedError,
  CorruptDataError,
  NotFoundError,
  SettingsError,
  UnavailableError,
  ValidationError,
  systemClock,
} from '../../common/index.ts'
import type { WriteCondition } from '../file-io.ts'
import { S3FileIO } from './s3-file-io.ts'
import type { S3Options } from './s3-options.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

const location = 's3://lake/pointer.json'
const body = Buffer.from('{}')
const ifAbsent: WriteCondition = { kind: 'if-absent' }
const ifMatch: WriteCondition = { kind: 'if-match', etag: '"e1"' }

let server: Server
let io: S3FileIO
let open: (more?: S3Options) => S3FileIO
let answers: Answer[]
let requests: { method: string; url: string; headers: IncomingMessage['headers'] }[]

beforeEach(async () => {
  answers = []
  requests = []
  server = createServer((request, response) => {
    requests.push({
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
    })
    request.resume()
    request.on('end', () => {
      const answer = answers.shift()
      if (answer === undefined) response.writeHead(599).end()
      else answer(request, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const options = {
    endpoint: `http://127.0.0.1:${port}`,
    accessKeyId: 'key',
    secretAccessKey: 'secret',
    attemptsMax: 3,
  }
  // Our own waits are skipped. Those of the SDK are a random part of up to a second: none of it here.
  vi.spyOn(Math, 'random').mockReturnValue(0)
  const clock = { ...systemClock, sleep: async () => undefined }
  open = (more = {}) => new S3FileIO({ ...options, ...more }, { clock })
  io = open()
})
afterEach(async () => {
  vi.restoreAllMocks()
  await io.close()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

describe('S3FileIO conditional writes', () => {
  test('[IO13] a lost condition is a value: 412 and, for if-match, a missing key', async () => {
    answers = [error(412, 'PreconditionFailed'), error(412, 'PreconditionFailed')]
    expect(await io.write(location, body, ifAbsent)).toEqual({ ok: false, reason: 'exists' })
    expect(await io.write(location, body, ifMatch)).toEqual({ ok: false, reason: 'changed' })
    answers = [error(404, 'NoSuchKey')]
    expect(await io.write(location, body, ifMatch)).toEqual({ ok: false, reason: 'changed' })
    expect(requests.map(({ headers }) => [headers['if-none-match'], headers['if-match']])).toEqual([
      ['*', undefined],
      [undefined, '"e1"'],
      [undefined, '"e1"'],
    ])
  })

  test('[IO13] the code counts, not the status: PreconditionFailed under another status', async () => {
    answers = [error(400, 'PreconditionFailed')]
    expect(await io.write(location, body, ifAbsent)).toEqual({ ok: false, reason: 'exists' })
    answers = [error(412, 'SomethingElse')]
    await expect(io.write(location, body, ifAbsent)).rejects.toThrow(UnavailableError)
  })

  test('[IO14] a conditional write is sent once, whatever the answer', async () => {
    const lost: Answer[] = [
      error(500, 'InternalError'),
      error(503, 'SlowDown'),
      (_, response) => response.writeHead(502).end('<html>bad gateway</html>'),
      (request) => request.socket.destroy(),
      // A success that no S3 sends.
      (_, response) => response.writeHead(200).end(),
    ]
    for (const answer of lost) {
      requests = []
      answers = [answer, ok()]
      await expect(io.write(location, body, ifMatch)).rejects.toThrow(UnavailableError)
      expect(requests).toHaveLength(1)
    }
    const impatient = open({ conditionalTimeoutMs: 1_000 })
    requests = []
    answers = [() => undefined, ok()]
    await expect(impatient.write(location, body, ifMatch)).rejects.toThrow(UnavailableError)
    expect(requests).toHaveLength(1)
    await impatient.close()
  })

  test('[IO14] a 409 of a write under way is sent again, unchanged', async () => {
    answers = [error(409, 'ConditionalRequestConflict'), error(409, 'OperationAborted'), ok('"e2"')]
    expect(await io.write(location, body, ifMatch)).toEqual({ ok: true, etag: '"e2"' })
    expect(requests.map(({ headers }) => headers['if-match'])).toEqual(['"e1"', '"e1"', '"e1"'])
  })

  test('[IO14] a condition lost after a resend is an unknown outcome', async () => {
    answers = [error(409, 'ConditionalRequestConflict'), error(412, 'PreconditionFailed')]
    await expect(io.write(location, body, ifAbsent)).rejects.toThrow(/outcome .* unknown/)
  })

  test('[IO14] resends of a 409 are bounded', async () => {
    answers = Array.from({ length: 20 }, () => error(409, 'ConditionalRequestConflict'))
    await expect(io.write(location, body, ifAbsent)).rejects.toThrow(UnavailableError)
    expect(requests).toHaveLength(6)
  })

  test('[IO13] refused keys and requests are told apart from unknown outcomes', async () => {
    answers = [error(403, 'AccessDenied')]
    await expect(io.write(location, body, ifMatch)).rejects.toThrow(AccessDeniedError)
    answers = [error(400, 'EntityTooLarge')]
    await expect(io.write(location, body, ifMatch)).rejects.toThrow(ValidationError)
  })
})

describe('S3FileIO other requests', () => {
  test('[IO15] plain requests are repeated after 500, 503 and a reset', async () => {
    answers = [error(500, 'InternalError'), error(503, 'SlowDown'), ok('"e"')]
    expect(await io.write(location, body)).toEqual({ ok: true, etag: '"e"' })
    answers = [(request) => request.socket.destroy(), content('hello')]
    expect(Buffer.from(await io.read(location)).toString()).toBe('hello')
  })

  test('[IO15] a body that breaks off is asked for again', async () => {
    const torn: Answer = (_, response) => {
      response.writeHead(200, { 'content-length': '5', etag: '"e"' }).write('he')
      setImmediate(() => response.destroy())
    }
    answers = [torn, torn, content('hello')]
    expect(Buffer.from(await io.read(location)).toString()).toBe('hello')
    expect(requests).toHaveLength(3)
  })

  test('[IO15] a body with a checksum that breaks off is asked for again', async () => {
    const headers = { etag: '"e"', 'x-amz-checksum-crc32': 'NhCmhg==' }
    const torn: Answer = (_, response) => {
      response.writeHead(200, { 'content-length': '5', ...headers }).write('he')
      setImmediate(() => response.destroy())
    }
    answers = [torn, content('hello', { 'x-amz-checksum-crc32': 'NhCmhg==' })]
    expect(Buffer.from(await io.read(location)).toString()).toBe('hello')
    expect(requests).toHaveLength(2)
  })

  test('[IO15] a body that stalls is given up and asked for again', async () => {
    const stalled: Answer = (_, response) => {
      response.writeHead(200, { 'content-length': '5', etag: '"e"' }).write('he')
    }
    const impatient = open({ idleTimeoutMs: 1_000 })
    answers = [stalled, content('hello')]
    expect(Buffer.from(await impatient.read(location)).toString()).toBe('hello')
    await impatient.close()
  })

  test('[IO15] bytes that contradict their checksum never reach the caller', async () => {
    const flipped: Answer = (_, response) => {
      response
        .writeHead(200, { 'content-length': '5', etag: '"e"', 'x-amz-checksum-crc32': 'NhCmhg==' })
        .end('jello')
    }
    answers = Array.from({ length: 4 }, () => flipped)
    await expect(io.read(location)).rejects.toThrow(CorruptDataError)
    answers = [flipped, content('hello', { 'x-amz-checksum-crc32': 'NhCmhg==' })]
    expect(Buffer.from(await io.read(location)).toString()).toBe('hello')
  })

  test('[IO12] download() that fails leaves no file behind, and one that is resumed no doubled bytes', async () => {
    const folder = await mkdtemp(join(tmpdir(), 's3-file-io-'))
    const torn: Answer = (_, response) => {
      response.writeHead(200, { 'content-length': '5', etag: '"e"' }).write('he')
      setImmediate(() => response.destroy())
    }
    answers = [torn, torn, torn, torn]
    await expect(io.download(location, join(folder, 'out'))).rejects.toThrow(UnavailableError)
    expect(await readdir(folder)).toEqual([])
    answers = [torn, content('hello')]
    await io.download(location, join(folder, 'out'))
    expect(await readFile(join(folder, 'out'), 'utf8')).toBe('hello')
    await rm(folder, { recursive: true })
  })

  test('[IO2] a store that ignores ranges is corrected', async () => {
    answers = [content('0123456789')]
    expect(Buffer.from(await io.read(location, { start: 3, end: 6 })).toString()).toBe('345')
  })

  test('[IO16] errors are told apart by what the caller can do', async () => {
    const cases: [Answer, new (message: string) => Error, RegExp][] = [
      [error(404, 'NoSuchKey'), NotFoundError, /no such object/],
      [
        error(404, 'NoSuchBucket'),
        NotFoundError,
        /no such bucket: create it .tide doctor --create-bucket/,
      ],
      [error(403, 'SignatureDoesNotMatch'), AccessDeniedError, /secret access key is wrong/],
      [error(403, 'RequestTimeTooSkewed'), AccessDeniedError, /clock/],
      [error(301, 'PermanentRedirect'), SettingsError, /s3.region/],
      [error(416, 'InvalidRange'), ValidationError, /refused/],
    ]
    for (const [answer, kind, message] of cases) {
      answers = Array.from({ length: 3 }, () => answer)
      const thrown = await io.read(location).catch((caught: unknown) => caught)
      expect(thrown).toBeInstanceOf(kind)
      expect(String(thrown)).toMatch(message)
      answers = []
    }
  })

  test('[IO16] delete() names an object that the store kept', async () => {
    const kept = `<Error><Key>a</Key><Code>AccessDenied</Code><Message>no</Message></Error>`
    answers = [(_, response) => response.end(`<DeleteResult>${kept}</DeleteResult>`)]
    await expect(io.delete(['s3://lake/a', 's3://lake/b'])).rejects.toThrow(
      /may not delete.*lake\/a/,
    )
  })

  test('[IO9] list() follows every page', async () => {
    const page = (key: string, next?: string): Answer => {
      const more = next === undefined ? 'false' : 'true'
      const token =
        next === undefined ? '' : `<NextContinuationToken>${next}</NextContinuationToken>`
      return (_, response) =>
        response.end(
          `<ListBucketResult><IsTruncated>${more}</IsTruncated>${token}<Contents><Key>${key}</Key>` +
            `<Size>1</Size><ETag>"e"</ETag></Contents></ListBucketResult>`,
        )
    }
    answers = [page('t/a', 'n1'), page('t/b', 'n2'), page('t/c')]
    const found = []
    for await (const info of io.list('s3a://lake/t/')) found.push(info.location)
    expect(found).toEqual(['s3a://lake/t/a', 's3a://lake/t/b', 's3a://lake/t/c'])
    expect(requests.map(({ url }) => new URL(url, 'http://x').searchParams.get('prefix'))).toEqual([
      't/',
      't/',
      't/',
    ])
  })

  test('at most requestsMax requests are under way', async () => {
    const { port } = server.address() as AddressInfo
    const narrow = new S3FileIO({
      endpoint: `http://127.0.0.1:${port}`,
      accessKeyId: 'key',
      secretAccessKey: 'secret',
      requestsMax: 3,
    })
    let open = 0
    let most = 0
    const slow: Answer = (_, response) => {
      most = Math.max(most, ++open)
      setTimeout(() => {
        open--
        ok('"e"')(_, response)
      }, 10)
    }
    answers = Array.from({ length: 20 }, () => slow)
    await Promise.all(Array.from({ length: 20 }, (_, n) => narrow.write(`s3://lake/${n}`, body)))
    expect(most).toBe(3)
    await narrow.close()
  })

  test('locations that climb or name no key are refused before any request', async () => {
    for (const bad of ['s3://lake', 's3://lake/', 's3://lake/a/', 's3://lake/a/../b', 's3:///a']) {
      await expect(io.write(bad, body)).rejects.toThrow(ValidationError)
    }
    expect(requests).toEqual([])
  })

  test('half a key pair and an endpoint that is no url are refused', () => {
    expect(() => new S3FileIO({ accessKeyId: 'key' })).toThrow(SettingsError)
    expect(() => new S3FileIO({ endpoint: '127.0.0.1:9000' })).toThrow(SettingsError)
  })
})

function ok(etag = '"e"'): Answer {
  return (_, response) => response.writeHead(200, { etag }).end()
}

function content(text: string, headers: Record<string, string> = {}): Answer {
  return (_, response) => {
    response.writeHead(200, { 'content-length': String(text.length), etag: '"e"', ...headers })
    response.end(text)
  }
}

function error(status: number, code: string): Answer {
  return (_, response) => {
    response.writeHead(status, { 'content-type': 'application/xml' })
    response.end(`<Error><Code>${code}</Code><Message>scripted</Message></Error>`)
  }
}
