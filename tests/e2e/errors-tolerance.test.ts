/** Every reason for a dead letter, under every tolerance and both coercions. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NotFoundError } from '../../common/index.ts'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.ts'

let lake: LakeFixture

beforeEach(async () => {
  lake = await openLakeFixture()
  await lake.log.createTopic('events', 1)
})
afterEach(() => lake.close())

type Coercion = 'strict' | 'lenient'

interface Reason {
  readonly name: string
  readonly value: string | null
  /** What the letter says. */
  readonly says: Readonly<Record<Coercion, RegExp>>
}

const both = (pattern: RegExp): Reason['says'] => ({ strict: pattern, lenient: pattern })

const reasons: readonly Reason[] = [
  { name: 'a null value', value: null, says: both(/null value/) },
  { name: 'text that is no json', value: 'nope', says: both(/not json/) },
  { name: 'an unknown field', value: '{"id":2,"x":1}', says: both(/field x is not in the schema/) },
  {
    name: 'a value that the column cannot keep',
    value: '{"id":"12x"}',
    // Strict: the decoder refuses it. Lenient: the engine does, when the data files are written.
    says: { strict: /\bid\b/, lenient: /\bid\b|12x/ },
  },
]

const settingsOf = (tolerance: string, coercion: Coercion): ReturnType<LakeFixture['settings']> =>
  lake.settings(`
name: events
input: { embedded: { directory: log, topics: [events], start_offset: earliest } }
schema:
  mode: declared
  fields: [{ name: id, type: long }]
  coercion: ${coercion}
  unknown_fields: dead_letter
errors: { tolerance: ${tolerance} }
output: { iceberg: { table: web.events } }
`)

async function produce(values: readonly (string | null)[]): Promise<void> {
  await lake.log.append(
    { topic: 'events', partition: 0 },
    values.map((value) => ({ value: value === null ? null : Buffer.from(value) })),
  )
}

async function letters(): Promise<readonly Record<string, unknown>[]> {
  try {
    return await lake.rows('web.events__dlq', '"offset" AS o, decode(value) AS v, error')
  } catch (error) {
    if (error instanceof NotFoundError) return []
    throw error
  }
}

const cases = reasons.flatMap((reason) =>
  (['strict', 'lenient'] as const).map((coercion) => ({ ...reason, coercion })),
)

describe.each(cases)('errors.tolerance with $coercion coercion: $name', (reason) => {
  it('none: stops the stream, and commits nothing of the batch', async () => {
    const settings = settingsOf('none', reason.coercion)
    await produce(['{"id":1}'])
    await lake.run(settings)
    const before = await lake.catalog.loadTable({ namespace: ['web'], name: 'events' })
    await produce(['{"id":2}', reason.value, '{"id":3}', reason.value])
    const ended = await lake.run(settings).catch((error: unknown) => error)
    expect(String(ended)).toContain('a record cannot become a row and errors.tolerance is none: ')
    expect(String(ended)).toMatch(reason.says[reason.coercion])
    expect(String(ended)).toMatch(/topic=events partition=0 offset=2/)
    expect(await lake.rows('web.events', 'id')).toEqual([{ id: '1' }])
    expect(await letters()).toEqual([])
    const after = await lake.catalog.loadTable({ namespace: ['web'], name: 'events' })
    expect(after.metadata.properties).toEqual(before.metadata.properties)
  })

  it.each(['data', 'all'])('%s: keeps the record as a dead letter, and goes on', async (kind) => {
    await produce(['{"id":1}', reason.value, '{"id":3}'])
    const result = await lake.run(settingsOf(kind, reason.coercion))
    expect(result).toMatchObject({ rowsCommitted: 2, deadLetters: 1 })
    expect(await lake.rows('web.events', 'id')).toEqual([{ id: '1' }, { id: '3' }])
    expect(await letters()).toEqual([
      { o: '1', v: reason.value, error: expect.stringMatching(reason.says[reason.coercion]) },
    ])
  })
})
