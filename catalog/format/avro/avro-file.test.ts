import { Readable } from 'node:stream'
import avro from 'avsc'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Json } from '../../../common/index.ts'
import { fuzzEffort } from '../../../tests/support/fuzz-effort.ts'
import { AvroDecoder, AvroEncoder } from './avro-binary.ts'
import { readAvroFile, writeAvroFile } from './avro-file.ts'

const where = 'memory://t/m.avro'
const syncMarker = Uint8Array.from({ length: 16 }, (_, index) => index)

const schema: Json = {
  type: 'record',
  name: 'row',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'name', type: ['null', 'string'], default: null },
    { name: 'sizes', type: { type: 'array', items: 'int' } },
    { name: 'key', type: { type: 'fixed', name: 'key_16', size: 2 } },
    { name: 'other', type: ['null', 'key_16'], default: null },
    { name: 'score', type: 'double' },
    { name: 'ok', type: 'boolean' },
    { name: 'raw', type: 'bytes' },
  ],
}
const rows = Array.from({ length: 5000 }, (_, index) => [
  BigInt(index) * 1801439850948199n,
  index % 3 === 0 ? null : `näme ${index}`,
  Array.from({ length: index % 4 }, (_, item) => item - index),
  Buffer.from([index & 255, 1]),
  index % 2 === 0 ? null : Buffer.from([2, 3]),
  index / 3,
  index % 2 === 0,
  Buffer.from(`raw ${index}`),
])
const body = writeAvroFile({
  schema,
  metadata: { 'format-version': '2' },
  records: rows,
  syncMarker,
})

/** avsc as an independent reader, with longs as bigints. */
const longType = avro.types.LongType.__with({
  fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const buffer = Buffer.alloc(8)
    buffer.writeBigInt64LE(value)
    return buffer
  },
  fromJSON: BigInt,
  toJSON: String,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (left: bigint, right: bigint) => (left < right ? -1 : left > right ? 1 : 0),
})

async function readWithAvsc(bytes: Uint8Array): Promise<{ rows: object[]; metadata: string[] }> {
  const decoder = new avro.streams.BlockDecoder({
    parseHook: (parsed) => avro.Type.forSchema(parsed, { registry: { long: longType } }),
  })
  const found: object[] = []
  const metadata: string[] = []
  decoder.on('metadata', (_type: unknown, codec: string, header: { meta: object }) => {
    metadata.push(codec, ...Object.keys(header.meta))
  })
  for await (const row of Readable.from([Buffer.from(bytes)]).pipe(decoder)) {
    found.push(row as object)
  }
  return { rows: found, metadata }
}

describe('writeAvroFile()', () => {
  it('[F13] is read alike by another implementation', async () => {
    const { rows: found, metadata } = await readWithAvsc(body)
    expect(metadata).toEqual(['deflate', 'format-version', 'avro.schema', 'avro.codec'])
    expect(found).toHaveLength(rows.length)
    expect(found.map((row) => Object.values(row).map(plain))).toEqual(
      rows.map((row) => row.map(plain)),
    )
  })

  it('is read back by readAvroFile(), over several blocks', () => {
    const file = readAvroFile(body, where)
    expect(file.metadata.get('format-version')).toBe('2')
    expect(file.records.map((row) => (row as readonly unknown[]).map(plain))).toEqual(
      rows.map((row) => row.map(plain)),
    )
  })

  it('writes an empty file that both read', async () => {
    const empty = writeAvroFile({ schema, metadata: {}, records: [], syncMarker })
    expect(readAvroFile(empty, where).records).toEqual([])
    expect((await readWithAvsc(empty)).rows).toEqual([])
  })
})

describe('readAvroFile()', () => {
  it('never loops or crashes on damaged bytes: it reads or says what is wrong', () => {
    const small = writeAvroFile({ schema, metadata: {}, records: rows.slice(0, 3), syncMarker })
    fc.assert(
      fc.property(fc.nat(small.length - 1), fc.nat(255), fc.boolean(), (at, value, cut) => {
        const damaged = cut ? small.slice(0, at) : Uint8Array.from(small)
        if (!cut) damaged[at] = value
        try {
          readAvroFile(damaged, where)
        } catch (error) {
          expect(error).toHaveProperty('code', expect.stringMatching(/corrupt-data|unsupported/))
          expect(String(error)).toContain(where)
        }
      }),
      { numRuns: 1000 * fuzzEffort },
    )
  })

  it('refuses a codec it does not have, by name', () => {
    const text = Buffer.from(body).toString('latin1').replace('\u000edeflate', '\u000ezlibzst')
    expect(() => readAvroFile(Buffer.from(text, 'latin1'), where)).toThrow(/codec=zlibzst/)
  })
})

describe('AvroEncoder and AvroDecoder', () => {
  it('[F1] keep every 64-bit integer', () => {
    const integer = fc.oneof(
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.bigInt({ min: -(2n ** 53n) - 2n, max: 2n ** 53n + 2n }),
      fc.constantFrom(
        2n ** 63n - 1n,
        -(2n ** 63n),
        2n ** 53n + 1n,
        0n,
        -1n,
        2n ** 51n,
        -(2n ** 51n),
      ),
    )
    fc.assert(
      fc.property(integer, (value) => {
        const encoder = new AvroEncoder()
        encoder.long(value)
        expect(new AvroDecoder(encoder.written(), where).long()).toBe(value)
      }),
      { numRuns: 1000 * fuzzEffort },
    )
  })
})

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  return Array.isArray(value) ? (value as readonly unknown[]).map(plain) : value
}
