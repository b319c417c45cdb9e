/**
 * Where a stream reads a partition is decided once, by whoever is first: idle partitions, restarts, partitions
 * that come later, other members of the group, rewinds and a store that is away do not move it.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Snapshot } from '../../catalog/format/index.ts'
import { type Clock, CorruptDataError, systemClock, systemRandom } from '../../common/index.ts'
import {
  commitOffsets,
  createEmbeddedSource,
  type PollResult,
  type RecordSource,
  restoreOffsets,
  type StreamRunResult,
} from '../../ingest/index.ts'
import { eventually } from '../support/eventually.ts'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.ts'
import { FaultyFileIO } from '../support/stores/faulty-file-io.ts'

let lake: LakeFixture
let faulty: FaultyFileIO
let sinks: Sink[]
let produced: number

beforeEach(async () => {
  lake = await openLakeFixture({
    wrap: (inner) => {
      faulty = new FaultyFileIO(inner)
      return faulty
    },
  })
  sinks = []
  produced = 0
})
afterEach(async () => {
  await Promise.all(sinks.map((sink) => sink.stop().catch(() => undefined)))
  await lake.close()
})

interface StreamChanges {
  readonly start?: string
  readonly topics?: string
  readonly schema?: string
  readonly isShared?: boolean
}

const declared = 'mode: declared, fields: [{ name: id, type: long }]'

function settings(changes: StreamChanges = {}): ReturnType<LakeFixture['settings']> {
  const { start = 'latest', topics = 't', schema = declared, isShared = true } = changes
  const group = isShared ? ', consumer_group: g' : ''
  return lake.settings(`
name: s
input: { kafka: { seed_brokers: ["b:1"], topics: [${topics}], start_offset: ${start}${group} } }
schema: { ${schema} }
output: { iceberg: { table: web.t, commit: { interval: 100ms } } }
`)
}

/** Appends records with new ids and returns them. */
async function produce(topic: string, partition: number, count: number): Promise<number[]> {
  const ids = Array.from({ length: count }, () => produced++)
  await lake.log.appendValues(
    { topic, partition },
    ids.map((id) => JSON.stringify({ id })),
  )
  return ids
}

/** The embedded log as one member of a group sees it: the partitions that it is assigned. */
function memberSource(topics: readonly string[], assigned: () => readonly number[]): RecordSource {
  const inner = createEmbeddedSource({ log: lake.log, topics, topicsIntervalMs: 20 })
  let announced: string | undefined
  let held: PollResult | undefined
  const poll = async (...args: Parameters<RecordSource['poll']>): Promise<PollResult> => {
    const result = await inner.poll(...args)
    if (result.kind === 'assigned') held = result
    const numbers = assigned()
    if (held?.kind === 'assigned' && (result === held || announced !== numbers.join())) {
      announced = numbers.join()
      const others = held.partitions.filter(({ partition }) => !numbers.includes(partition))
      const ours = held.partitions.filter(({ partition }) => numbers.includes(partition))
      inner.pause(others)
      inner.resume(ours)
      return { kind: 'assigned', partitions: ours }
    }
    return result
  }
  return new Proxy(inner, {
    get: (target, name: keyof RecordSource) => {
      if (name === 'poll') return poll
      const member = target[name] as unknown
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}

interface Sink {
  /** Resolves once it has taken its positions. */
  readonly begun: Promise<void>
  readonly ended: Promise<StreamRunResult>
  stop(): Promise<StreamRunResult>
}

const all = Array.from({ length: 9 }, (_, partition) => partition)

function start(
  changes: StreamChanges = {},
  assigned: () => readonly number[] = () => all,
  clock: Clock = systemClock,
): Sink {
  const of = settings(changes)
  const stopping = new AbortController()
  let begin = (): void => undefined
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  const ended = lake.run(
    of,
    {
      until: 'stopped',
      signal: stopping.signal,
      onProgress: ({ state }) => state === 'starting' || begin(),
    },
    { source: memberSource(of.input.topics, assigned), clock },
  )
  const hasBegun = Promise.race([begun, ended.then(() => undefined)])
  for (const each of [hasBegun, ended]) each.catch(() => undefined)
  const sink = {
    begun: hasBegun,
    ended,
    stop: () => {
      stopping.abort()
      return ended
    },
  }
  sinks.push(sink)
  return sink
}

async function drain(
  changes: StreamChanges = {},
  assigned: () => readonly number[] = () => all,
): Promise<StreamRunResult> {
  const of = settings(changes)
  return lake.run(of, {}, { source: memberSource(of.input.topics, assigned) })
}

async function ids(): Promise<readonly number[]> {
  const rows = await lake.rows('web.t', 'id')
  return rows.map((row) => Number(row['id'])).sort((left, right) => left - right)
}

const holds = (expected: readonly number[]): Promise<true> =>
  eventually(async () => {
    const found = await ids().catch((): readonly number[] => [])
    return expected.every((id) => found.includes(id)) || undefined
  })

async function snapshots(): Promise<readonly Snapshot[]> {
  const { metadata } = await lake.catalog.loadTable({ namespace: ['web'], name: 't' })
  return metadata.snapshots
}

/** The sink's clock runs fast, so that it looks at its table often. */
const hasty = { ...systemClock, monotonic: () => systemClock.monotonic() * 100 }

interface Situation {
  readonly line: string
  readonly situation: string
  readonly reason: string
  /** Returns the ids that the table must hold. */
  readonly play: () => Promise<readonly number[]>
}

const inferred = { schema: 'mode: json_infer' }

const situations: readonly Situation[] = [
  {
    line: 'A1',
    situation: 'latest: a partition is idle until a restart',
    reason: 'its position was taken with the others',
    play: async () => {
      await produce('t', 1, 5)
      const sink = start()
      await sink.begun
      const first = await produce('t', 0, 5)
      await holds(first)
      await sink.stop()
      const later = await produce('t', 1, 10)
      await drain()
      return [...first, ...later]
    },
  },
  {
    line: 'A1',
    situation: 'latest: stopped before the first record, all records come while it is down',
    reason: 'the position was taken when the stream began to read',
    play: async () => {
      await produce('t', 0, 5)
      const sink = start()
      await sink.begun
      await sink.stop()
      const later = [...(await produce('t', 0, 5)), ...(await produce('t', 1, 5))]
      await drain()
      return later
    },
  },
  {
    line: 'A1',
    situation: 'latest: the same with columns that the first records have to decide',
    reason: 'positions outlive the process also while there is no table',
    play: async () => {
      await produce('t', 0, 5)
      const sink = start(inferred)
      await sink.begun
      await sink.stop()
      const later = [...(await produce('t', 0, 5)), ...(await produce('t', 1, 5))]
      await drain(inferred)
      return later
    },
  },
  {
    line: 'A1',
    situation: 'latest: a partition is added while it runs',
    reason: 'all that is in it came after the start',
    play: async () => {
      await produce('t', 0, 5)
      const sink = start()
      await sink.begun
      const first = await produce('t', 0, 3)
      await holds(first)
      await lake.log.addPartitions('t', 3)
      const added = await produce('t', 2, 10)
      await holds(added)
      await sink.stop()
      return [...first, ...added]
    },
  },
  {
    line: 'A1',
    situation: 'a time in the future: a partition is added while it is down',
    reason: 'the start of a stream is not the start of each partition',
    play: async () => {
      await produce('t', 0, 5)
      const sink = start({ start: '"@2100-01-01T00:00:00Z"' })
      await sink.begun
      await sink.stop()
      await lake.log.addPartitions('t', 3)
      const later = [...(await produce('t', 2, 10)), ...(await produce('t', 0, 2))]
      await drain({ start: '"@2100-01-01T00:00:00Z"' })
      return later
    },
  },
  {
    line: 'A1',
    situation: 'latest: a second worker joins before the first commit',
    reason: 'it goes on from the positions of the first',
    play: async () => {
      await produce('t', 1, 5)
      let ofFirst: readonly number[] = all
      const first = start({}, () => ofFirst)
      await first.begun
      // The rows of the first are held back until the other has begun.
      const held = faulty.inject({ kind: 'fail-before', on: ['upload'], times: 1000 })
      const records = [...(await produce('t', 0, 10)), ...(await produce('t', 1, 100))]
      ofFirst = [0]
      const second = start({}, () => [1])
      await second.begun
      held.disarm()
      await holds(records)
      return records
    },
  },
  {
    line: 'A1',
    situation: 'latest: the same while there is no table',
    reason: 'it goes on from the positions of the first',
    play: async () => {
      await produce('t', 1, 5)
      let ofFirst: readonly number[] = all
      const first = start(inferred, () => ofFirst)
      await first.begun
      ofFirst = [0]
      const records = await produce('t', 1, 100)
      const second = start(inferred, () => [1])
      await second.begun
      records.push(...(await produce('t', 0, 10)))
      await holds(records)
      return records
    },
  },
  {
    line: 'A1',
    situation: 'latest: the store is away before the first commit',
    reason: 'a rewind goes back to the position first taken',
    play: async () => {
      await produce('t', 0, 5)
      const sink = start({ isShared: false })
      await sink.begun
      const away = faulty.inject({ kind: 'fail-before', on: ['write', 'upload'], times: 1000 })
      const records = await produce('t', 0, 50)
      await eventually(() => away.struck > 2)
      away.disarm()
      await holds(records)
      return records
    },
  },
  {
    line: 'A1',
    situation: 'latest: a topic is added to a stream that has a table',
    reason: 'start_offset is for a topic that is new to the stream, once',
    play: async () => {
      const first = await produce('t', 0, 3)
      await drain({ start: 'earliest' })
      await lake.log.createTopic('u', 2)
      await produce('u', 0, 7)
      const both = { topics: 't, u' }
      const sink = start(both)
      await sink.begun
      await sink.stop()
      const later = [...(await produce('u', 0, 4)), ...(await produce('u', 1, 4))]
      await drain(both)
      return [...first, ...later]
    },
  },
  {
    line: 'A1',
    situation: 'latest: a member takes over a partition that had no record yet',
    reason: 'a rebalance moves no position',
    play: async () => {
      let ofFirst: readonly number[] = [0, 1]
      const sink = start({}, () => ofFirst)
      await sink.begun
      ofFirst = [0]
      const records = await produce('t', 1, 10)
      records.push(...(await produce('t', 0, 1)))
      await holds(records.slice(-1))
      ofFirst = [0, 1]
      await holds(records)
      return records
    },
  },
]

describe('the position of a partition', () => {
  beforeEach(() => lake.log.createTopic('t', 2))

  for (const { line, situation, reason, play } of situations) {
    it(`${line} [E11] ${situation}: ${reason}`, async () => {
      const expected = await play()
      expect(await ids()).toEqual([...expected].sort((left, right) => left - right))
    })
  }

  it('A1 [E11] is in the first commit for all partitions, without a snapshot of its own where it cannot move', async () => {
    await produce('t', 0, 3)
    await drain({ start: 'earliest' })
    expect(await snapshots()).toHaveLength(1)
    const summary = (await snapshots())[0]?.summary
    expect(summary?.['tidewater.offsets']).toContain('"next-offsets":{"0":3,"1":0}')
    expect(summary?.['tidewater.operation']).toBeUndefined()
  })

  it('A1 [E11] is in a snapshot of its own before anything is read where it could move', async () => {
    await produce('t', 0, 3)
    await drain()
    const [only, ...others] = await snapshots()
    expect(others).toEqual([])
    expect(only?.summary).toMatchObject({
      operation: 'append',
      'tidewater.operation': 'start-offsets',
      'tidewater.ranges': '[]',
      'total-records': '0',
    })
    expect(only?.summary?.['tidewater.offsets']).toContain('"next-offsets":{"0":3,"1":0}')
  })

  it('A1 [E11] is forgotten beside the dead letters once the table has it', async () => {
    await produce('t', 0, 3)
    const letters = async (): Promise<readonly string[]> => {
      const { metadata } = await lake.catalog.loadTable({ namespace: ['web'], name: 't__dlq' })
      return Object.keys(metadata.properties).filter((key) => key.startsWith('tidewater.start'))
    }
    await drain(inferred)
    expect(await letters()).toEqual(['tidewater.start-offsets.web.t@main'])
    const later = await produce('t', 0, 2)
    await drain(inferred)
    expect(await ids()).toEqual(later)
    expect(await letters()).toEqual([])
  })
})

describe('a sink without a record to commit', () => {
  const identifier = { namespace: ['web'], name: 't' }

  beforeEach(async () => {
    await lake.log.createTopic('t', 2)
  })

  it('B8 [E13] finds out that its offsets were set', async () => {
    const first = await produce('t', 0, 3)
    const sink = start({ start: 'earliest', isShared: false }, () => all, hasty)
    await holds(first)
    const table = await lake.catalog.loadTable(identifier)
    const offsets = restoreOffsets(table, 'main').get('s')
    const topics = new Map(offsets?.topics)
    const { topicId = '' } = topics.get('t') ?? {}
    topics.set('t', { topicId, nextOffsets: new Map([[0, 1n]]) })
    const after = new Map([['s', { clusterId: offsets?.clusterId ?? '', topics }]])
    const plan = { stream: 's', changes: [], identity: [], others: [], isChange: true, after }
    const tools = { catalog: lake.catalog, io: lake.io, clock: systemClock, random: systemRandom }
    await commitOffsets(tools, table, 'main', plan, { writer: 'me', request: 't:0=1' })
    await eventually(async () => (await ids()).length === 5 || undefined)
    await sink.stop()
    expect(await ids()).toEqual([0, 1, 1, 2, 2])
  })

  it('K14 [E14] names the right command when it meets an offset that a topic made again does not have', async () => {
    const first = await produce('t', 0, 3)
    const of = settings({ start: 'earliest' })
    // It does not look at the topic's id by itself.
    const source = createEmbeddedSource({ log: lake.log, topics: ['t'], topicsIntervalMs: 1e9 })
    const ended = lake.run(of, { until: 'stopped' }, { source }).catch(String)
    await holds(first)
    await lake.log.deleteTopic('t')
    await lake.log.createTopic('t', 2)
    await produce('t', 0, 1)
    expect(await ended).toMatch(/made again .*: tide stream offsets s set t=earliest --execute/)
  })

  it('B8 [E2] stops when another engine has rolled its table back', async () => {
    const first = await produce('t', 0, 3)
    await drain({ start: 'earliest' })
    const before = (await snapshots()).at(-1)?.snapshotId ?? 0n
    const sink = start({ start: 'earliest' }, () => all, hasty)
    await holds([...first, ...(await produce('t', 0, 1))])
    const ref = { snapshotId: before, type: 'branch' } as const
    const updates = [{ action: 'set-snapshot-ref', refName: 'main', ref } as const]
    await lake.catalog.commitTable({ identifier, requirements: [], updates })
    const error = await sink.ended.catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(CorruptDataError)
    expect(String(error)).toContain(`tide stream offsets s set --from-snapshot ${before} --execute`)
  })
})

describe('a drain by a member that has no partition', () => {
  const earliest = { start: 'earliest' }

  beforeEach(async () => {
    await lake.log.createTopic('t', 2)
  })

  it('B11 [E12] ends once the table has what the others read', async () => {
    const records = await produce('t', 0, 5)
    let hasEnded = false
    const idle = drain(earliest, () => []).finally(() => {
      hasEnded = true
    })
    const other = start(earliest, () => (hasEnded ? [] : all))
    await other.begun
    expect(await idle).toMatchObject({ recordsRead: 0, commits: 0 })
    expect(await ids()).toEqual(records)
  })

  it('B11 [E12] ends at once where nothing is to be read', async () => {
    expect(await drain(earliest, () => [])).toMatchObject({ recordsRead: 0 })
    await produce('t', 0, 5)
    await drain(earliest)
    expect(await drain(earliest, () => [])).toMatchObject({ recordsRead: 0 })
  })

  it('B11 [E12] reads what another leaves behind', async () => {
    const records = await produce('t', 0, 5)
    let assigned: readonly number[] = []
    const waiting = drain(earliest, () => assigned)
    const held = faulty.inject({ kind: 'fail-before', on: ['upload'], times: 1000 })
    const other = start(earliest)
    await eventually(() => held.struck > 0 || undefined)
    await other.stop().catch(() => undefined)
    held.disarm()
    assigned = all
    expect(await waiting).toMatchObject({ recordsCommitted: 5 })
    expect(await ids()).toEqual(records)
  })
})
