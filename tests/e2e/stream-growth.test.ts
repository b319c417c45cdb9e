/**
 * Records bring new columns: the columns and the rows that brought them come in one commit, whatever
 * other writers do to the schema at that moment (docs/spec/exactly-once.md, E9).
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { currentSchema, formatType, type TableMetadata } from '../../catalog/format/index.ts'
import { type Catalog, commitAction, type SchemaChange, UpdateSchema } from '../../catalog/index.ts'
import { systemClock, systemRandom } from '../../common/index.ts'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.ts'
import { FaultyFileIO } from '../support/stores/faulty-file-io.ts'

const identifier = { namespace: ['web'], name: 'events' }
const tools = { clock: systemClock, random: systemRandom }

let lake: LakeFixture
let faulty: FaultyFileIO

beforeEach(async () => {
  lake = await openLakeFixture({
    wrap: (inner) => {
      faulty = new FaultyFileIO(inner, { clock: systemClock })
      return faulty
    },
  })
  await lake.log.createTopic('events', 1)
  await lake.log.createTopic('others', 1)
  await append('events', { id: 0 })
  await lake.run(stream())
})
afterEach(() => lake.close())

interface StreamChanges {
  readonly name?: string
  readonly recordsMax?: number
  readonly coercion?: string
}

function stream(changes: StreamChanges = {}): ReturnType<LakeFixture['settings']> {
  const { name = 'events', recordsMax = 1000, coercion = 'strict' } = changes
  return lake.settings(`
name: ${name}
input: { embedded: { directory: log, topics: [${name}], start_offset: earliest } }
schema: { mode: json_infer, coercion: ${coercion} }
output: { iceberg: { table: web.events, commit: { interval: 10s, max_records: ${recordsMax} } } }
`)
}

/** One call each, so that a record is a batch of the log. */
async function append(topic: string, ...values: readonly unknown[]): Promise<void> {
  for (const value of values) {
    const text = typeof value === 'string' ? value : JSON.stringify(value)
    await lake.log.appendValues({ topic, partition: 0 }, [text])
  }
}

async function metadata(): Promise<TableMetadata> {
  return (await lake.catalog.loadTable(identifier)).metadata
}

async function columns(): Promise<readonly string[]> {
  const { fields } = currentSchema(await metadata())
  return fields
    .filter(({ name }) => name !== '_kafka')
    .map(({ name, type }) => `${name} ${formatType(type)}`)
}

const changeSchema = (changes: readonly SchemaChange[]): Promise<unknown> =>
  commitAction(lake.catalog, identifier, new UpdateSchema(changes), tools)

/** A catalog that does `first` once before it sends a commit to the table, after dead letters if it must. */
function before(first: () => Promise<unknown>, isAfterLetters = false): Catalog {
  let isDone = false
  let isDue = !isAfterLetters
  const commitTable: Catalog['commitTable'] = async (request, ...rest) => {
    if (request.identifier.name === 'events__dlq') isDue = true
    if (!isDone && isDue && request.identifier.name === 'events') {
      isDone = true
      await first()
    }
    return lake.catalog.commitTable(request, ...rest)
  }
  return new Proxy(lake.catalog, {
    get: (target, name: keyof Catalog) => {
      if (name === 'commitTable') return commitTable
      const member = target[name] as unknown
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

async function letters(): Promise<readonly number[]> {
  const rows = await lake.rows('web.events__dlq', '"offset" AS o')
  return rows.map((row) => Number(row['o'])).sort((left, right) => left - right)
}

describe('a stream whose records bring new columns', () => {
  it('[E9] changes nothing when it dies before the rows are committed, and then all in one commit', async () => {
    await append('events', { id: 1, extra: 7 })
    const old = await metadata()
    const dies = faulty.inject({
      kind: 'fail-before',
      on: ['write'],
      at: /\/web\/events\/metadata\/.*\.avro$/,
      error: () => new Error('the process ends here'),
      times: 1_000,
    })
    await expect(lake.run(stream())).rejects.toThrow('the process ends here')
    expect(dies.struck).toBeGreaterThan(0)
    expect(await columns()).toEqual(['id long'])
    dies.disarm()
    await lake.run(stream())
    expect(await columns()).toEqual(['id long', 'extra long'])
    const grown = await metadata()
    expect(grown.metadataLog).toHaveLength(old.metadataLog.length + 1)
    expect(grown.snapshots).toHaveLength(old.snapshots.length + 1)
    expect(grown.snapshots.at(-1)?.schemaId).toBe(grown.currentSchemaId)
    expect(await lake.rows('web.events', 'id, extra')).toEqual([
      { id: '0', extra: null },
      { id: '1', extra: '7' },
    ])
  })

  it('[E9] commits the batches behind a growth in order, each with its columns', async () => {
    const values = Array.from({ length: 40 }, (_, index) => ({
      id: index + 1,
      [`extra${Math.floor(index / 8)}`]: index,
      nested: { [`part${Math.floor(index / 16)}`]: index },
    }))
    // A partition is a batch of the log, and each of them a batch of the stream.
    await lake.log.createTopic('wide', 8)
    for (const [index, value] of values.entries()) {
      const at = { topic: 'wide', partition: Math.floor(index / 5) }
      await lake.log.appendValues(at, [JSON.stringify(value)])
    }
    const old = await metadata()
    faulty.inject({ kind: 'delay', on: ['upload'], delayMs: 20, times: 4 })
    await lake.run(stream({ name: 'wide', recordsMax: 5 }))
    const { metadataLog, snapshots } = await metadata()
    expect(metadataLog.length - old.metadataLog.length).toBe(
      snapshots.length - old.snapshots.length,
    )
    expect(snapshots.length).toBeGreaterThan(5)
    const extras = [0, 1, 2, 3, 4].map((index) => `extra${index}`)
    const parts = [0, 1, 2].map((index) => `nested.part${index}`)
    const rows = await lake.rows(
      'web.events',
      `id, coalesce(${extras.join(', ')}) AS extra, coalesce(${parts.join(', ')}) AS part`,
    )
    const byId = rows
      .map((row) => [row['id'], row['extra'], row['part']].map((each) => Number(each ?? -1)))
      .sort(([left = 0], [right = 0]) => left - right)
    expect(byId).toEqual([[0, -1, -1], ...values.map(({ id }) => [id, id - 1, id - 1])])
  })

  it.each(['strict', 'lenient'])(
    '[E9] shares a column that another sink made first with the same type (%s)',
    async (coercion) => {
      await append('events', { id: 1, extra: 7 })
      await append('others', { id: 2, extra: 8 })
      const other = (): Promise<unknown> => lake.run(stream({ name: 'others', coercion }))
      await lake.run(stream({ coercion }), {}, { catalog: before(other) })
      expect(await columns()).toEqual(['id long', 'extra long'])
      expect(await lake.rows('web.events', 'id, extra')).toEqual([
        { id: '0', extra: null },
        { id: '1', extra: '7' },
        { id: '2', extra: '8' },
      ])
    },
  )

  it('[E9] reads its records again when another sink made the column with another type', async () => {
    await append('events', { id: 1, extra: 7 }, { id: 3, extra: 9 })
    await append('others', { id: 2, extra: 'text' })
    const other = (): Promise<unknown> => lake.run(stream({ name: 'others' }))
    const result = await lake.run(stream(), {}, { catalog: before(other) })
    expect(result).toMatchObject({ rowsCommitted: 0, deadLetters: 2 })
    expect(await columns()).toEqual(['id long', 'extra string'])
    expect(await letters()).toEqual([1, 2])
  })

  it('[E9] reads its records again by a lenient rule when another sink made the column', async () => {
    await append('events', { id: 1, extra: 7 })
    await append('others', { id: 2, extra: 'text' })
    const other = (): Promise<unknown> => lake.run(stream({ name: 'others' }))
    await lake.run(stream({ coercion: 'lenient' }), {}, { catalog: before(other) })
    expect(await lake.rows('web.events', 'id, extra')).toEqual([
      { id: '0', extra: null },
      { id: '1', extra: '7' },
      { id: '2', extra: 'text' },
    ])
  })

  it.each([
    ['adds a column', { kind: 'add-column', parent: [], name: 'y', type: { type: 'string' } }],
    ['adds the column', { kind: 'add-column', parent: [], name: 'extra', type: { type: 'long' } }],
  ] as const)('[E9] loses no value when another engine %s at that moment', async (_, change) => {
    await append('events', { id: 1, extra: 7 }, { id: 2, extra: 8 })
    await lake.run(stream(), {}, { catalog: before(() => changeSchema([change])) })
    const now = currentSchema(await metadata()).fields.map(({ name }) => name)
    expect(now).toEqual(expect.arrayContaining(['id', 'extra']))
    const rows = await lake.rows('web.events', 'id, extra')
    expect(rows.filter((row) => row['extra'] !== null)).toEqual([
      { id: '1', extra: '7' },
      { id: '2', extra: '8' },
    ])
    const { snapshots } = await metadata()
    expect(snapshots.at(-1)?.summary?.['total-records']).toBe('3')
  })

  it('[E9] follows a column that another engine renames at that moment', async () => {
    await append('events', { id: 1, extra: 7 }, { id: 2, extra: 8 })
    const rename = { kind: 'rename-column', path: ['id'], name: 'number' } as const
    await lake.run(stream(), {}, { catalog: before(() => changeSchema([rename])) })
    expect(await columns()).toEqual(['number long', 'extra long'])
    expect(await lake.rows('web.events', 'id, number, extra')).toEqual([
      { id: '0', number: null, extra: null },
      { id: null, number: '1', extra: '7' },
      { id: null, number: '2', extra: '8' },
    ])
  })

  it('[E9] keeps the records as dead letters when another engine drops a column at that moment', async () => {
    await append('events', { id: 1, extra: 7 }, { id: 2, extra: 8 }, { extra: 9 })
    const drop = { kind: 'drop-column', path: ['id'] } as const
    await lake.run(stream(), {}, { catalog: before(() => changeSchema([drop])) })
    expect(await columns()).toEqual(['extra long'])
    expect(await lake.rows('web.events', 'id, extra')).toEqual([
      { id: '0', extra: null },
      { id: null, extra: '9' },
    ])
    expect(await letters()).toEqual([1, 2])
  })

  it('[E4, E9] makes each record a row or a letter, once, when the columns change after the letters', async () => {
    await append('events', { id: 1, extra: 7 }, { id: 'two', extra: 8 })
    // The rows' commit sees a column that takes the letter, and refuses the row.
    const retype = (): Promise<unknown> =>
      changeSchema([
        { kind: 'drop-column', path: ['id'] },
        { kind: 'add-column', parent: [], name: 'id', type: { type: 'string' } },
      ])
    await lake.run(stream(), {}, { catalog: before(retype, true) })
    const rows = await lake.rows('web.events', 'extra')
    expect(rows).toEqual([{ extra: '7' }, { extra: null }])
    expect(await letters()).toEqual([2])
  })

  it('[E5, E9] reads its records by the same columns again after a crash behind the letters', async () => {
    await append('events', { id: 1, extra: 7 }, { id: 2, extra: { a: 1 } })
    const dies = faulty.inject({
      kind: 'fail-before',
      on: ['write'],
      at: /\/web\/events\/metadata\/.*\.avro$/,
      error: () => new Error('the process ends here'),
      times: 1_000,
    })
    await append('events', 'poison')
    await expect(lake.run(stream())).rejects.toThrow('the process ends here')
    dies.disarm()
    expect(await letters()).toEqual([2, 3])
    const kept = await columns()
    // What comes later would have given the column another type.
    await append('events', { id: 4, extra: 'text' })
    await lake.run(stream())
    expect((await columns()).slice(0, kept.length)).toEqual(kept)
    const rows = await lake.rows('web.events', 'id')
    const places = [...(await letters()), ...rows.map((row) => Number(row['id']))]
    expect(places.sort((left, right) => left - right)).toEqual([0, 1, 2, 3, 4])
  })
})
