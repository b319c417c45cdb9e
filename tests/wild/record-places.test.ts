/**
 * Which record a row came from is known by who wrote it, never by a column's name: a replay finds the rows of its
 * range exactly, or is refused with nothing changed.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { executeReplay, publishBranch, type ReplayRequest } from '../../app/index.ts'
import { openReplayTools } from '../../app/open-replay.ts'
import type { NestedField } from '../../catalog/format/index.ts'
import {
  commitAction,
  FastAppend,
  loadTableIfExists,
  type SchemaChange,
  UpdateSchema,
} from '../../catalog/index.ts'
import type { StreamSettings } from '../../ingest/settings/index.ts'
import { writeRows } from '../../replay/range-files.ts'
import { withRangeTools } from '../../replay/range-tools.ts'
import { events, fields, letters, openReplayLake, type ReplayLake } from '../support/replay-lake.ts'

let on: ReplayLake

beforeEach(async () => {
  on = await openReplayLake()
})
afterEach(() => on.close())

interface Settings {
  readonly metadata?: 'struct' | 'columns' | 'none'
  readonly name?: string
  readonly topics?: readonly string[]
  readonly schema?: string
  readonly start?: string
}

/** A stream that fills `web.events`. */
function stream({
  metadata,
  name = 'events',
  topics = ['events'],
  schema = `{ mode: declared, ${fields} }`,
  start = 'earliest',
}: Settings = {}): StreamSettings {
  return on.fixture.settings(`
name: ${name}
input: { embedded: { directory: log, topics: [${topics.join(', ')}], start_offset: ${start} } }
${metadata === undefined ? '' : `metadata: ${metadata}`}
schema: ${schema}
errors: { dlq: { table: web.events__dlq } }
output: { iceberg: { table: web.events, commit: { interval: 10s, max_records: 1000 } } }`)
}

const beganMs = Date.parse('2026-01-01T00:00:00Z')
let produced = 0
beforeEach(() => {
  produced = 0
})

/** Ten more records with ids of their own, read by a stream with these settings. */
async function fill(settings: Settings = {}, topic = 'events', more = ''): Promise<void> {
  const values = Array.from({ length: 10 }, () => {
    const id = produced++
    return `{"id":${id},"v":${id * 2}${more.replaceAll('ID', String(id))}}`
  })
  // A second apart, so that a stream can begin between two of them.
  await on.fixture.log.appendValues({ topic, partition: 0 }, values, beganMs + produced * 100)
  await on.fixture.run(stream(settings))
}

async function change(...changes: readonly SchemaChange[]): Promise<void> {
  await commitAction(on.fixture.catalog, events, new UpdateSchema(changes), on.lake)
}

const optional = (name: string, type: NestedField['type']): NestedField => ({
  id: 0,
  name,
  required: false,
  type,
})
const place = [
  optional('partition', { type: 'int' }),
  optional('offset', { type: 'long' }),
  optional('timestamp', { type: 'timestamptz' }),
]

/** Rows that another writer appends. */
async function append(select: string): Promise<void> {
  const table = await on.fixture.catalog.loadTable(events)
  await withRangeTools(openReplayTools(on.lake), async (tools) => {
    const files = await writeRows(tools, table, select)
    await commitAction(on.fixture.catalog, events, new FastAppend(tools, { files }), tools)
  })
}

const range = (from: number, to: number, topic = 'events'): ReplayRequest => ({
  from: { kind: 'offsets', coordinates: [{ topic, partition: 0, offset: BigInt(from) }] },
  until: { kind: 'offsets', coordinates: [{ topic, partition: 0, offset: BigInt(to) }] },
  into: 'fix',
})

async function ids(): Promise<readonly number[]> {
  const rows = await on.fixture.rows('web.events', 'id')
  return rows.map(({ id }) => Number(id)).sort((a, b) => a - b)
}

async function state(): Promise<unknown> {
  const tables = [events, letters].map((name) => loadTableIfExists(on.fixture.catalog, name))
  return (await Promise.all(tables)).map((table) => table?.metadataLocation)
}

/** Replays and publishes; every record is then in the table once, as before. */
async function replayed(settings: Settings, request: ReplayRequest): Promise<void> {
  const before = await ids()
  const report = await executeReplay(on.lake, stream(settings), request)
  const read = report.ranges.reduce((sum, { from, to }) => sum + Number(to - from), 0)
  expect(report).toMatchObject({ recordsRead: read, rowsCommitted: read, isComplete: true })
  await publishBranch(on.lake, events, 'fix', { dropBranch: true })
  expect(await ids()).toEqual(before)
}

async function refused(settings: Settings, request: ReplayRequest, why: RegExp): Promise<void> {
  const before = [await state(), await ids()]
  await expect(executeReplay(on.lake, stream(settings), request)).rejects.toThrow(why)
  expect([await state(), await ids()]).toEqual(before)
}

const noPlace = /rows of the range.*say.* which records they came from/
const times = `{ mode: declared, fields: [{name: id, type: long}, {name: v, type: long},
  {name: _kafka_partition, type: int}, {name: _kafka_offset, type: long}] }`

interface Case {
  readonly line: string
  readonly situation: string
  readonly fill: () => Promise<void>
  /** The settings of the replays. */
  readonly settings?: Settings
  /** Ranges that are replayed exactly, and why that is right. */
  readonly exact?: readonly ReplayRequest[]
  /** Ranges that are refused, with the reason. */
  readonly refusals?: readonly (readonly [ReplayRequest, RegExp])[]
}

const cases: readonly Case[] = [
  {
    line: 'K1',
    situation: 'metadata: none for a while: the rows of that time have no place, all others have',
    fill: async () => {
      await fill()
      await fill({ metadata: 'none' })
      await fill()
    },
    refusals: [
      [range(0, 30), noPlace],
      [range(12, 18), noPlace],
      [range(9, 11), noPlace],
    ],
    exact: [range(20, 30), range(3, 10)],
  },
  {
    line: 'K1',
    situation:
      'metadata: columns for a while, over a table that has the struct: those rows have no place',
    fill: async () => {
      await fill()
      await fill({ metadata: 'columns' })
      await fill()
    },
    refusals: [[range(0, 30), noPlace]],
    exact: [range(20, 30)],
  },
  {
    line: 'K1',
    situation: 'the setting is none when the replay begins: its rows would have no place',
    fill: () => fill(),
    settings: { metadata: 'none' },
    refusals: [[range(2, 5), /metadata: none.*would not say where they came from/]],
  },
  {
    line: 'K1',
    situation: '_kafka is added by another client after two commits: rows before it have no place',
    fill: async () => {
      await fill({ metadata: 'none' })
      await fill({ metadata: 'none' })
      const type = { type: 'struct', fields: place } as const
      await change({ kind: 'add-column', parent: [], name: '_kafka', type })
      await fill()
    },
    refusals: [
      [range(0, 30), noPlace],
      [range(15, 25), noPlace],
    ],
    exact: [range(20, 30)],
  },
  {
    line: 'K1',
    situation: '_kafka.topic is added by another client: rows before it are of the only topic',
    fill: async () => {
      await fill()
      const added = { name: 'topic', type: { type: 'string' } } as const
      await change({ kind: 'add-column', parent: ['_kafka'], ...added })
      await fill()
    },
    exact: [range(5, 15), range(0, 20)],
  },
  {
    line: 'K1',
    situation: '_kafka.topic is added before a second topic: rows before it are of the first',
    fill: async () => {
      await fill()
      const added = { name: 'topic', type: { type: 'string' } } as const
      await change({ kind: 'add-column', parent: ['_kafka'], ...added })
      await on.fixture.log.createTopic('more', 1)
      const both = { topics: ['events', 'more'] }
      await fill(both)
      await fill(both, 'more')
    },
    settings: { topics: ['events', 'more'] },
    exact: [range(5, 15), range(0, 10, 'more')],
  },
  {
    line: 'K1',
    situation: "another writer's rows have no place: they are no record's, and stay",
    fill: async () => {
      await fill()
      await append('SELECT 100 + i AS id, i AS v FROM range(5) t(i)')
      await on.compact()
      await fill()
    },
    exact: [range(0, 20)],
  },
  {
    line: 'K1',
    situation: 'another client renames _kafka: the column is the same one',
    fill: async () => {
      await fill()
      await change({ kind: 'rename-column', path: ['_kafka'], name: 'meta' })
      await fill()
    },
    exact: [range(0, 20)],
  },
  {
    line: 'K1',
    situation: 'another client drops _kafka.offset: no row says its place any more',
    fill: async () => {
      await fill()
      await change({ kind: 'drop-column', path: ['_kafka', 'offset'] })
    },
    refusals: [[range(2, 5), /was dropped/]],
  },
  {
    line: 'K2',
    situation: 'records have keys like metadata columns, metadata is none: the columns are data',
    fill: () =>
      fill(
        { metadata: 'none', schema: times },
        'events',
        ',"_kafka_partition":0,"_kafka_offset":5',
      ),
    settings: { metadata: 'none', schema: times },
    refusals: [[range(2, 8), /does not say which records/]],
  },
  {
    line: 'K2',
    situation: 'the same, then metadata: columns: the columns hold values of records',
    fill: async () => {
      const data = ',"_kafka_partition":0,"_kafka_offset":12'
      await fill({ metadata: 'none', schema: times }, 'events', data)
      await fill({ metadata: 'columns' })
    },
    settings: { metadata: 'columns' },
    refusals: [[range(11, 15), /does not say which records/]],
  },
  {
    line: 'K2',
    situation: 'a key _kafka of records, then metadata: struct',
    fill: async () => {
      const schema = `{ mode: declared, fields: [{name: id, type: long}, {name: v, type: long},
        {name: _kafka, type: "struct<partition: int, offset: long>"}] }`
      const data = ',"_kafka":{"partition":0,"offset":12}'
      await fill({ metadata: 'none', schema }, 'events', data)
      await fill()
    },
    refusals: [[range(11, 15), /does not say which records/]],
  },
  {
    line: 'K4',
    situation: 'a stream of two topics is reduced to one: it goes on, and so do replays',
    fill: async () => {
      await on.fixture.log.createTopic('more', 1)
      await fill({ topics: ['events', 'more'] })
      await fill({ topics: ['events', 'more'] }, 'more')
      await fill()
    },
    exact: [range(5, 12)],
  },
  {
    line: 'K4',
    situation: 'a stream of one topic gets a second, which the table has no column for',
    fill: async () => {
      await fill()
      await on.fixture.log.createTopic('more', 1)
      await fill({ topics: ['events', 'more'] }, 'more')
    },
    settings: { topics: ['events', 'more'] },
    refusals: [[range(2, 5), /several topics/]],
  },
  {
    line: 'K18',
    situation:
      'a stream is renamed and begins where it stopped: its own range, and that of its old name',
    fill: async () => {
      await fill()
      await fill({ name: 'renamed', start: "'@2026-01-01T00:00:02Z'" })
    },
    settings: { name: 'renamed' },
    refusals: [[range(2, 5), /another stream has filled the same table.*other=events/]],
    exact: [range(12, 15), { ...range(2, 5), stream: 'events' }],
  },
  {
    line: 'K18',
    situation: 'a topic is made again and read under a new name: both logs have the first offsets',
    fill: async () => {
      await fill()
      await on.fixture.log.deleteTopic('events')
      await on.fixture.log.createTopic('events', 2)
      await fill({ name: 'renamed' })
      await fill({ name: 'renamed' })
    },
    settings: { name: 'renamed' },
    refusals: [
      [range(2, 5), /another stream has filled the same table.*other=events/],
      [{ ...range(2, 5), stream: 'events' }, /deleted and made again/],
    ],
    exact: [range(10, 20)],
  },
]

describe('[P2, P10] the place of a row', () => {
  for (const {
    line,
    situation,
    fill: prepare,
    exact = [],
    refusals = [],
    settings = {},
  } of cases) {
    it(`${line} ${situation}`, async () => {
      await prepare()
      for (const [request, why] of refusals) await refused(settings, request, why)
      for (const request of exact) await replayed(settings, request)
    })
  }
})
