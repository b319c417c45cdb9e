import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../common/index.ts'
import type { DeadLetter } from './dead-letter.ts'
import { DeadLetterSpool } from './dead-letter-spool.ts'
import type { StreamOffsets } from '../offsets/offset-map.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tidewater-letters-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

const spoolAt = (name: string): DeadLetterSpool =>
  new DeadLetterSpool({ path: join(directory, name, 'l.ndjson'), stream: 's', clock: systemClock })

const letter = (partition: number, offset: bigint, value = 'x'): DeadLetter => ({
  topic: 't',
  partition,
  offset,
  timestampMs: 5n,
  key: null,
  value: Buffer.from(value),
  headers: [{ name: 'h"\n', value: Buffer.from([0, 255]) }],
  reason: 'a "reason"\nof two lines',
})

const known = (...next: readonly (readonly [number, bigint])[]): StreamOffsets => ({
  clusterId: 'c',
  topics: new Map([['t', { topicId: 'i', nextOffsets: new Map(next) }]]),
})

async function rowsOf(path: string): Promise<Record<string, unknown>[]> {
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
}

describe('DeadLetterSpool', () => {
  it('writes each letter as one line that is read back as it was', async () => {
    const spool = spoolAt('whole')
    const bytes = spool.add(letter(1, 7n, 'a\u0000b'))
    const fresh = await spool.uncommitted(undefined)
    const [row, ...others] = await rowsOf(fresh?.spool.path ?? '')
    expect(others).toEqual([])
    expect(row).toMatchObject({
      $timestamp: 5,
      stream: 's',
      topic: 't',
      partition: 1,
      offset: 7,
      key: null,
      value: Buffer.from('a\u0000b').toString('base64'),
      headers: [{ key: 'h"\n', value: 'AP8=' }],
      error: 'a "reason"\nof two lines',
    })
    expect(fresh?.spool).toMatchObject({ rowCount: 1, sizeBytes: bytes, rowBytesMax: bytes })
    expect(fresh?.ranges).toEqual([{ topic: 't', partition: 1, from: undefined, to: 8n }])
  })

  it('holds no more than about a megabyte in memory', async () => {
    const spool = spoolAt('large')
    const value = 'v'.repeat(10_000)
    for (let offset = 0n; offset < 500n; offset++) {
      spool.add(letter(0, offset, value))
      await spool.spill()
    }
    const written = (await readFile(join(directory, 'large', 'l.ndjson'))).length
    expect(written).toBeGreaterThan(500 * 13_000 - (1 << 20) - 20_000)
    expect((await spool.uncommitted(undefined))?.spool.rowCount).toBe(500)
  })

  it('[E5] leaves out what the table holds already, and only that', async () => {
    const spool = spoolAt('known')
    const big = 9_007_199_254_740_993n
    for (const offset of [1n, 2n, 3n]) spool.add(letter(0, offset))
    spool.add(letter(1, big))
    spool.add(letter(1, big + 1n))
    const fresh = await spool.uncommitted(known([0, 3n], [1, big + 1n]))
    const text = await readFile(fresh?.spool.path ?? '', 'utf8')
    expect(
      [...text.matchAll(/"partition":(\d+),"offset":(\d+)/g)].map(([, p, o]) => [p, o]),
    ).toEqual([
      ['0', '3'],
      ['1', String(big + 1n)],
    ])
    expect(fresh?.spool).toMatchObject({ rowCount: 2, sizeBytes: Buffer.byteLength(text) })
    expect(fresh?.ranges).toEqual([
      { topic: 't', partition: 0, from: 3n, to: 4n },
      { topic: 't', partition: 1, from: big + 1n, to: big + 2n },
    ])
    expect(await spool.uncommitted(known([0, 4n], [1, big + 2n]))).toBeUndefined()
  })

  it('holds nothing of the record: its buffers may be reused', async () => {
    const spool = spoolAt('views')
    const value = Buffer.from('abc')
    spool.add({ ...letter(0, 0n), value })
    value.fill(0)
    const [row] = await rowsOf((await spool.uncommitted(undefined))?.spool.path ?? '')
    expect(row?.['value']).toBe(Buffer.from('abc').toString('base64'))
  })
})
