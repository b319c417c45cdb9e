/**
 * Two sinks of one stream by mistake, without a group: one of them stops, the other goes on, whatever
 * the moments at which they meet. On real Kafka and MinIO: tests/integration/rival-sinks.test.ts.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Catalog } from '../../catalog/index.ts'
import {
  createEmbeddedSource,
  OffsetConflictError,
  type PollResult,
  type RecordBatch,
  type RecordSource,
  type StreamProgress,
} from '../../ingest/index.ts'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.ts'

let lake: LakeFixture
beforeEach(async () => {
  lake = await openLakeFixture()
  await lake.log.createTopic('events', 2)
})
afterEach(() => lake.close())

const settings = (maxRecords: number): ReturnType<LakeFixture['settings']> =>
  lake.settings(`
name: events
input: { embedded: { directory: log, topics: [events], start_offset: earliest } }
schema: { mode: declared, fields: [{ name: id, type: long }] }
output: { iceberg: { table: web.events, commit: { interval: 10s, max_records: ${maxRecords} } } }
`)

/** Appends in calls of ten, so that a poll brings several batches. */
async function produce(partition: number, ids: readonly number[], poison: readonly number[] = []) {
  for (let start = 0; start < ids.length; start += 10) {
    const values = ids
      .slice(start, start + 10)
      .map((id) => (poison.includes(id) ? `poison ${id}` : `{"id":${id}}`))
    await lake.log.appendValues({ topic: 'events', partition }, values)
  }
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index)

async function column(table: string, name: string): Promise<readonly number[]> {
  const rows = await lake.rows(table, `${name} AS n`)
  return rows.map((row) => Number(row['n'])).sort((left, right) => left - right)
}

/** Gives only the records that `isEarly` until `opens`, and the others then. */
function gated(isEarly: (batch: RecordBatch) => boolean, opens: Promise<unknown>): RecordSource {
  const inner = createEmbeddedSource({ log: lake.log, topics: ['events'] })
  const held: RecordBatch[] = []
  let isOpen = false
  void opens.then(() => {
    isOpen = true
  })
  const poll = async (...args: Parameters<RecordSource['poll']>): Promise<PollResult> => {
    if (isOpen && held.length > 0) return { kind: 'records', batches: held.splice(0) }
    const result = await inner.poll(...args)
    if (result.kind === 'assigned' || isOpen) return result
    held.push(...result.batches.filter((batch) => !isEarly(batch)))
    return { kind: 'records', batches: result.batches.filter(isEarly) }
  }
  return new Proxy(inner, {
    get: (target, name: keyof RecordSource) => {
      if (name === 'poll') return poll
      const member = target[name] as unknown
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

function promise(): { readonly resolved: Promise<void>; resolve(): void } {
  let resolve = (): void => undefined
  const resolved = new Promise<void>((done) => {
    resolve = done
  })
  return { resolved, resolve: () => resolve() }
}

describe('two sinks of one stream without a group', () => {
  it('[E3] do not both stop when each committed a partition that the other had not read', async () => {
    await produce(0, numbers(20))
    await produce(1, [100, 101])
    const marks = [promise(), promise()] as const
    const run = (own: 0 | 1): ReturnType<LakeFixture['run']> => {
      const onProgress = ({ commits }: StreamProgress): void => {
        if (commits > 0) marks[own].resolve()
      }
      // Neither reads the other's partition before both have committed or stopped.
      const opens = Promise.all(marks.map(({ resolved }) => resolved))
      const source = gated(({ partition }) => partition === own, opens)
      return lake.run(settings(2), { onProgress }, { source }).finally(marks[own].resolve)
    }
    const ends = await Promise.allSettled([run(0), run(1)])
    const lost = ends.filter((end) => end.status === 'rejected')
    expect(lost.map(({ reason }) => reason as unknown)).toEqual([expect.any(OffsetConflictError)])
    expect(await column('web.events', 'id')).toEqual([...numbers(20), 100, 101])
  })

  it('[E3, E5] do not both stop when one was first with the letters and the other with the rows', async () => {
    const poison = [13, 23]
    await produce(1, [100], [100])
    await lake.run(settings(10))
    await produce(0, numbers(40), poison)
    const begun = promise()
    const lettersOfFirst = promise()
    // Has looked at both tables before the other commits anything; then waits.
    const source = gated(() => false, lettersOfFirst.resolved)
    const onProgress = ({ state }: StreamProgress): void => {
      if (state === 'running') begun.resolve()
    }
    const second = lake.run(settings(10), { onProgress }, { source })
    await begun.resolved
    const slow: Catalog['commitTable'] = async (request, ...rest) => {
      if (request.identifier.name === 'events') {
        lettersOfFirst.resolve()
        await second.catch(() => undefined)
      }
      return lake.catalog.commitTable(request, ...rest)
    }
    const catalog = new Proxy(lake.catalog, {
      get: (target, name: keyof Catalog) => {
        if (name === 'commitTable') return slow
        const member = target[name] as unknown
        return typeof member === 'function' ? member.bind(target) : member
      },
    })
    const first = lake.run(settings(40), {}, { catalog })
    await expect(first).rejects.toThrow(OffsetConflictError)
    await expect(second).resolves.toMatchObject({ recordsRead: 40 })
    expect(await column('web.events', 'id')).toEqual(
      numbers(40).filter((id) => !poison.includes(id)),
    )
    expect(await column('web.events__dlq', '"offset"')).toEqual([0, ...poison])
  })
})
