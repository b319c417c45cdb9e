/** The judges themselves, on a table that PyIceberg wrote: known rows, known answers from both. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { offsetsDigest } from '../support/offsets-digest.ts'
import { pythonEnvironment, requirePart } from '../support/services/index.ts'
import { tableReaders, tableSummary } from '../support/table-judge.ts'

const fixtureScript = fileURLToPath(new URL('./write_fixture_table.py', import.meta.url))

describe.skipIf(!requirePart('python'))('tableSummary()', () => {
  let folder: string
  let metadataLocation: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tidewater-judges-'))
    const python = await pythonEnvironment()
    const output = await python.run(fixtureScript, [folder])
    metadataLocation = (JSON.parse(output) as { metadataLocation: string }).metadataLocation
  })
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  it.each(tableReaders)('counts, sums and digests exactly through %s', async (reader) => {
    const summary = await tableSummary(
      reader,
      { metadataLocation },
      {
        sums: ['id', 'price', 'ratio'],
        day: 'at',
        partitionColumn: '_kafka.partition',
        offsetColumn: '_kafka.offset',
      },
    )
    expect(summary).toMatchObject({
      count: 3,
      sums: { id: '9007199254740995', price: '3.30', ratio: '1.0' },
      days: { '2001-01-01': 2, '2001-01-02': 1 },
      perPartition: { 0: 1, 1: 2 },
      columns: ['id', 'price', 'ratio', 'at', '_kafka'],
    })
    expect(summary.offsetsDigest).toBe(
      offsetsDigest([
        { partition: 1, offset: 8 },
        { partition: 0, offset: 5n },
        { partition: 1, offset: 7 },
      ]),
    )
  })

  it.each(tableReaders)('reads only what the filter leaves through %s', async (reader) => {
    const summary = await tableSummary(
      reader,
      { metadataLocation },
      { filter: 'ratio > 0.5', sums: ['ratio'] },
    )
    expect(summary).toMatchObject({ count: 1, sums: { ratio: '0.7' } })
  })
})
