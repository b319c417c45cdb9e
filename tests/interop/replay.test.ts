/**
 * The branch of a replay and main, before and after its publishing, read by PyIceberg and by DuckDB's
 * iceberg extension straight from the metadata file.
 */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { executeReplay, type Lake, openLake, publishBranch } from '../../app/index.ts'
import { loadLakeSettings } from '../../app/settings/index.ts'
import type { StreamSettings } from '../../ingest/settings/index.ts'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.ts'
import { offsetsDigest } from '../support/offsets-digest.ts'
import { requirePart } from '../support/services/index.ts'
import {
  type TableReader,
  tableReaders,
  type TableSummary,
  tableSummary,
} from '../support/table-judge.ts'

const identifier = { namespace: ['web'], name: 'events' }
const ids = Array.from({ length: 300 }, (_, id) => id)

/** Of partition 0 from 100 to 250: what the mended rule takes. */
const isMended = (partition: number, offset: number): boolean =>
  partition === 0 && offset >= 100 && offset < 250

interface Expected {
  readonly count: number
  readonly sum: string
  readonly digest: string
}

/** From the records alone: every seventh was refused by the first rule. */
function expected(mended: typeof isMended): Expected {
  const rows = [0, 1].flatMap((partition) =>
    ids
      .filter((offset) => offset % 7 !== 0 || mended(partition, offset))
      .map((offset) => ({ partition, offset })),
  )
  const values = rows.map(({ offset }) => (offset % 7 === 0 ? 3 : offset))
  return {
    count: rows.length,
    sum: String(values.reduce((total, value) => total + value, 0)),
    digest: offsetsDigest(rows),
  }
}

const partOf = ({ count, sums, offsetsDigest: digest }: TableSummary): Expected => ({
  count,
  sum: sums['v'] ?? '',
  digest,
})

describe.skipIf(!requirePart('python'))('the branch of a replay', () => {
  let fixture: LakeFixture
  let lake: Lake

  const settings = (coercion: string): StreamSettings =>
    fixture.settings(`
name: events
input: { embedded: { directory: log, topics: [events], start_offset: earliest } }
schema: { mode: declared, coercion: ${coercion}, fields: [{name: v, type: long}] }
output: { iceberg: { table: web.events, commit: { interval: 10s, max_records: 100 } } }`)

  async function ask(reader: TableReader, ref: string): Promise<Expected> {
    const { metadata, metadataLocation } = await fixture.catalog.loadTable(identifier)
    const snapshotId = String(metadata.refs[ref]?.snapshotId)
    const question = {
      sums: ['v'],
      partitionColumn: '_kafka.partition',
      offsetColumn: '_kafka.offset',
      ...(ref === 'main' ? {} : { snapshotId }),
    }
    return partOf(await tableSummary(reader, { metadataLocation }, question))
  }

  beforeAll(async () => {
    fixture = await openLakeFixture()
    await fixture.log.createTopic('events', 2)
    const warehouse = pathToFileURL(join(fixture.directory, 'warehouse')).href
    const { settings: lakeSettings } = await loadLakeSettings(undefined, {
      environment: {},
      overrides: [{ path: 'catalog.warehouse', value: warehouse, flag: '--warehouse' }],
      directory: fixture.directory,
    })
    lake = await openLake(lakeSettings)
    for (const partition of [0, 1]) {
      const values = ids.map((id) => `{"v":${id % 7 === 0 ? '2.6' : id}}`)
      await fixture.log.appendValues({ topic: 'events', partition }, values)
    }
    await fixture.run(settings('strict'))
    const place = (offset: bigint) => ({ topic: 'events', partition: 0, offset })
    await executeReplay(lake, settings('lenient'), {
      from: { kind: 'offsets', coordinates: [place(100n)] },
      until: { kind: 'offsets', coordinates: [place(250n)] },
      into: 'fix',
    })
  })
  afterAll(async () => {
    await lake.close()
    await fixture.close()
  })

  it('[P5] is read by PyIceberg beside main, which every reader finds as it was', async () => {
    expect(await ask('pyiceberg', 'fix')).toEqual(expected(isMended))
    for (const reader of tableReaders) {
      expect(await ask(reader, 'main'), reader).toEqual(expected(() => false))
    }
  })

  it('[P6] is what every reader finds on main once it is published', async () => {
    await publishBranch(lake, identifier, 'fix', { dropBranch: true })
    for (const reader of tableReaders) {
      expect(await ask(reader, 'main'), reader).toEqual(expected(isMended))
    }
  })
})
