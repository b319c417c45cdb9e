import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.ts'

let lake: LakeFixture

beforeEach(async () => {
  lake = await openLakeFixture()
  await lake.log.createTopic('events', 2)
})

afterEach(() => lake.close())

const stream = `
name: events
input: { embedded: { directory: log, topics: [events], start_offset: earliest } }
schema: { mode: json_infer }
output: { iceberg: { table: web.events, partition_by: ["day(ts)"], commit: { interval: 1s } } }
`

async function produce(values: readonly string[], partition = 0): Promise<void> {
  await lake.log.appendValues({ topic: 'events', partition }, values)
}

describe('runStream() from the embedded log', () => {
  it('[E1] commits every record of the log once, with its place', async () => {
    await produce(['{"id":1,"ts":"2024-01-01T00:00:00Z"}', '{"id":2,"ts":"2024-01-02T00:00:00Z"}'])
    await produce(['{"id":3,"ts":"2024-01-02T12:00:00Z"}'], 1)
    const result = await lake.run(lake.settings(stream))
    expect(result).toMatchObject({ recordsRead: 3, rowsCommitted: 3, deadLetters: 0 })
    expect(
      await lake.rows('web.events', 'id, _kafka.partition AS p, _kafka."offset" AS o'),
    ).toEqual([
      { id: '1', p: 0, o: '0' },
      { id: '2', p: 0, o: '1' },
      { id: '3', p: 1, o: '0' },
    ])
  })

  it('[E2] goes on where the table ends when it is started again', async () => {
    await produce(['{"id":1,"ts":"2024-01-01T00:00:00Z"}'])
    await lake.run(lake.settings(stream))
    await produce(['{"id":2,"ts":"2024-01-01T00:00:00Z"}'])
    const second = await lake.run(lake.settings(stream))
    expect(second.recordsRead).toBe(1)
    expect((await lake.rows('web.events', 'id')).map((row) => row['id'])).toEqual(['1', '2'])
  })

  it.each([
    ['none', undefined],
    ['a time-out', new DOMException('after a while', 'TimeoutError')],
    ['a text', 'enough'],
  ])('commits what it has read when it is asked to stop: reason %s', async (_, reason) => {
    await produce(['{"id":1,"ts":"2024-01-01T00:00:00Z"}'])
    const stop = new AbortController()
    const ended = lake.run(lake.settings(stream.replace('interval: 1s', 'interval: 1h')), {
      until: 'stopped',
      signal: stop.signal,
      onProgress: ({ recordsRead }) => {
        if (recordsRead === 1) stop.abort(reason)
      },
    })
    expect(await ended).toMatchObject({ recordsRead: 1, rowsCommitted: 1 })
  })

  it('keeps records that cannot become rows as dead letters, once, with the reason', async () => {
    await produce(['{"id":1,"ts":"2024-01-01T00:00:00Z"}'])
    await lake.run(lake.settings(stream))
    await produce(['{"id":"x","ts":"2024-01-01T00:00:00Z"}', 'nope', 'null', '{"id":2,"ts":null}'])
    const result = await lake.run(lake.settings(stream))
    expect(result).toMatchObject({ rowsCommitted: 1, deadLetters: 3 })
    const letters = await lake.rows('web.events__dlq', '"offset" AS o, decode(value) AS v, error')
    expect(letters).toEqual([
      { o: '1', v: '{"id":"x","ts":"2024-01-01T00:00:00Z"}', error: expect.stringContaining('id') },
      { o: '2', v: 'nope', error: expect.stringContaining('not json') },
      { o: '3', v: 'null', error: expect.stringContaining('expected a json object, found null') },
    ])
  })

  it('adds a field outside the sample to the schema instead of dropping it', async () => {
    await produce(['{"id":1,"ts":"2024-01-01T00:00:00Z"}'])
    await lake.run(lake.settings(stream))
    await produce([
      '{"id":2,"ts":"2024-01-01T00:00:00Z","extra":{"a":[1,2]}}',
      '{"id":3,"ts":null,"extra":{"b":"x"}}',
    ])
    await lake.run(lake.settings(stream))
    expect(await lake.rows('web.events', 'id, extra.a AS a, extra.b AS b')).toEqual([
      { id: '1', a: null, b: null },
      { id: '2', a: ['1', '2'], b: null },
      { id: '3', a: null, b: 'x' },
    ])
  })
  it('makes no table that it could not fill', async () => {
    await produce(['{"id":1,"user":{"id":7},"ts":"2024-01-01T00:00:00Z"}'])
    const nested = stream.replace('["day(ts)"]', `['bucket(4,"user.id")']`)
    await expect(lake.run(lake.settings(nested))).rejects.toThrow('by top-level columns only')
    const fields = 'schema: { fields: [{ name: id, type: "fixed(3)" }] }'
    const fixed = stream.replace('schema: { mode: json_infer }', fields).replace('day(ts)', 'id')
    await expect(lake.run(lake.settings(fixed))).rejects.toThrow('fixed columns cannot be filled')
    expect(await lake.catalog.listNamespaces()).toEqual([])
    await lake.run(lake.settings(stream))
    expect(await lake.rows('web.events', 'id')).toEqual([{ id: '1' }])
  })
})
