import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { CorruptDataError, UnsupportedError } from '../../common/index.ts'
import { decodeRecordHeaders } from './record-headers.ts'
import type { RecordBatch } from './record-batch.ts'
import { RecordBatchEncoder, type BatchFields, type RecordToWrite } from './record-batch-encoder.ts'
import { RecordSetSlicer } from './record-batch-slicer.ts'
import {
  loadRecordCompression,
  recordCodecs,
  type RecordCompression,
} from './record-compression.ts'

const origin = { topic: 'orders', partition: 3 }

interface Read {
  readonly offset: bigint
  readonly timestamp: bigint
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly { name: string; value: Buffer | null }[]
}

describe('RecordSetSlicer', () => {
  let compression: RecordCompression
  beforeAll(async () => {
    compression = await loadRecordCompression()
  })

  const batch = (
    fields: BatchFields,
    values: readonly (string | null)[],
    deltas: readonly number[] = values.map((_, index) => index),
  ): Uint8Array => {
    const encoder = new RecordBatchEncoder(compression)
    for (const [index, value] of values.entries()) {
      encoder.append({ key: null, value, timestampMs: 1000 }, deltas[index])
    }
    return encoder.finish(fields)
  }
  const slicer = (
    bytes: Uint8Array,
    options: Partial<ConstructorParameters<typeof RecordSetSlicer>[1]> = {},
  ): RecordSetSlicer =>
    new RecordSetSlicer(bytes, { ...origin, compression, position: 0n, ...options })
  const marker = (baseOffset: bigint, producerId: bigint, type: 0 | 1): Uint8Array => {
    const encoder = new RecordBatchEncoder(compression)
    encoder.append({ key: Uint8Array.of(0, 0, 0, type), value: new Uint8Array(6), timestampMs: 1 })
    return encoder.finish({ baseOffset, producerId, transactional: true, control: true })
  }

  it('[R1] gives back what was encoded, for any records, codec and cut of the bytes asked for', () => {
    const bytes = fc.option(fc.uint8Array({ maxLength: 300 }), { nil: null })
    const header = fc.record({ name: fc.string({ maxLength: 8 }), value: bytes })
    const record = fc.record({
      key: bytes,
      value: bytes,
      headers: fc.array(header, { maxLength: 3 }),
      timestampMs: fc.oneof(
        fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      ),
      hole: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.nat(200)),
    })
    const batches = fc.array(
      fc.record({
        codec: fc.constantFrom(...recordCodecs),
        records: fc.array(record, { maxLength: 30 }),
        gap: fc.nat(5),
        tail: fc.nat(3),
      }),
      { maxLength: 6 },
    )
    const bases = fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 2n ** 62n }))
    fc.assert(
      fc.property(batches, bases, fc.nat(5000), (specs, base, bytesMax) => {
        const parts: Uint8Array[] = []
        const expected: Read[] = []
        let offset = base
        for (const spec of specs) {
          const encoder = new RecordBatchEncoder(compression, 64)
          const baseOffset = offset + BigInt(spec.gap)
          let delta = -1
          for (const item of spec.records) {
            delta += 1 + item.hole
            encoder.append(item, delta)
            expected.push(expectedRead(item, baseOffset + BigInt(delta)))
          }
          const lastOffsetDelta = Math.max(0, delta) + spec.tail
          parts.push(encoder.finish({ baseOffset, codec: spec.codec, lastOffsetDelta }))
          offset = baseOffset + BigInt(lastOffsetDelta) + 1n
        }
        const reader = slicer(Buffer.concat(parts), { position: base })
        const sliced = drain(reader, bytesMax)
        expect(sliced.flatMap(read)).toEqual(expected)
        expect(reader.position).toBe(offset)
        expect(sliced.at(-1)?.nextOffset ?? base).toBe(offset)
      }),
      { numRuns: 150 },
    )
  })

  it('[R2] drops what lies below the position, whole batches and parts of one', () => {
    const bytes = Buffer.concat([
      batch({ baseOffset: 10n }, ['a', 'b']),
      batch({ baseOffset: 12n, codec: 'lz4' }, ['c', 'd', 'e']),
    ])
    expect(drain(slicer(bytes, { position: 13n })).flatMap(texts)).toEqual(['13=d', '14=e'])
    expect(drain(slicer(bytes, { position: 15n }))).toEqual([])
  })

  it('[R3] skips control batches and moves the position over them and over holes', () => {
    const bytes = Buffer.concat([
      batch({ baseOffset: 4n, lastOffsetDelta: 9 }, ['a', 'b'], [0, 5]),
      marker(14n, 7n, 1),
      marker(15n, 8n, 0),
    ])
    const reader = slicer(bytes)
    const sliced = drain(reader)
    expect(sliced.flatMap(texts)).toEqual(['4=a', '9=b'])
    expect(sliced.map(({ nextOffset }) => nextOffset)).toEqual([16n])
  })

  it('[R3] reports an advance over holes alone as a batch of no records', () => {
    const bytes = Buffer.concat([marker(5n, 7n, 1), batch({ baseOffset: 6n }, [])])
    const [only, ...rest] = drain(slicer(bytes, { position: 5n }))
    expect(rest).toEqual([])
    expect(only).toMatchObject({ ...origin, count: 0, nextOffset: 7n })
  })

  it('[R4] leaves out aborted transactions and keeps what their producer commits afterwards', () => {
    const bytes = Buffer.concat([
      batch({ baseOffset: 0n, producerId: 7n, transactional: true }, ['aborted']),
      batch({ baseOffset: 1n, producerId: 8n, transactional: true }, ['other']),
      batch({ baseOffset: 2n, producerId: 7n }, ['plain']),
      batch({ baseOffset: 3n, producerId: 7n, transactional: true }, ['aborted too']),
      marker(4n, 7n, 0),
      batch({ baseOffset: 5n, producerId: 7n, transactional: true }, ['committed']),
      marker(6n, 8n, 1),
      marker(7n, 7n, 1),
      batch({ baseOffset: 8n, producerId: 7n, transactional: true }, ['aborted again']),
      marker(9n, 7n, 0),
    ])
    const abortedTransactions = [
      { producerId: 7n, firstOffset: 8n },
      { producerId: 7n, firstOffset: 0n },
    ]
    for (const bytesMax of [1, 1 << 20]) {
      const sliced = drain(slicer(bytes, { abortedTransactions }), bytesMax)
      expect(sliced.flatMap(texts)).toEqual(['1=other', '2=plain', '5=committed'])
      expect(sliced.at(-1)?.nextOffset).toBe(10n)
    }
  })

  it('ignores a partial batch at the end, wherever it is cut', () => {
    const whole = batch({ baseOffset: 0n }, ['a'])
    const next = batch({ baseOffset: 1n }, ['b'])
    for (let cut = 0; cut < next.length; cut++) {
      const reader = slicer(Buffer.concat([whole, next.subarray(0, cut)]))
      expect(drain(reader).flatMap(texts)).toEqual(['0=a'])
      expect(reader.consumedBytes).toBe(whole.length)
    }
  })

  it('gives the append time of the broker to every record and keeps the kinds apart', () => {
    const bytes = Buffer.concat([
      batch({ baseOffset: 0n, logAppendTimeMs: 77n }, ['a', 'b']),
      batch({ baseOffset: 2n }, ['c']),
    ])
    const sliced = drain(slicer(bytes))
    expect(sliced.map(({ timestampType }) => timestampType)).toEqual([1, 0])
    expect(sliced.map(({ timestamps }) => [...timestamps])).toEqual([[77n, 77n], [1000n]])
  })

  it('does not copy uncompressed bytes and joins small compressed batches', () => {
    const plain = Buffer.concat([
      batch({ baseOffset: 0n }, ['a']),
      batch({ baseOffset: 1n }, ['b']),
    ])
    const [first] = drain(slicer(plain))
    expect(first?.data.buffer).toBe(plain.buffer)
    expect(first?.count).toBe(2)
    const packed = [0n, 1n, 2n].map((baseOffset) => batch({ baseOffset, codec: 'snappy' }, ['x']))
    expect(drain(slicer(Buffer.concat(packed))).map(({ count }) => count)).toEqual([3])
  })

  it('[R5] reports any flipped bit behind the checksum as corrupt, with topic, partition, offset', () => {
    const encoders = recordCodecs.map((codec) =>
      batch({ baseOffset: 41n, codec }, ['some value', 'some value', null]),
    )
    const flips = fc.record({ codec: fc.nat(encoders.length - 1), at: fc.nat(), bit: fc.nat(7) })
    fc.assert(
      fc.property(flips, ({ codec, at, bit }) => {
        const bytes = Buffer.from(encoders[codec] as Uint8Array)
        // What lies before the magic byte is not covered by the checksum (nor by Kafka's clients).
        const index = 17 + (at % (bytes.length - 17))
        bytes[index] = (bytes[index] ?? 0) ^ (1 << bit)
        const error = caught(() => drain(slicer(bytes)))
        expect(error).toBeInstanceOf(CorruptDataError)
        expect((error as Error).message).toContain('topic=orders partition=3 offset=41')
      }),
      { numRuns: 500 },
    )
  })

  it('[R5] never hangs, crashes or reads past the bytes when checksums are off', () => {
    const whole = Buffer.concat(
      recordCodecs.map((codec, index) =>
        batch({ baseOffset: BigInt(index * 2), codec }, ['some value', 'another value']),
      ),
    )
    const damage = fc.array(fc.record({ at: fc.nat(whole.length - 1), byte: fc.nat(255) }), {
      minLength: 1,
      maxLength: 4,
    })
    fc.assert(
      fc.property(damage, (changes) => {
        const bytes = Buffer.from(whole)
        for (const { at, byte } of changes) bytes[at] = byte
        try {
          for (const sliced of drain(slicer(bytes, { verifyChecksums: false }))) {
            for (let row = 0; row < sliced.count; row++) {
              expect(sliced.valueEnds[row]).toBeLessThanOrEqual(sliced.data.length)
              expect(sliced.headerEnds[row]).toBeLessThanOrEqual(sliced.data.length)
            }
          }
        } catch (error) {
          const known = error instanceof CorruptDataError || error instanceof UnsupportedError
          expect(known, String(error)).toBe(true)
          expect((error as Error).message).toContain('topic=orders partition=3')
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('refuses the message format of Kafka before 0.11 and names the way out', () => {
    const old = batch({ baseOffset: 9n }, ['a'])
    old[16] = 1
    expect(() => drain(slicer(old))).toThrow(UnsupportedError)
    expect(() => drain(slicer(old))).toThrow(/copy the topic.*partition=3 offset=9 magic=1/)
  })

  it('refuses batches that run backwards', () => {
    const bytes = Buffer.concat([
      batch({ baseOffset: 5n }, ['a']),
      batch({ baseOffset: 5n }, ['b']),
    ])
    expect(() => drain(slicer(bytes))).toThrow(/run backwards.*offset=5 expected=6/)
  })

  const golden = JSON.parse(
    readFileSync(new URL('fixtures/java-batches.json', import.meta.url), 'utf8'),
  ) as {
    readonly values: readonly string[]
    readonly batches: readonly { readonly codec: string; readonly base64: string }[]
  }
  it.each(golden.batches)('reads what the Java producer wrote with $codec', ({ base64 }) => {
    const sliced = drain(slicer(Buffer.from(base64, 'base64')))
    expect(sliced.flatMap(read).map(({ value }) => value?.toString())).toEqual(golden.values)
  })
})

function drain(reader: RecordSetSlicer, bytesMax = 1 << 20): RecordBatch[] {
  const batches: RecordBatch[] = []
  for (let next = reader.next(bytesMax); next !== undefined; next = reader.next(bytesMax)) {
    batches.push(next)
  }
  return batches
}

function caught(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  return undefined
}

function texts(batch: RecordBatch): string[] {
  return read(batch).map(({ offset, value }) => `${offset}=${value?.toString() ?? 'null'}`)
}

function read(batch: RecordBatch): Read[] {
  const range = (starts: Int32Array, ends: Int32Array, row: number): Buffer | null =>
    (starts[row] ?? -1) < 0 ? null : Buffer.from(batch.data.subarray(starts[row], ends[row]))
  return Array.from({ length: batch.count }, (_, row) => ({
    offset: batch.offsets[row] as bigint,
    timestamp: batch.timestamps[row] as bigint,
    key: range(batch.keyStarts, batch.keyEnds, row),
    value: range(batch.valueStarts, batch.valueEnds, row),
    headers: decodeRecordHeaders(
      batch.data,
      batch.headerStarts[row] as number,
      batch.headerEnds[row] as number,
    ).map(({ name, value }) => ({ name, value: value === null ? null : Buffer.from(value) })),
  }))
}

function expectedRead(record: RecordToWrite, offset: bigint): Read {
  const buffer = (bytes: Uint8Array | string | null): Buffer | null =>
    bytes === null ? null : Buffer.from(bytes as Uint8Array)
  return {
    offset,
    timestamp: BigInt(record.timestampMs),
    key: buffer(record.key),
    value: buffer(record.value),
    headers: (record.headers ?? []).map(({ name, value }) => ({ name, value: buffer(value) })),
  }
}
