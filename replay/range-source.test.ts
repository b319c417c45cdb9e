import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EmbeddedLog, createEmbeddedSource, type RecordSource } from '../ingest/index.ts'
import { createRangeSource } from './range-source.ts'

let directory = ''
let log: EmbeddedLog
let source: RecordSource

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tide-range-'))
  log = await EmbeddedLog.open(directory)
  await log.createTopic('t', 3)
  for (const partition of [0, 1, 2]) {
    const values = Array.from({ length: 20 }, (_, id) => `{"id":${id}}`)
    await log.appendValues({ topic: 't', partition }, values)
  }
  source = createRangeSource(createEmbeddedSource({ log, topics: ['t'] }), [
    { topic: 't', partition: 0, from: 3n, to: 7n },
    { topic: 't', partition: 2, from: 0n, to: 20n },
  ])
  await source.start()
})
afterEach(async () => {
  await source.stop()
  await log.close()
  await rm(directory, { recursive: true, force: true })
})

async function read(): Promise<readonly string[]> {
  const found: string[] = []
  for (let polls = 0; polls < 4; polls++) {
    const result = await source.poll(1 << 20, 1)
    if (result.kind !== 'records') throw new Error('assigned twice')
    for (const batch of result.batches) {
      expect(batch.valueEnds).toHaveLength(batch.count)
      const offsets = [...batch.offsets]
      found.push(`${batch.partition}: ${offsets[0]}..${offsets.at(-1)} next ${batch.nextOffset}`)
    }
  }
  return found.sort()
}

describe('createRangeSource()', () => {
  it('[P4] reads the ranges, ends where they end, and begins again where it is sent', async () => {
    const assigned = await source.poll(1 << 20, 1)
    if (assigned.kind !== 'assigned') throw new Error('not assigned')
    expect(assigned.partitions.map(({ partition }) => partition)).toEqual([0, 2])
    const bounds = await source.offsetBounds(assigned.partitions)
    expect(bounds.get('t:0')).toEqual({ earliest: 0n, latest: 7n })
    expect(bounds.get('t:2')).toEqual({ earliest: 0n, latest: 20n })
    source.seek({ topic: 't', partition: 0 }, 3n)
    source.seek({ topic: 't', partition: 2 }, 20n)
    expect(await read()).toEqual(['0: 3..6 next 7'])
    expect(await read()).toEqual([])
    source.seek({ topic: 't', partition: 0 }, 5n)
    source.seek({ topic: 't', partition: 2 }, 18n)
    expect(await read()).toEqual(['0: 5..6 next 7', '2: 18..19 next 20'])
  })
})
