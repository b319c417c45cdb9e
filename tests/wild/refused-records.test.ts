/**
 * Records that the engine refuses, or whose place in the log no column can hold: each is a row or a dead
 * letter, none stops the stream, on every path that rows take to a data file.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type DataFileWriter, RefusedColumnsError } from '../../catalog/index.ts'
import { NotFoundError } from '../../common/index.ts'
import { createDataFileWriter } from '../../sql/index.ts'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.ts'

let lake: LakeFixture
beforeEach(async () => {
  lake = await openLakeFixture()
  await lake.log.createTopic('events', 1)
})
afterEach(() => lake.close())

/** The ways of a row: columns of values, text of nested rows, text that the engine converts. */
const paths = {
  flat: { fields: '[{ name: id, type: long }]', coercion: 'strict' },
  nested: {
    fields: '[{ name: id, type: long }, { name: n, type: "list<long>" }]',
    coercion: 'strict',
  },
  lenient: { fields: '[{ name: id, type: long }]', coercion: 'lenient' },
} as const

interface Setting {
  readonly path: keyof typeof paths
  readonly metadata?: 'struct' | 'columns' | 'none'
  readonly tolerance?: 'data' | 'none'
  readonly partitionBy?: string
}

function stream({ path, metadata = 'struct', tolerance = 'data', partitionBy }: Setting) {
  const { fields, coercion } = paths[path]
  return lake.settings(`
name: events
input: { embedded: { directory: log, topics: [events] } }
schema: { mode: declared, fields: ${fields}, coercion: ${coercion} }
metadata: ${metadata}
errors: { tolerance: ${tolerance} }
output: { iceberg: { table: web.events${partitionBy === undefined ? '' : `, partition_by: ['${partitionBy}']`} } }
`)
}

interface Produced {
  readonly value: string
  readonly timestampMs?: number
}

async function produce(records: readonly Produced[]): Promise<void> {
  await lake.log.append({ topic: 'events', partition: 0 }, records)
}

async function rowsOf(table: string, columns: string): Promise<readonly Record<string, unknown>[]> {
  try {
    return await lake.rows(table, columns)
  } catch (error) {
    if (error instanceof NotFoundError) return []
    throw error
  }
}

const letters = () => rowsOf('web.events__dlq', '"offset" AS o, "timestamp" AS t, error')

const nanoseconds = 1_700_000_000_000_000_000
const july = 1_720_000_000_000
const everyPath = Object.keys(paths) as (keyof typeof paths)[]
const good = (id: number, timestampMs = july): Produced => ({ value: `{"id":${id}}`, timestampMs })
const bad = (timestampMs = july): Produced => ({ value: '{"id":"12x"}', timestampMs })

describe('A2 bad records, one of them with a Kafka timestamp in nanoseconds', () => {
  it.each(everyPath)('A2 are all kept as dead letters: %s', async (path) => {
    await produce([good(1), bad(), bad(nanoseconds), good(2)])
    const result = await lake.run(stream({ path }))
    expect(result).toMatchObject({ recordsRead: 4, rowsCommitted: 2, deadLetters: 2 })
    const kept = await letters()
    expect(kept.map(({ o, t }) => [o, t])).toEqual([
      ['1', '2024-07-03 09:46:40+00'],
      ['2', null],
    ])
    expect(kept[1]?.['error']).toContain('kafka timestamp 1700000000000000000')
  })
})

/** No instant that other engines read: beyond the years 1 to 9999. */
const instants: readonly (readonly [string, number])[] = [
  ['nanoseconds', nanoseconds],
  ['microseconds', 1_700_000_000_000_000],
  ['the year 10000', 253_402_300_800_000],
  ['before year 1', -62_135_596_800_001],
]

describe('B3 [E15] a good record with a Kafka timestamp out of range', () => {
  it.each(everyPath.flatMap((path) => instants.map(([name, at]) => ({ path, name, at }))))(
    'B3 is a row without a timestamp: $path, $name',
    async ({ path, at }) => {
      await produce([good(1), good(2, at), good(3)])
      expect(await lake.run(stream({ path }))).toMatchObject({ rowsCommitted: 3, deadLetters: 0 })
      const rows = await lake.rows(
        'web.events',
        'id, _kafka."offset" AS o, _kafka."timestamp" AS t',
      )
      expect(rows.map(({ id, o, t }) => [id, o, t === null])).toEqual([
        ['1', '0', false],
        ['2', '1', true],
        ['3', '2', false],
      ])
    },
  )

  it.each(everyPath)('B3 is a row in a partition of its own: %s', async (path) => {
    await produce([good(1), good(2, nanoseconds)])
    const settings = stream({ path, metadata: 'columns', partitionBy: 'day(_kafka_timestamp)' })
    expect(await lake.run(settings)).toMatchObject({ rowsCommitted: 2, deadLetters: 0 })
    expect(await lake.rows('web.events', 'id, _kafka_timestamp IS NULL AS n')).toEqual([
      { id: '1', n: false },
      { id: '2', n: true },
    ])
  })

  it.each([
    ['the first instant', -62_135_596_800_000],
    ['the last instant', 253_402_300_799_999],
  ])('B3 keeps a timestamp that is one: %s', async (_, at) => {
    await produce([good(1, at)])
    await lake.run(stream({ path: 'flat' }))
    const rows = await lake.rows('web.events', 'epoch_ms(_kafka."timestamp") AS t')
    expect(rows).toEqual([{ t: String(at) }])
  })
})

describe('B4 every row of a batch refused by the engine', () => {
  it.each(['data', 'none'] as const)(
    'B4 by the rule of errors.tolerance: %s',
    async (tolerance) => {
      await produce([bad(), bad(), bad(nanoseconds)])
      const ended = lake.run(stream({ path: 'lenient', tolerance }))
      if (tolerance === 'none') {
        await expect(ended).rejects.toThrow(/errors\.tolerance is none/)
        expect(await letters()).toEqual([])
        return
      }
      expect(await ended).toMatchObject({ rowsCommitted: 0, deadLetters: 3 })
      expect((await letters()).map(({ o }) => o)).toEqual(['0', '1', '2'])
      expect(await lake.run(stream({ path: 'lenient' }))).toMatchObject({ recordsRead: 0 })
    },
  )

  it('B4 beside a batch that is whole', async () => {
    await produce([bad(), bad()])
    await lake.run(stream({ path: 'lenient' }))
    await produce([good(1), bad(), good(2)])
    expect(await lake.run(stream({ path: 'lenient' }))).toMatchObject({ rowsCommitted: 2 })
    expect((await letters()).map(({ o }) => o)).toEqual(['0', '1', '3'])
  })
})

describe('D an engine that refuses a value of the columns', () => {
  it('D gets the records as text, and the stream goes on', async () => {
    await produce([good(1), { value: '{"id":1234}', timestampMs: july }, good(3)])
    const writer = createDataFileWriter(lake.database)
    const refusesColumns: DataFileWriter = {
      write: async (request) => {
        const spools = request.spools.filter(({ columns }) => columns !== undefined)
        if (spools.length > 0) throw new RefusedColumnsError(new Error('Conversion Error: 1234'))
        const { files, refused } = await writer.write(request)
        return { files, refused }
      },
    }
    const ended = await lake.run(stream({ path: 'flat' }), {}, { writer: refusesColumns })
    expect(ended).toMatchObject({ rowsCommitted: 3, deadLetters: 0, commits: 1 })
    expect((await lake.rows('web.events', 'id')).map(({ id }) => id)).toEqual(['1', '3', '1234'])
  })

  it('D [E10] commits nothing when a writer loses a row, and says so', async () => {
    await produce([good(1), good(2)])
    const writer = createDataFileWriter(lake.database)
    const losesAll: DataFileWriter = {
      write: async (request) => ({ ...(await writer.write(request)), files: [] }),
    }
    await expect(lake.run(stream({ path: 'flat' }), {}, { writer: losesAll })).rejects.toThrow(
      'records of a batch are neither rows nor dead letters: records=2 rows=0 letters=0',
    )
    expect(await lake.run(stream({ path: 'flat' }))).toMatchObject({ rowsCommitted: 2 })
  })

  it('D commits nothing when dead letters cannot be written', async () => {
    await produce([good(1), bad()])
    const writer = createDataFileWriter(lake.database)
    const refusesLetters: DataFileWriter = {
      write: async (request) => {
        const written = await writer.write(request)
        if (!request.schema.fields.some(({ name }) => name === 'failed_at')) return written
        return { files: [], refused: [{ spool: 0, row: 0, reason: 'no room' }] }
      },
    }
    await expect(
      lake.run(stream({ path: 'flat' }), {}, { writer: refusesLetters }),
    ).rejects.toThrow('dead letters could not be written, so nothing is committed')
    expect(await rowsOf('web.events', 'id')).toEqual([])
    expect(await lake.run(stream({ path: 'flat' }))).toMatchObject({ deadLetters: 1 })
  })
})

describe('A12 errors.tolerance: none', () => {
  it.each(everyPath)('A12 stops at the first bad record and commits nothing: %s', async (path) => {
    await produce([good(1), bad(), good(2)])
    await expect(lake.run(stream({ path, tolerance: 'none' }))).rejects.toThrow(
      /errors\.tolerance is none: .* topic=events partition=0 offset=1/,
    )
    expect(await rowsOf('web.events', 'id')).toEqual([])
    expect(await letters()).toEqual([])
  })
})
