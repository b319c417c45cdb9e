import { randomBytes } from 'node:crypto'
import { compressFrameSync, compressSync } from 'lz4-napi'
import { compressSync as snappyCompress } from 'snappy'
import { beforeAll, describe, expect, it } from 'vitest'
import { CorruptDataError } from '../../common/index.ts'
import {
  loadRecordCompression,
  recordCodecs,
  type RecordCompression,
} from './record-compression.ts'
import { uncompressKafkaSnappy } from './snappy-framing.ts'
import { zstdBytesMax } from './zstd-frame.ts'

const compressible = Buffer.from('{"some":"value","n":1234567890}'.repeat(20_000))
const samples: Readonly<Record<string, Buffer>> = {
  empty: Buffer.alloc(0),
  'one byte': Buffer.of(7),
  'of high entropy': randomBytes(300_000),
  compressible,
  zeros: Buffer.alloc(5_000_000),
}

describe('RecordCompression', () => {
  let compression: RecordCompression
  beforeAll(async () => {
    compression = await loadRecordCompression()
  })

  for (const codec of recordCodecs) {
    for (const [name, sample] of Object.entries(samples)) {
      it(`${codec} gives back bytes that are ${name}`, () => {
        const packed = compression.compress(codec, sample)
        expect(Buffer.from(compression.decompress(codec, packed)).equals(sample)).toBe(true)
      })
    }
  }

  it.each(recordCodecs.filter((codec) => codec !== 'none'))(
    '%s reports cut and damaged data as corrupt or gives something, but never hangs or dies',
    (codec) => {
      const packed = Buffer.from(compression.compress(codec, compressible.subarray(0, 5_000)))
      for (let cut = 0; cut < packed.length; cut += 7) {
        expectSound(() => compression.decompress(codec, packed.subarray(0, cut)))
      }
      for (let at = 0; at < packed.length; at++) {
        const damaged = Buffer.from(packed)
        damaged[at] = (damaged[at] ?? 0) ^ 0xff
        expectSound(() => compression.decompress(codec, damaged))
      }
    },
  )

  it('lz4 reads frames of every layout: small blocks, stored blocks, sizes, checksums, linked', () => {
    const checked = compressFrameSync(compressible, { contentChecksum: true, blockChecksums: true })
    expect(Buffer.from(compression.decompress('lz4', checked)).equals(compressible)).toBe(true)
    const noise = randomBytes(1000)
    const text = compressible.subarray(0, 60_000)
    const frame = lz4Frame([
      { bytes: compressSync(text).subarray(4), stored: false },
      { bytes: noise, stored: true },
    ])
    const both = Buffer.concat([text, noise])
    expect(Buffer.from(compression.decompress('lz4', frame)).equals(both)).toBe(true)
    const sized = Buffer.concat([frame.subarray(0, 6), Buffer.alloc(8), frame.subarray(6)])
    sized[4] = (sized[4] ?? 0) | 0x08
    expect(Buffer.from(compression.decompress('lz4', sized)).equals(both)).toBe(true)
  })

  it('snappy reads the frame of the Java client and refuses a length that is out of bounds', () => {
    const blocks = [compressible.subarray(0, 32_768), compressible.subarray(32_768, 40_000)]
    const head = Buffer.from('82534e41505059000000000100000001', 'hex')
    const framed = blocks.flatMap((block) => {
      const packed = snappyCompress(block)
      const length = Buffer.alloc(4)
      length.writeUInt32BE(packed.length)
      return [length, packed]
    })
    const bytes = Buffer.concat([head, ...framed])
    const expected = compressible.subarray(0, 40_000)
    expect(Buffer.from(compression.decompress('snappy', bytes)).equals(expected)).toBe(true)
    expect(() => uncompressKafkaSnappy(bytes, 1000)).toThrow(/claims more bytes/)
    expect(() => uncompressKafkaSnappy(bytes.subarray(0, 30), 1 << 20)).toThrow(CorruptDataError)
  })

  it('zstdBytesMax() bounds frames, joined frames and skippable ones, and forged claims', () => {
    const one = compression.compress('zstd', compressible)
    const skippable = Buffer.from('502a4d1803000000aabbcc', 'hex')
    const bound = zstdBytesMax(one, 1 << 30)
    expect(bound).toBeGreaterThanOrEqual(compressible.length)
    expect(bound).toBeLessThan(compressible.length + (1 << 17))
    expect(zstdBytesMax(Buffer.concat([one, skippable, one]), 1 << 30)).toBe(2 * bound)
    expect(() => zstdBytesMax(one, 1000)).toThrow(/claims more bytes/)
    expect(() => zstdBytesMax(one.subarray(0, one.length - 1), 1 << 30)).toThrow(CorruptDataError)
  })
})

function expectSound(work: () => unknown): void {
  try {
    work()
  } catch (error) {
    expect(error).toBeInstanceOf(CorruptDataError)
  }
}

/** Independent blocks of at most 64 KiB, as the Java client writes them. */
function lz4Frame(blocks: readonly { bytes: Uint8Array; stored: boolean }[]): Buffer {
  const parts: Uint8Array[] = [Buffer.from('04224d18604082', 'hex')]
  for (const { bytes, stored } of blocks) {
    const size = Buffer.alloc(4)
    size.writeUInt32LE((bytes.length | (stored ? 0x80000000 : 0)) >>> 0)
    parts.push(size, bytes)
  }
  return Buffer.concat([...parts, Buffer.alloc(4)])
}
