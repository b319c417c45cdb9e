/**
 * A stream that cannot go on from its table's offsets names the command after which it can: each case runs
 * exactly what was printed, and then the stream again.
 */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Lake, openLake } from '../../app/index.ts'
import { loadLakeSettings } from '../../app/settings/index.ts'
import { currentSnapshot, type Snapshot } from '../../catalog/format/index.ts'
import { commitAction, FastAppend, type Table } from '../../catalog/index.ts'
import { EmbeddedLog } from '../../ingest/index.ts'
import { eventually } from '../support/eventually.ts'
import { tide, type TideOutcome, tideRows } from '../support/tide.ts'

let directory: string
let log: EmbeddedLog
let lake: Lake

const declared = 'mode: declared, fields: [{ name: id, type: long }]'

async function writeStream(schema = declared, start = 'earliest', name = 's'): Promise<void> {
  await writeFile(
    join(directory, 'streams', `${name}.yaml`),
    `name: ${name}
input: { embedded: { directory: ../log, topics: [t], start_offset: ${start} } }
schema: { ${schema} }
output: { iceberg: { table: web.t, commit: { interval: 100ms } } }
`,
  )
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tide-offsets-'))
  await mkdir(join(directory, 'streams'))
  await writeFile(join(directory, 'tidewater.yaml'), 'catalog: { warehouse: warehouse }\n')
  await writeStream()
  log = await EmbeddedLog.open(join(directory, 'log'))
  await log.createTopic('t', 2)
  const sources = { environment: {}, overrides: [], directory }
  const { settings } = await loadLakeSettings(join(directory, 'tidewater.yaml'), sources)
  lake = await openLake(settings)
})
afterEach(async () => {
  await log.close()
  await lake.close()
  await rm(directory, { recursive: true, force: true })
})

const run = (args: string): Promise<TideOutcome> => tide(args, { directory })
const drain = (name = 's'): Promise<TideOutcome> =>
  run(`stream run streams/${name}.yaml --until latest`)

async function drained(name = 's'): Promise<void> {
  const { code, stderr } = await drain(name)
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) })
}

const produce = (partition: number, ids: readonly (number | string)[]): Promise<unknown> =>
  log.appendValues(
    { topic: 't', partition },
    ids.map((id) => (typeof id === 'number' ? JSON.stringify({ id }) : id)),
  )

const load = (name = 't'): Promise<Table> => lake.catalog.loadTable({ namespace: ['web'], name })

async function column(query: string): Promise<readonly number[]> {
  const { code, stdout, stderr } = await tide(['sql', '-json', '-c', query], { directory })
  if (code !== 0) throw new Error(stderr)
  const rows = JSON.parse(stdout) as readonly { readonly n: number | string }[]
  return rows.map(({ n }) => Number(n)).sort((left, right) => left - right)
}
const ids = (): Promise<readonly number[]> => column('SELECT id AS n FROM web.t')
const letters = (): Promise<readonly number[]> => column('SELECT "offset" AS n FROM web.t__dlq')

const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index)

/** The command that a message ends with. */
function commandIn({ stderr }: Pick<TideOutcome, 'stderr'>): string {
  const found = /tide (stream offsets [^\n]*?--execute)/.exec(stderr)?.[1]
  if (found === undefined) throw new Error(`no command in: ${stderr}`)
  return found
}

async function rollBackTo(snapshot: Snapshot, name = 't'): Promise<void> {
  const identifier = { namespace: ['web'], name }
  const ref = { snapshotId: snapshot.snapshotId, type: 'branch' } as const
  const updates = [{ action: 'set-snapshot-ref', refName: 'main', ref } as const]
  await lake.catalog.commitTable({ identifier, requirements: [], updates })
}

async function headOf(name = 't'): Promise<Snapshot> {
  const snapshot = currentSnapshot((await load(name)).metadata)
  if (snapshot === undefined) throw new Error('no snapshot')
  return snapshot
}

interface Stop {
  readonly line: string
  readonly situation: string
  readonly reason: string
  /** Leaves a stream that cannot go on. */
  readonly break: () => Promise<void>
  /** What its message, the command and the audit say. */
  readonly command: RegExp
  /** What is produced after the command. */
  readonly later?: readonly (number | string)[]
  /** After the command: what the table and the letters hold once the stream has run again. */
  readonly ids: readonly number[]
  readonly letters?: readonly number[]
}

const remade = async (): Promise<void> => {
  await log.deleteTopic('t')
  await log.createTopic('t', 2)
}

const stops: readonly Stop[] = [
  {
    line: 'B8',
    situation: 'retention overtook the sink in both partitions',
    reason: 'goes on with what is left, by one command',
    break: async () => {
      await produce(0, numbers(0, 10))
      await produce(1, numbers(10, 20))
      await drained()
      await produce(0, numbers(20, 30))
      await produce(1, numbers(30, 40))
      await log.deleteRecords({ topic: 't', partition: 0 }, 15n)
      await log.deleteRecords({ topic: 't', partition: 1 }, 18n)
    },
    command: /^stream offsets s set t:0=earliest t:1=earliest --execute$/,
    ids: [...numbers(0, 20), ...numbers(25, 30), ...numbers(38, 40)],
  },
  {
    line: 'K14',
    situation: 'the topic was deleted and made again',
    reason: 'its records come beside the rows of the old one, bad ones among its letters',
    break: async () => {
      await produce(0, [0, 1, 'bad'])
      await drained()
      await remade()
      await produce(0, ['bad', 2])
    },
    command: /^stream offsets s set t=earliest --execute$/,
    ids: [0, 1, 2],
    letters: [0, 2],
  },
  {
    line: 'B8',
    situation: 'the log is another one',
    reason: 'the command accepts the cluster as well as the topic',
    break: async () => {
      await produce(0, [0, 1, 'bad'])
      await drained()
      await log.close()
      await rm(join(directory, 'log'), { recursive: true })
      log = await EmbeddedLog.open(join(directory, 'log'))
      await log.createTopic('t', 1)
      await produce(0, ['bad', 2])
    },
    command: /^stream offsets s set t=earliest --execute$/,
    ids: [0, 1, 2],
    letters: [0, 2],
  },
  {
    line: 'B8',
    situation: 'the log was restored from a backup, and gives out offsets again that the table has',
    reason: 'goes on with what is produced from now on, letters too',
    break: async () => {
      await produce(0, numbers(0, 5))
      await log.close()
      await cp(join(directory, 'log'), join(directory, 'backup'), { recursive: true })
      log = await EmbeddedLog.open(join(directory, 'log'))
      await produce(0, [5, 6, 'bad', 7])
      await drained()
      await log.close()
      await rm(join(directory, 'log'), { recursive: true })
      await cp(join(directory, 'backup'), join(directory, 'log'), { recursive: true })
      log = await EmbeddedLog.open(join(directory, 'log'))
    },
    command: /^stream offsets s set t:0=latest --execute$/,
    later: ['bad', 8, 'bad'],
    ids: numbers(0, 9),
    letters: [5, 7, 7],
  },
  {
    line: 'B8',
    situation: 'another engine rolled the table back',
    reason: 'the records of the lost rows are read again, letters are not doubled',
    break: async () => {
      await produce(0, numbers(0, 5))
      await drained()
      const before = await headOf()
      await produce(0, [5, 'bad', 6])
      await drained()
      await rollBackTo(before)
    },
    command: /^stream offsets s set --from-snapshot \d+ --execute$/,
    ids: numbers(0, 7),
    letters: [6],
  },
  {
    line: 'B8',
    situation: 'another engine rolled the table back behind the first rows of the stream',
    reason: 'no snapshot that is left says where the rows end',
    break: async () => {
      await drained()
      const tools = { clock: lake.clock, random: lake.random }
      const foreign = new FastAppend({ io: lake.io, ...tools }, { files: [] })
      await commitAction(lake.catalog, (await load()).identifier, foreign, tools)
      const before = await headOf()
      await produce(0, numbers(0, 5))
      await drained()
      await rollBackTo(before)
    },
    command: /^stream offsets s set t=earliest --execute$/,
    ids: numbers(0, 5),
  },
  {
    line: 'B8',
    situation: 'another engine rolled the dead letters back',
    reason: 'the letters go on from what is left of them',
    break: async () => {
      await produce(0, ['bad', 0])
      await drained()
      const before = await headOf('t__dlq')
      await produce(0, ['bad', 1])
      await drained()
      await rollBackTo(before, 't__dlq')
      await produce(0, ['bad', 2])
    },
    command: /^stream offsets s set --from-snapshot \d+ --execute$/,
    ids: [0, 1, 2],
    letters: [0, 4],
  },
  {
    line: 'B8',
    situation: 'retention overtook a stream that has no table yet',
    reason: 'what it recorded of its start is set',
    break: async () => {
      await writeStream('mode: json_infer', 'latest')
      await produce(0, [0, 1])
      await drained()
      await produce(0, [2, 3, 4])
      await log.deleteRecords({ topic: 't', partition: 0 }, 4n)
    },
    command: /^stream offsets s set t:0=earliest --execute$/,
    ids: [4],
  },
  {
    line: 'B8',
    situation: 'retention overtook the records that a rollback made to be read again',
    reason: 'the command of the rollback begins at what is left',
    break: async () => {
      await produce(0, numbers(0, 5))
      await drained()
      const before = await headOf()
      await produce(0, numbers(5, 10))
      await drained()
      await rollBackTo(before)
      await log.deleteRecords({ topic: 't', partition: 0 }, 8n)
    },
    command: /^stream offsets s set --from-snapshot \d+ --execute$/,
    ids: [...numbers(0, 5), 8, 9],
  },
]

describe('a stream that cannot go on', () => {
  for (const stop of stops) {
    it(`${stop.line} [E6] [E14] ${stop.situation}: ${stop.reason}`, async () => {
      await stop.break()
      const refused = await drain()
      expect(refused.code).toBe(1)
      const command = commandIn(refused)
      expect(command).toMatch(stop.command)
      // Status and show say the same, and no lag.
      const status = await run('stream status -o json')
      expect(status.code).toBe(1)
      expect(commandIn(status)).toBe(command)
      expect(JSON.parse(status.stdout)).toMatchObject([{ commit_lag: null }])
      const show = await run('stream offsets s show')
      expect([show.code, commandIn(show)]).toEqual([1, command])

      const dry = await run(command.replace('--execute', '--dry-run'))
      expect([dry.code, dry.stderr]).toEqual([0, expect.stringContaining('nothing was changed')])
      expect((await drain()).code).toBe(1)
      const set = await run(command)
      expect([set.code, set.stderr]).toEqual([0, expect.any(String)])
      await produce(0, stop.later ?? [])
      await drained()
      expect(await ids()).toEqual(stop.ids)
      if (stop.letters !== undefined) expect(await letters()).toEqual(stop.letters)
      expect((await run('stream status')).code).toBe(0)
    })
  }

  it('B8 [E14] names the command also where two streams fill one table that was rolled back', async () => {
    await writeStream(declared, 'earliest', 's2')
    await produce(0, [0, 1])
    await drained()
    await drained('s2')
    const before = await headOf()
    await produce(0, [2])
    await drained()
    await drained('s2')
    await rollBackTo(before)
    const command = commandIn(await drain())
    expect(command).toMatch(/^stream offsets s set --from-snapshot/)
    expect((await run(command)).stderr).toContain('what the rows reach, too: s2')
    await drained()
    await drained('s2')
    expect(await ids()).toEqual([0, 0, 1, 1, 2, 2])
  })
})

interface Sink {
  readonly outcome: Promise<TideOutcome>
  stop(): Promise<TideOutcome>
}

function start(): Sink {
  const stopping = new AbortController()
  const environment = { TIDEWATER_LOG_LEVEL: 'info' }
  const options = { directory, signal: stopping.signal, environment }
  const outcome = tide('stream run', options)
  const stop = (): Promise<TideOutcome> => {
    stopping.abort()
    return outcome
  }
  return { outcome, stop }
}

const holds = (expected: readonly number[]): Promise<true> =>
  eventually(async () => {
    const found = await ids().catch((): readonly number[] => [])
    return expected.every((id) => found.includes(id)) || undefined
  })

describe('tide stream offsets', () => {
  it('B8 [E13] moves a running sink, which says so, and is told in the summary', async () => {
    await produce(0, numbers(0, 5))
    const sink = start()
    await holds(numbers(0, 5))
    const before = await headOf()
    const set = await run('stream offsets s set t:0=2 --allow-duplicates --execute')
    expect(set.stderr).toContain('repeated: at most 3 records')
    const { summary } = await headOf()
    expect(summary).toMatchObject({
      operation: 'append',
      'total-records': '5',
      'tidewater.operation': 'set-offsets',
      'tidewater.stream': 's',
      'tidewater.request': 't:0=2',
      'tidewater.offset-changes': '[{"topic":"t","partition":0,"before":5,"after":2}]',
      'tidewater.writer': expect.stringMatching(/^.+@.+\/\d+$/),
    })
    await produce(0, [5])
    await holds([5])
    await eventually(async () => (await ids()).length === 9 || undefined)
    const { code, stderr } = await sink.stop()
    expect(code).toBe(0)
    expect(stderr).toMatch(/were set \(tide stream offsets\).*stream\.rewound/)
    expect(await ids()).toEqual([0, 1, 2, 2, 3, 3, 4, 4, 5])
    expect((await load()).metadata.snapshots.map((each) => each.snapshotId)).toContain(
      before.snapshotId,
    )
  })

  it('B8 [E14] a running sink whose topic is made again names the command', async () => {
    await produce(0, [0, 1])
    const sink = start()
    await holds([0, 1])
    await remade()
    await produce(0, [2])
    const end = await sink.outcome
    expect(end.code).toBe(1)
    const set = await run(commandIn(end))
    expect([end.stderr, set.code, set.stderr]).toEqual([expect.any(String), 0, expect.any(String)])
    await drained()
    expect(await ids()).toEqual([0, 1, 2])
    // Rows of both topics have the offset 0: a replay of it would take out the old one's for good.
    const replay = await run('stream replay s --to-earliest --into fix')
    expect([replay.code, replay.stderr]).toEqual([
      1,
      expect.stringContaining('rows of an earlier log'),
    ])
  })

  it('B8 [E13] says how many records are skipped, and skips them', async () => {
    await produce(0, numbers(0, 5))
    await drained()
    await produce(0, numbers(5, 15))
    await produce(1, numbers(15, 18))
    const rows = await tideRows('stream offsets s set t=latest t:0=12', { directory })
    expect(rows).toEqual([
      { topic: 't', partition: 0, before: 5, after: 12, skipped: 7, lost: 0, repeated: 0 },
      { topic: 't', partition: 1, before: 0, after: 3, skipped: 3, lost: 0, repeated: 0 },
    ])
    const set = await run('stream offsets s set t=latest t:0=12 --execute')
    expect(set.stderr).toContain('skipped: at most 10 records')
    await drained()
    expect(await ids()).toEqual([...numbers(0, 5), ...numbers(12, 15)])
    const again = await run('stream offsets s set t=latest --execute')
    expect(again.stdout).toContain('the table says so already')
  })

  const refusals: readonly [args: string, code: number, message: string][] = [
    ['set t:0=2', 1, 'tide stream replay s --to-offset t:0=2 --into BRANCH'],
    ['set t:0=9', 1, 'the log has no such offset'],
    ['set t:7=0', 1, 'the topic has no such partition'],
    ['set u=latest', 1, 'the stream does not read this topic'],
    ['set t:0=3 t:0=4', 1, 'named twice'],
    ['set --from-snapshot 12', 1, 'no such snapshot'],
    ['set t=12', 2, 'expected topic:partition=offset'],
    ['set t', 2, 'expected topic:partition=offset'],
    ['set', 2, 'say where the stream goes on'],
    ['set t=latest --from-snapshot 12', 2, 'say where the stream goes on'],
    ['set t=latest --execute --dry-run', 2, 'exclude each other'],
    ['show t=latest', 2, 'show changes nothing'],
    ['move t=latest', 2, 'offsets takes show or set'],
  ]

  it('B8 [E13] refuses what would double or invent records, and changes nothing', async () => {
    await produce(0, numbers(0, 5))
    await drained()
    const before = (await load()).metadataLocation
    for (const [args, code, message] of refusals) {
      const refused = await run(`stream offsets s ${args}`)
      expect([args, refused.code, refused.stderr]).toEqual([
        args,
        code,
        expect.stringContaining(message),
      ])
    }
    await remade()
    const partly = await run('stream offsets s set t:0=earliest --execute')
    expect([partly.code, partly.stderr]).toEqual([1, expect.stringContaining('missing=t:1')])
    expect((await load()).metadataLocation).toBe(before)
  })
})
