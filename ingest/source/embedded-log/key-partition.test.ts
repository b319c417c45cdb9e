import { createRequire } from 'node:module'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { murmur2, partitionOfKey } from './key-partition.ts'

describe('partitionOfKey()', () => {
  it('hashes as the Java client does', () => {
    // The examples of Kafka's own UtilsTest.
    const known: [string, number][] = [
      ['21', -973932308],
      ['foobar', -790332482],
      ['a-little-bit-long-string', -985981536],
      ['a-little-bit-longer-string', -1486304829],
      ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ]
    for (const [text, hash] of known) expect(murmur2(Buffer.from(text))).toBe(hash)
    expect(murmur2(Buffer.from('abc'))).toBe(479470107)
  })

  it('agrees with kafkajs for any key', () => {
    const kafkajs = createRequire(import.meta.url)(
      'kafkajs/src/producer/partitioners/default/murmur2',
    ) as (key: Buffer) => number
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 50 }), (key, n) => {
        expect(partitionOfKey(key, n)).toBe((kafkajs(Buffer.from(key)) & 0x7fffffff) % n)
      }),
    )
  })
})
