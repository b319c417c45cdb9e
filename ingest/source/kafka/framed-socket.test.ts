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

  it.each(['48545450', 'ffffffff', '7fffffff'])(
    'takes no memory for a length of 0x%s and hands everything on',
    (length) => {
      const stream = Buffer.concat([
        frame(3, 1),
        Buffer.from(length, 'hex'),
        Buffer.alloc(200_000, 7),
      ])
      const seen: Buffer[] = []
      read(stream, [10, 20_000, 100_000], seen)
      expect(seen[0]).toEqual(frame(3, 1))
      expect(Buffer.concat(seen).equals(stream)).toBe(true)
    },
  )

  it('fills memory that was given back, and no other', () => {
    const pool = new FramePool()
    const seen: Buffer[] = []
    const reader = new FrameReader(pool, (bytes) => seen.push(bytes))
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
  fill(new FrameReader(new FramePool(), (bytes) => seen.push(bytes)), stream, cuts)
}

/** As a socket does: each read brings as much as there is space for, or less. */
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
