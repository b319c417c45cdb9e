import { existsSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { currentSchema, currentSnapshot } from '../../catalog/format/index.ts'
import { type DataFileWriter, ObjectStoreCatalog, type Table } from '../../catalog/index.ts'
import {
  type ErrorFacts,
  NotFoundError,
  silentLogger,
  systemRandom,
  UnavailableError,
} from '../../common/index.ts'
import { MemoryFileIO } from '../../io/index.ts'
import { variableSource } from '../../settings/index.ts'
import { InstantClock } from '../../tests/support/instant-clock.ts'
import { ScriptedSource, type ScriptedSourceOptions } from '../../tests/support/scripted-source.ts'
import { FaultyFileIO } from '../../tests/support/stores/faulty-file-io.ts'
import { OffsetConflictError } from '../offsets/checkpoint.ts'
import { parseStreamSettings } from '../settings/stream-document.ts'
import type { StreamSettings } from '../settings/stream-settings.ts'
import { runStream } from './run.ts'
import type { StreamProgress, StreamRunOptions, StreamRunResult } from './stream-parts.ts'
import type { SpooledRows, StreamingRows } from './streaming-rows.ts'

interface SettingsChanges {
  readonly isShared?: boolean
  readonly tolerance?: string
  readonly schema?: string
  readonly recordsMax?: number
}

function settingsOf(changes: SettingsChanges = {}): StreamSettings {
  const { isShared = false, tolerance = 'data', recordsMax = 1000 } = changes
  const fields = '{ mode: declared, coercion: lenient, fields: [{ name: id, type: long }] }'
  return parseStreamSettings({
    text: `
name: s
input: { kafka: { seed_brokers: ["b:1"], topics: [t], start_offset: earliest${
      isShared ? ', consumer_group: g' : ''
    } } }
schema: ${changes.schema ?? fields}
errors: { tolerance: ${tolerance} }
output: { iceberg: { table: web.events, commit: { interval: 10s, max_records: ${recordsMax} } } }`,
    file: undefined,
    variables: variableSource({}),
    overrides: [],
    directory: '/',
  }).settings
}

const identifier = { namespace: ['web'], name: 'events' }
const lettersIdentifier = { namespace: ['web'], name: 'events__dlq' }

/** A file per spool, which holds the rows as they are; a row of text with "refuse me" is refused. */
function fakeWriter(onWrite: () => unknown): DataFileWriter {
  return {
    write: async ({ spools, directory }) => {
      await onWrite()
      await mkdir(directory, { recursive: true })
      const refused: { spool: number; row: number; reason: string }[] = []
      const files = []
      for (const [spool, { path, rowCount, columns }] of spools.entries()) {
        const localPath = join(directory, `${spool}.parquet`)
        await copyFile(path, localPath)
        const lines = columns === undefined ? (await readFile(path, 'utf8')).split('\n') : []
        const bad = [...lines.keys()].filter((row) => lines[row]?.includes('refuse me') === true)
        refused.push(...bad.map((row) => ({ spool, row, reason: 'the engine refuses it' })))
        files.push({
          localPath,
          partition: [],
          recordCount: BigInt(rowCount - bad.length),
          fileSizeInBytes: 1n,
          columnSizes: new Map(),
          valueCounts: new Map(),
          nullValueCounts: new Map(),
          nanValueCounts: new Map(),
          lowerBounds: new Map(),
          upperBounds: new Map(),
          splitOffsets: [],
        })
      }
      return { files, refused }
    },
  }
}

let directory: string
let inner: MemoryFileIO
let io: FaultyFileIO
let clock: InstantClock
let catalog: ObjectStoreCatalog
/** What happened, in order. */
let journal: string[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tidewater-run-'))
  inner = new MemoryFileIO()
  clock = new InstantClock()
  io = new FaultyFileIO(inner, { clock })
  catalog = new ObjectStoreCatalog({ io, warehouse: 'memory://w', clock })
  journal = []
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const logger = {
  ...silentLogger,
  warn: (event: string, facts?: unknown) => {
    const { error } = (facts ?? {}) as ErrorFacts
    journal.push(`warn ${event} ${String(error)}`)
  },
}

interface RunChanges extends Partial<StreamRunOptions> {
  readonly streaming?: StreamingRows
  readonly onWrite?: () => unknown
}

function run(
  settings: StreamSettings,
  source: ScriptedSourceOptions,
  changes: RunChanges = {},
): Promise<StreamRunResult> {
  const { streaming, onWrite = () => undefined, ...options } = changes
  const onCall = source.onCall ?? ((call: string) => void journal.push(call))
  return runStream(
    settings,
    {
      source: new ScriptedSource({ ...source, onCall }),
      catalog,
      io,
      writer: fakeWriter(onWrite),
      clock,
      random: systemRandom,
      logger,
      workDirectory: directory,
      ...(streaming === undefined ? {} : { streaming }),
    },
    { until: 'latest', ...options },
  )
}

const ids = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => `{"id":${from + index}}`)

/** The ranges of each snapshot, oldest first, as `partition:from-to`. */
async function ranges(of: Table['identifier'] = identifier): Promise<readonly string[]> {
  const { metadata } = await catalog.loadTable(of)
  return metadata.snapshots.map(({ summary }) =>
    (
      JSON.parse(summary?.['tidewater.ranges'] ?? '[]') as readonly {
        readonly partition: number
        readonly from: number | null
        readonly to: number
      }[]
    )
      .map(({ partition, from, to }) => `${partition}:${from ?? ''}-${to}`)
      .join(' '),
  )
}

async function rowCount(): Promise<number> {
  const { metadata } = await catalog.loadTable(identifier)
  return Number(currentSnapshot(metadata)?.summary?.['total-records'] ?? 0)
}

describe('runStream()', () => {
  it('[E1] [E7] commits rows with their offsets, then reports, then lets the source go', async () => {
    const result = await run(settingsOf(), { log: [ids(0, 3), ids(0, 2)] })
    expect(result).toMatchObject({
      recordsRead: 5,
      recordsCommitted: 5,
      rowsCommitted: 5,
      deadLetters: 0,
      commits: 1,
      readLag: 0n,
    })
    expect(await ranges()).toEqual(['0:-3 1:-2'])
    const { metadata } = await catalog.loadTable(identifier)
    const offsets = currentSnapshot(metadata)?.summary?.['tidewater.offsets']
    expect(offsets).toContain('"next-offsets":{"0":3,"1":2}')
    expect(metadata.properties['tidewater.offsets.main']).toBe(offsets)
    expect(journal).toEqual(['start', 'seek 0 0', 'seek 1 0', 'report t:0=3 t:1=2', 'stop'])
    expect(await readdir(directory)).toEqual([])
  })

  it('[E2] goes on where the table ends', async () => {
    const log = [ids(0, 5)]
    await run(settingsOf(), { log: [ids(0, 3)] })
    await run(settingsOf(), { log })
    expect(await ranges()).toEqual(['0:-3', '0:3-5'])
    expect(await run(settingsOf(), { log })).toMatchObject({ recordsRead: 0, commits: 0 })
  })

  it('commits when the interval has passed on its clock, although little was read', async () => {
    const stop = new AbortController()
    const log = [ids(0, 4)]
    const onPoll = (poll: number): undefined => {
      clock.advance(6_000)
      if (poll === 6) stop.abort()
    }
    const source = { log, recordsPerPoll: 1, onPoll }
    const progress: StreamProgress[] = []
    const onProgress = (now: StreamProgress): void => void progress.push(now)
    await run(settingsOf(), source, { until: 'stopped', signal: stop.signal, onProgress })
    expect(await ranges()).toEqual(['0:-2', '0:2-4'])
    expect(progress[0]?.state).toBe('starting')
    expect(new Set(progress.map(({ state }) => state))).toEqual(
      new Set(['starting', 'running', 'stopping']),
    )
  })

  it('[E7] commits in the order of sealing although later batches are staged first', async () => {
    const parts = Array.from({ length: 6 }, (_, index) => ids(0, 10 + index))
    io.inject({ kind: 'delay', on: ['upload'], delayMs: 20, times: 1 })
    await run(settingsOf({ recordsMax: 10 }), { log: parts })
    const order = (await ranges()).map((range) => range.split(':')[0])
    expect(order).toEqual(['0', '1', '2', '3', '4', '5'])
  })

  it('infers the columns from a sample', async () => {
    const log = [['{"id":1,"name":"a"}', '{"id":2}']]
    const progress: string[] = []
    const onProgress = ({ state }: StreamProgress): void => void progress.push(state)
    const settings = settingsOf({ schema: '{ mode: json_infer }' })
    await run(settings, { log, recordsPerPoll: 1 }, { onProgress })
    const { metadata } = await catalog.loadTable(identifier)
    const names = currentSchema(metadata).fields.map(({ name }) => name)
    expect(names.slice(0, 2)).toEqual(['id', 'name'])
    expect(await rowCount()).toBe(2)
    expect(progress).toContain('sampling')
  })

  it('evolves the schema for records that wait for a column', async () => {
    const settings = settingsOf({ schema: '{ mode: json_infer }' })
    await run(settings, { log: [['{"id":1}']] })
    await run(settings, { log: [['{"id":1}', '{"id":2,"extra":3}']] })
    const { metadata } = await catalog.loadTable(identifier)
    expect(currentSchema(metadata).fields.map(({ name }) => name)).toContain('extra')
    expect(await rowCount()).toBe(2)
  })

  it('[E5] commits dead letters before the rows of their batch, whoever refuses them', async () => {
    const onWrite = (): void => void journal.push('write')
    const log = [['{"id":1}', 'nope', '{"id":"refuse me"}']]
    const result = await run(settingsOf(), { log }, { onWrite })
    expect(result).toMatchObject({ rowsCommitted: 1, deadLetters: 2, recordsCommitted: 3 })
    expect(await ranges(lettersIdentifier)).toEqual(['0:-3'])
    const [rows, letters] = await Promise.all([
      catalog.loadTable(identifier),
      catalog.loadTable(lettersIdentifier),
    ])
    const timeOf = ({ metadata }: Table): number => Number(currentSnapshot(metadata)?.timestampMs)
    expect(timeOf(letters)).toBeLessThanOrEqual(timeOf(rows))
    expect(journal.filter((each) => each === 'write')).toHaveLength(2)
  })

  it.each(['nope', '{"id":"refuse me"}'])(
    '[E4] stops at the first bad record under errors.tolerance none: %s',
    async (bad) => {
      const settings = settingsOf({ tolerance: 'none' })
      await run(settings, { log: [['{"id":1}']] })
      const log = [['{"id":1}', '{"id":2}', bad, bad]]
      await expect(run(settings, { log })).rejects.toThrow(
        /errors.tolerance is none: .* topic=t partition=0 offset=2/,
      )
      expect(await ranges()).toEqual(['0:-1'])
      await expect(catalog.loadTable(lettersIdentifier)).rejects.toThrow(NotFoundError)
      expect(await readdir(directory)).toEqual([])
    },
  )
})

describe('a stop', () => {
  it('[E7] commits what was read', async () => {
    const stop = new AbortController()
    const onPoll = (poll: number): undefined => {
      if (poll === 3) stop.abort()
    }
    const source = { log: [ids(0, 100)], recordsPerPoll: 10, onPoll }
    await run(settingsOf(), source, { until: 'stopped', signal: stop.signal })
    expect(await ranges()).toEqual(['0:-30'])
  })

  it('before anything was read leaves nothing behind', async () => {
    const signal = AbortSignal.abort()
    const result = await run(settingsOf(), { log: [ids(0, 10)] }, { until: 'stopped', signal })
    expect(result).toMatchObject({ recordsRead: 0, commits: 0, snapshotId: undefined })
    expect(journal).toEqual(['start', 'stop'])
  })

  it('fails when what was read cannot be committed', async () => {
    const stop = new AbortController()
    const onPoll = (poll: number): undefined => {
      if (poll === 2) stop.abort()
    }
    io.inject({ kind: 'fail-before', on: ['upload'], times: 100 })
    const source = { log: [ids(0, 10)], onPoll }
    const options = { until: 'stopped', signal: stop.signal } as const
    await expect(run(settingsOf(), source, options)).rejects.toThrow(UnavailableError)
    expect(await readdir(directory)).toEqual([])
  })

  it('ends the wait after a failure', async () => {
    const stop = new AbortController()
    const source = {
      log: [ids(0, 10)],
      onPoll: (poll: number): undefined => {
        if (poll < 3) return
        if (poll === 3) stop.abort()
        throw new UnavailableError('the broker is away')
      },
    }
    await run(settingsOf(), source, { until: 'stopped', signal: stop.signal })
    expect(await ranges()).toEqual(['0:-10'])
  })
})

describe('a failure', () => {
  it.each(['upload', 'write'] as const)(
    '[E8] of a %s in the middle: the table is read again, nothing is lost or there twice',
    async (on) => {
      await run(settingsOf(), { log: [ids(0, 5)] })
      const at = on === 'upload' ? /\/data\// : /\/metadata\/snap-/
      const fault = io.inject({ kind: 'fail-before', on: [on], at, skip: 1, times: 3 })
      journal = []
      const log = [ids(0, 60)]
      await run(settingsOf({ recordsMax: 10 }), { log, recordsPerPoll: 10 })
      expect(fault.struck).toBe(3)
      const reached = await ranges()
      expect(reached.at(-1)).toMatch(/-60$/)
      expect(await rowCount()).toBe(60)
      // A commit tries its own writes again; an upload that fails rewinds the stream.
      const rewinds = journal.filter((each) => each.startsWith('warn stream.rewound'))
      expect(rewinds.length > 0).toBe(on === 'upload')
      expect(clock.sleepsMs.length).toBeGreaterThanOrEqual(rewinds.length)
    },
  )

  it('[E8] of the log: it is read again from where the table ends', async () => {
    const onPoll = (poll: number): undefined => {
      if (poll === 3) throw new UnavailableError('the broker is away')
    }
    const settings = settingsOf({ recordsMax: 10 })
    await run(settings, { log: [ids(0, 40)], recordsPerPoll: 10, onPoll })
    expect(await rowCount()).toBe(40)
    expect(journal).toContain('warn stream.rewound the broker is away')
  })

  it('that no rewind mends stops the stream after a while', async () => {
    const onPoll = (poll: number): undefined => {
      if (poll > 1) throw new UnavailableError('the broker is away')
    }
    const source = { log: [ids(0, 10)], recordsPerPoll: 1, onPoll }
    await expect(run(settingsOf(), source)).rejects.toThrow('the broker is away')
    expect(journal.filter((each) => each.startsWith('warn'))).toHaveLength(20)
    expect(journal.at(-1)).toBe('stop')
  })

  it('before the stream has begun ends it at once', async () => {
    io.inject({ kind: 'fail-before', on: ['read', 'readObject'], times: 100 })
    await expect(run(settingsOf(), { log: [ids(0, 1)] })).rejects.toThrow(UnavailableError)
    expect(clock.sleepsMs).toEqual([])
  })

  it('to report costs nothing', async () => {
    const onCall = (call: string): void => {
      if (call.startsWith('report')) throw new UnavailableError('no coordinator')
    }
    await run(settingsOf(), { log: [ids(0, 3)], onCall })
    expect(await rowCount()).toBe(3)
    expect(journal).toEqual(['warn stream.report-failed no coordinator'])
  })
})

describe('a second sink', () => {
  /** Runs `second` while the first has read its records and has not committed them. */
  async function race(settings: StreamSettings, second: () => Promise<unknown>): Promise<unknown> {
    let isFirst = true
    const onWrite = async (): Promise<void> => {
      if (!isFirst) return
      isFirst = false
      await second()
    }
    return run(settings, { log: [ids(0, 10)] }, { onWrite })
  }

  it('[E3] that was first stops the one without a group', async () => {
    const settings = settingsOf()
    const rival = (): Promise<unknown> => run(settings, { log: [ids(0, 4)] })
    await expect(race(settings, rival)).rejects.toThrow(OffsetConflictError)
    expect(await ranges()).toEqual(['0:-4'])
  })

  it('[E3] [E8] that was first rewinds the member of a group', async () => {
    const settings = settingsOf({ isShared: true })
    await race(settings, () => run(settings, { log: [ids(0, 4)] }))
    expect(await ranges()).toEqual(['0:-4', '0:4-10'])
  })
})

describe('a new assignment', () => {
  it('[E8] throws away what is not committed, and begins where the table ends', async () => {
    const log = [ids(0, 8), ids(0, 6)]
    const onPoll = (poll: number) =>
      poll === 2
        ? ({ kind: 'assigned', partitions: [{ topic: 't', partition: 1 }] } as const)
        : undefined
    const settings = settingsOf({ isShared: true })
    await run(settings, { log: [ids(0, 2), ids(0, 2)] })
    journal = []
    await run(settings, { log, recordsPerPoll: 3, onPoll })
    expect(journal.filter((each) => each.startsWith('seek'))).toEqual([
      'seek 0 2',
      'seek 1 2',
      'seek 1 2',
    ])
    expect((await ranges()).join(' ')).toContain('1:2-')
  })

  it('[E8] is not forgotten when the store is away at that moment', async () => {
    const log = [ids(0, 4), ids(0, 4)]
    const onPoll = (poll: number) => {
      if (poll !== 2) return undefined
      io.inject({ kind: 'fail-before', on: ['read', 'readObject'], times: 1 })
      return { kind: 'assigned', partitions: [{ topic: 't', partition: 1 }] } as const
    }
    await run(settingsOf({ isShared: true }), { log, recordsPerPoll: 1, onPoll })
    const seeks = journal.filter((each) => each.startsWith('seek'))
    expect(seeks).toEqual(['seek 0 0', 'seek 1 0', 'seek 1 0'])
    expect((await ranges()).every((range) => range.startsWith('1:'))).toBe(true)
  })
})

describe('streaming rows', () => {
  class Recorded implements StreamingRows {
    #published = 0
    begin(): void {
      journal.push('begin')
    }
    dueInMs(rows: SpooledRows | undefined): number | undefined {
      return rows === undefined || rows.recordCount === this.#published ? undefined : 0
    }
    publish(rows: SpooledRows): void {
      this.#published = rows.recordCount
      const count = rows.spools.reduce((sum, spool) => sum + spool.rowCount, 0)
      journal.push(`publish ${count}`)
    }
    committed({ ranges: reached }: Pick<SpooledRows, 'ranges'>): void {
      this.#published = 0
      journal.push(`committed ${reached.map(({ to }) => to).join(' ')}`)
    }
    drop(): void {
      journal.push('drop')
    }
    async removeFolder(folder: string): Promise<void> {
      journal.push(`remove ${existsSync(folder)}`)
      await rm(folder, { recursive: true })
    }
    async end(): Promise<void> {
      journal.push('end')
    }
  }

  it('[L1] [L4] are published as they are read, and let go once they are committed', async () => {
    const source = { log: [ids(0, 4)], recordsPerPoll: 2, onCall: () => undefined }
    await run(settingsOf(), source, { streaming: new Recorded() })
    expect(journal).toEqual([
      'begin',
      'drop',
      'publish 2',
      'publish 4',
      'committed 4',
      'remove true',
      'drop',
      'end',
    ])
  })
})
