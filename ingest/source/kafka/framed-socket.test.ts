import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FramePool } from './frame-pool.ts'
import { FrameReader, connectFramed } from './framed-socket.ts'

describe('FrameReader', () => {
  it('gives whole frames, however the reads cut the stream', () => {
    const size = fc.oneof(fc.nat(40), fc.nat(200_000))
    fc.assert(
      fc.property(fc.array(size, { maxLength: 8 }), fc.array(fc.nat(100_000)), (sizes, cuts) => {
        const frames = sizes.map((length, index) => frame(length, index))
        const seen: Buffer[] = []
        read(Buffer.concat(frames), cuts, seen)
        expect(seen.map(({ length }) => length)).toEqual(frames.map(({ length }) => length))
        expect(Buffer.concat(seen).equals(Buffer.concat(frames))).toBe(true)
      }),
    )
  })

  it.each([
    [
      'an answer of a web server',
      Buffer.from('HTTP/1.1 400 Bad Request\r\n'),
      'NOT_KAFKA',
      'HTTP/1.1',
    ],
    ['a length below zero', Buffer.alloc(8, 0xff), 'NOT_KAFKA', 'begins with'],
    [
      'a length beyond all answers',
      Buffer.from([0x7f, 0xff, 0xff, 0xff]),
      'NOT_KAFKA',
      'begins with',
    ],
    ['a TLS alert', Buffer.from([0x15, 3, 3, 0, 2, 2, 50]), 'ANSWERED_IN_TLS', 'TLS alert'],
  ])('takes no memory for %s and ends the connection with it', (_, foreign, code, message) => {
    const seen: Buffer[] = []
    const failures: Error[] = []
    const reader = new FrameReader(
      new FramePool(),
      (bytes) => seen.push(bytes),
      (error) => failures.push(error),
    )
    fill(reader, Buffer.concat([frame(3, 1), foreign]), [])
    expect(seen).toEqual([frame(3, 1)])
    expect(failures[0]).toMatchObject({ code, message: expect.stringContaining(message) })
  })

  it('fills memory that was given back, and no other', () => {
    const pool = new FramePool()
    const seen: Buffer[] = []
    const reader = new FrameReader(pool, (bytes) => seen.push(bytes), thrown)
    for (const index of [1, 2]) fill(reader, frame(3 << 20, index), [])
    expect(seen[0]?.buffer).not.toBe(seen[1]?.buffer)
    expect(seen.map((bytes) => bytes.equals(frame(3 << 20, seen.indexOf(bytes) + 1)))).toEqual([
      true,
      true,
    ])
    pool.give(seen[0]?.buffer as ArrayBuffer)
    fill(reader, frame(2 << 20, 3), [])
    expect(seen[2]?.buffer).toBe(seen[0]?.buffer)
    expect(seen[2]?.equals(frame(2 << 20, 3))).toBe(true)
    expect(seen[1]?.equals(frame(3 << 20, 2))).toBe(true)
  })
})

describe('FramePool', () => {
  it('keeps no more than three, those that were used last', () => {
    const pool = new FramePool()
    const taken = Array.from({ length: 5 }, () => pool.take(2 << 20).buffer as ArrayBuffer)
    for (const memory of taken) pool.give(memory)
    const again = Array.from({ length: 4 }, () => pool.take(2 << 20).buffer)
    expect(again.slice(0, 3)).toEqual([taken[4], taken[3], taken[2]])
    expect(taken).not.toContain(again[3])
  })

  it('keeps nothing where nobody takes', () => {
    const pool = new FramePool()
    const foreign = new ArrayBuffer(2 << 20)
    pool.give(foreign)
    expect(pool.take(2 << 20).buffer).not.toBe(foreign)
  })

  it('leaves small answers to the runtime', () => {
    const pool = new FramePool()
    const small = pool.take(1_000)
    pool.give(small.buffer as ArrayBuffer)
    expect(pool.take(1_000).buffer).not.toBe(small.buffer)
  })
})

describe('connectFramed', () => {
  it('emits whole answers as data, and the end', async () => {
    const frames = [frame(10, 1), frame(5 << 20, 2), frame(0, 3)]
    const server = createServer((socket) => socket.end(Buffer.concat(frames)))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const target = { host: '127.0.0.1', port, onConnect: () => undefined }
    const socket = connectFramed(target, new FramePool())
    const seen: Buffer[] = []
    socket.on('data', (bytes: Buffer) => seen.push(bytes))
    await once(socket, 'end')
    expect(seen.map((bytes, index) => bytes.equals(frames[index] as Buffer))).toEqual([
      true,
      true,
      true,
    ])
    await new Promise((resolve) => server.close(resolve))
  })
})

/** A length and as many bytes, different for each `index`. */
function frame(length: number, index: number): Buffer {
  const bytes = Buffer.alloc(4 + length, index + 1)
  bytes.writeInt32BE(length)
  return bytes
}

function read(stream: Buffer, cuts: readonly number[], seen: Buffer[]): void {
  fill(new FrameReader(new FramePool(), (bytes) => seen.push(bytes), thrown), stream, cuts)
}

/** As a socket does: each read brings as much as there is space for, or less. */
function thrown(error: Error): never {
  throw error
}

function fill(reader: FrameReader, stream: Buffer, cuts: readonly number[]): void {
  for (let at = 0, reads = 0; at < stream.length; reads++) {
    const space = reader.space()
    const offered = cuts.length === 0 ? Infinity : (cuts[reads % cuts.length] ?? 0) + 1
    const count = Math.min(space.length, offered, stream.length - at)
    stream.copy(space, 0, at, at + count)
    at += count
    reader.filled(count)
  }
}
