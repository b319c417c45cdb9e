/**
 * The embedded log in every state that a disk leaves it in (K8, K9), and shared by two containers (K7). Reading never
 * writes, damage costs only itself and has a way past it, and one process at a time appends.
 */
import {
  appendFile,
  mkdir,
  mkdtemp,
  open,
  readdir,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EmbeddedLog } from '../../ingest/index.ts'
import { tide as runTide, tideRows, type TideOutcome } from '../support/tide.ts'

let directory = ''
let logs: EmbeddedLog[] = []
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tide-wild-log-'))
  logs = []
})
afterEach(async () => {
  for (const log of logs) await log.close()
  await rm(directory, { recursive: true })
})

const partition = { topic: 'events', partition: 0 }
const logFolder = (): string => join(directory, 'log')
const partitionFolder = (): string => join(logFolder(), 'topics/events/0')
const segment = (base = 0): string =>
  join(partitionFolder(), `${String(base).padStart(20, '0')}.log`)
const tide = (line: string, input = ''): Promise<TideOutcome> => runTide(line, { directory, input })
const rows = (line: string): Promise<readonly Record<string, unknown>[]> =>
  tideRows(line, { directory })

async function openLog(options: Parameters<typeof EmbeddedLog.open>[1] = {}): Promise<EmbeddedLog> {
  const log = await EmbeddedLog.open(logFolder(), options)
  logs.push(log)
  return log
}

const record = (id: number): string => JSON.stringify({ id, name: `n${id}` })
const ids = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index)

/** Batches of ten records, all in one segment unless `segmentBytesMax` is small. */
async function batches(count: number, segmentBytesMax = 1 << 20): Promise<void> {
  const log = await openLog({ segmentBytesMax })
  await log.createTopic('events', 1)
  for (let batch = 0; batch < count; batch++) {
    const values = ids(batch * 10, batch * 10 + 10).map(record)
    await log.appendValues(partition, values, 1_700_000_000_000 + batch)
  }
  await log.close()
}

/** Where each batch of the segment begins. */
async function batchStarts(file: string): Promise<readonly number[]> {
  const handle = await open(file, 'r')
  try {
    const { size } = await handle.stat()
    const bytes = Buffer.alloc(size)
    await handle.read(bytes, 0, size, 0)
    const starts: number[] = []
    for (let at = 0; at < size; at += 12 + bytes.readInt32BE(at + 8)) starts.push(at)
    return starts
  } finally {
    await handle.close()
  }
}

async function flip(file: string, at: number, bit = 1): Promise<void> {
  const handle = await open(file, 'r+')
  try {
    const byte = Buffer.alloc(1)
    await handle.read(byte, 0, 1, at)
    byte[0] = (byte[0] ?? 0) ^ bit
    await handle.write(byte, 0, 1, at)
  } finally {
    await handle.close()
  }
}

async function consumed(
  range = '',
): Promise<{ readonly ids: number[]; readonly outcome: TideOutcome }> {
  const outcome = await tide(`topic consume events --log log -e ${range}`.trim())
  const lines = outcome.stdout.split('\n').filter((line) => line !== '')
  return { ids: lines.map((line) => (JSON.parse(line) as { id: number }).id), outcome }
}

/** Names, sizes and times of all that lies below: a file made and removed again changes its folder's time. */
async function stateOf(folder: string): Promise<Record<string, string>> {
  const state: Record<string, string> = {}
  for (const name of ['', ...(await readdir(folder, { recursive: true })).toSorted()]) {
    const { mtimeNs, size, ino } = await stat(join(folder, name), { bigint: true })
    state[name] = `${ino} ${size} ${mtimeNs}`
  }
  return state
}

const streamYaml = `name: events
input: { embedded: { directory: ../log, topics: [events] } }
schema: { fields: [{ name: id, type: long }, { name: name, type: string }] }
output: { iceberg: { table: web.events } }
`

async function project(): Promise<void> {
  await mkdir(join(directory, 'streams'))
  await writeFile(join(directory, 'tidewater.yaml'), 'catalog: { warehouse: ./lake }\n')
  await writeFile(join(directory, 'streams/events.yaml'), streamYaml)
}

describe('K8 one bit flipped in batch 3 of 5', () => {
  const inBatch = (at: number) => (starts: readonly number[]) => (starts[2] ?? 0) + at
  it.each([
    // [what is hit, where, offset of the first record that nobody can read]
    ['a value', inBatch(90), 20],
    ['the last byte', (starts: readonly number[]) => (starts[3] ?? 0) - 1, 20],
    ['the checksum', inBatch(18), 20],
    ['the codec', inBatch(22), 20],
    ['the last offset delta', inBatch(26), 20],
    ['the number of records', inBatch(60), 20],
    ['the magic byte', inBatch(16), 20],
    ['the length, a little', inBatch(11), 20],
    ['the length, beyond the segment', inBatch(8), 20],
    ['the base offset, a little', inBatch(7), 20],
    ['the base offset, into another age', inBatch(1), 20],
  ] as const)('K8 [R12] costs only that batch: %s', async (_, place, firstLost) => {
    await batches(5)
    await flip(segment(), place(await batchStarts(segment())))
    const whole = await consumed()
    expect(whole.ids).toEqual(ids(0, 20))
    expect(whole.outcome.code).toBe(1)
    for (const part of [
      'tide topic repair events -p 0',
      'topic=events partition=0',
      `offset=${firstLost}`,
      'soundFrom=30',
      `file=${segment()}`,
      `position=${(await batchStarts(segment()))[2] ?? ''}`,
    ]) {
      expect(whole.outcome.stderr).toContain(part)
    }
    for (const [from, first] of [
      ['30', 30],
      ['35', 35],
      ['@1700000000004', 40],
    ] as const) {
      const behind = await consumed(`-o ${from}`)
      expect([behind.ids, behind.outcome.code]).toEqual([ids(first, 50), 0])
    }
    expect((await consumed('-o 5 -n 10')).ids).toEqual(ids(5, 15))
    // The damage may hold the first record of that time.
    expect((await consumed('-o @1700000000003')).outcome.code).toBe(1)

    const found = await tide('topic repair events --log log -o json')
    expect(JSON.parse(found.stdout)).toMatchObject([{ offset: 20, next_offset: 30 }])
    expect(found.code).toBe(1)
    expect((await consumed()).outcome.code).toBe(1)
    expect((await tide('topic repair events --log log --execute')).code).toBe(0)
    const mended = await consumed()
    expect([mended.ids, mended.outcome.code]).toEqual([[...ids(0, 20), ...ids(30, 50)], 0])
    expect(await rows('topic repair events --log log')).toEqual([])
    // The damaged bytes are kept, and the log goes on in its offsets.
    expect(
      (await readdir(partitionFolder())).filter((name) => name.endsWith('.damaged')),
    ).toHaveLength(1)
    await (await openLog()).appendValues(partition, [record(50)])
    expect((await consumed('-o -1')).ids).toEqual([50])
  })

  it('K8 [E18, R15] the sink commits what is before the damage, stops with it, and goes on behind a repair', async () => {
    await batches(5)
    await project()
    await flip(segment(), ((await batchStarts(segment()))[2] ?? 0) + 90)
    const stopped = await tide('stream run --until latest')
    expect([stopped.code, stopped.stderr]).toEqual([1, expect.stringContaining('offset=20')])
    expect(await rows('stream status --partitions')).toMatchObject([{ next_offset: 20 }])
    // Again: nothing is committed twice, nothing is passed over in silence.
    expect((await tide('stream run --until latest')).code).toBe(1)
    expect((await tide('topic repair events --execute')).code).toBe(0)
    expect(await rows('stream run --until latest')).toMatchObject([{ records: 20, rows: 20 }])
    expect(await rows('stream status')).toMatchObject([{ commit_lag: 0, total_records: 40 }])
  })

  it('K8 damage in one partition does not take records of another', async () => {
    const log = await openLog()
    await log.createTopic('events', 2)
    for (const number of [0, 1]) {
      for (const batch of [0, 1, 2]) {
        const values = ids(batch * 10, batch * 10 + 10).map((id) => record(100 * number + id))
        await log.appendValues({ topic: 'events', partition: number }, values)
      }
    }
    await log.close()
    await project()
    await flip(segment(), ((await batchStarts(segment()))[1] ?? 0) + 90)
    expect((await tide('stream run --until latest')).code).toBe(1)
    const offsets = (await rows('stream status --partitions')).map((one) => one['next_offset'])
    expect(offsets).toEqual([10, 30])
  })

  it.each([
    ['a segment that was cut', async () => truncate(segment(), 100), 0, 50],
    ['a last segment that was cut within a batch', cutLast, 40, 50],
    ['a missing segment in the middle', async () => rm(segment(20)), 20, 30],
    ['a missing first segment', async () => rm(segment(0)), 0, 10],
    ['garbage in place of a batch', async () => overwrite(segment(10)), 10, 20],
  ] as const)('K8 missing bytes are named and passed: %s', async (what, harm, from, to) => {
    await batches(5, what === 'a segment that was cut' ? 1 << 20 : 1)
    await harm()
    const before = await consumed()
    expect(before.outcome.stderr).toContain(`offset=${from} soundFrom=${to}`)
    expect([before.ids, before.outcome.code]).toEqual([ids(0, from), 1])
    expect((await tide('topic repair events --log log --execute')).code).toBe(0)
    const after = await consumed()
    expect([after.ids, after.outcome.code]).toEqual([[...ids(0, from), ...ids(to, 50)], 0])
    await (await openLog()).appendValues(partition, [record(50)])
    expect((await consumed('-o 50')).ids).toEqual([50])
  })

  async function cutLast(): Promise<void> {
    const { size } = await stat(segment(40))
    await truncate(segment(40), size - 5)
  }

  async function overwrite(file: string): Promise<void> {
    const { size } = await stat(file)
    await writeFile(file, Buffer.alloc(size, 0x5a))
  }
})

describe('K9 the log is read whatever the state of its disk', () => {
  it.each([
    ['is missing', async (file: string) => rm(file)],
    ['is torn', async (file: string) => writeFile(file, Buffer.alloc(20, 7))],
    ['is empty', async (file: string) => writeFile(file, '')],
  ])(
    'K9 the durable file %s: all is read, nothing is written, appending makes it again',
    async (_, harm) => {
      await batches(5, 1)
      await harm(join(partitionFolder(), 'durable'))
      const state = await stateOf(logFolder())
      expect((await consumed()).ids).toEqual(ids(0, 50))
      expect(await rows('topic ls --log log')).toMatchObject([{ topic: 'events', offsets: 50 }])
      expect(await stateOf(logFolder())).toEqual(state)
      await (await openLog()).appendValues(partition, [record(50)])
      expect((await consumed()).ids).toEqual(ids(0, 51))
    },
  )

  it('K9 without its durable file a damaged last batch is kept aside, not cut away', async () => {
    await batches(3)
    await rm(join(partitionFolder(), 'durable'))
    await flip(segment(), (await stat(segment())).size - 1)
    expect((await consumed()).ids).toEqual(ids(0, 20))
    await (await openLog()).appendValues(partition, [record(20)])
    const kept = (await readdir(partitionFolder())).filter((name) => name.endsWith('.damaged'))
    expect(kept).toHaveLength(1)
    expect((await consumed()).ids).toEqual(ids(0, 21))
  })

  it('K9 without its durable file damage before the last batch does not cut what is behind', async () => {
    await batches(5)
    await rm(join(partitionFolder(), 'durable'))
    await flip(segment(), ((await batchStarts(segment()))[2] ?? 0) + 90)
    await (await openLog()).appendValues(partition, [record(50)])
    expect((await consumed('-o 30')).ids).toEqual(ids(30, 51))
    expect((await consumed()).outcome.stderr).toContain('offset=20 soundFrom=30')
  })

  it('K9 a running reader follows a writer that made the durable file again', async () => {
    await batches(1)
    const reader = (await openLog()).openReader(partition)
    expect(await reader.bounds()).toEqual({ earliest: 0n, latest: 10n })
    await rm(join(partitionFolder(), 'durable'))
    await (await openLog()).appendValues(partition, [record(10)])
    await expect
      .poll(() => reader.bounds(), { timeout: 60_000 })
      .toEqual({ earliest: 0n, latest: 11n })
    await reader.close()
  })

  it('K9 [R13] nothing is written by who only reads', async () => {
    await batches(5)
    await project()
    const state = await stateOf(logFolder())
    for (const line of [
      'topic consume events --log log -e',
      'topic ls --log log',
      'topic describe events --log log',
      'topic repair events --log log',
      'stream dry-run',
      'stream run --until latest',
      'stream status',
    ]) {
      expect([line, (await tide(line)).code]).toEqual([line, 0])
    }
    expect(await stateOf(logFolder())).toEqual(state)
  })

  it('K9 what does not belong to the log is passed over', async () => {
    await batches(2)
    await project()
    for (const name of [
      '.DS_Store',
      'topics/.DS_Store',
      'topics/events/.DS_Store',
      'topics/notes.txt',
    ]) {
      await writeFile(join(logFolder(), name), 'x')
    }
    for (const name of [
      'lost+found',
      'topics/lost+found',
      'topics/.Trash-0/files',
      'topics/empty',
    ]) {
      await mkdir(join(logFolder(), name), { recursive: true })
    }
    await writeFile(join(partitionFolder(), '.DS_Store'), 'x')
    await writeFile(join(partitionFolder(), '00000000000000000000.log.swp'), 'x')
    expect((await rows('topic ls --log log')).map((one) => one['topic'])).toEqual(['events'])
    for (const stray of ['.DS_Store', 'notes.txt', 'empty']) {
      const { code, stderr } = await tide(`topic describe ${stray} --log log`)
      expect([code, stderr]).toEqual([1, expect.stringContaining('no such topic')])
    }
    expect((await tide('stream run --until latest')).code).toBe(0)
    expect((await tide('topic produce events --log log', `${record(20)}\n`)).code).toBe(0)
    expect((await consumed()).ids).toEqual(ids(0, 21))
  })

  it('K9 a topic that lost its description is named, and the others are listed', async () => {
    await batches(1)
    await (await openLog()).createTopic('other', 1)
    await rm(join(logFolder(), 'topics/other/topic.json'))
    const listed = await tide('topic ls --log log')
    expect(listed.code).toBe(1)
    expect(listed.stdout).toContain('events')
    expect(listed.stderr).toContain('topics/other/topic.json')
    expect((await consumed()).ids).toEqual(ids(0, 10))
  })

  it('K9 a log that lost its head is not given another identity', async () => {
    await batches(1)
    await rm(join(logFolder(), 'log.json'))
    for (const line of ['topic ls --log log', 'topic create more --log log']) {
      const { code, stderr } = await tide(line)
      expect([code, stderr]).toEqual([1, expect.stringContaining('has lost its head')])
    }
  })

  it('K9 bytes behind the durable end are neither read nor kept from the next append', async () => {
    await batches(2)
    await appendFile(segment(), Buffer.alloc(70, 3))
    expect((await consumed()).ids).toEqual(ids(0, 20))
    await (await openLog()).appendValues(partition, [record(20)])
    expect((await consumed()).ids).toEqual(ids(0, 21))
  })
})

describe('K7 two containers share a log folder', () => {
  /** Process 7 of a container, whose ids say nothing in another. */
  const container = (name: string) => ({
    pid: 7,
    startedAt: '100',
    host: name,
    bootId: 'boot',
    pidNamespace: `pid:[${name}]`,
  })

  it.each([
    ['another container', container('b')],
    ['another container with the same host name', { ...container('b'), host: 'a' }],
    ['another host in its first namespace', { ...container('a'), bootId: 'other' }],
    ['a place that tells no namespace', { ...container('a'), pidNamespace: '' }],
  ])('K7 [R14] the second writer is refused: %s', async (_, place) => {
    const first = await openLog({ lock: { place: container('a') } })
    await first.createTopic('events', 1)
    await first.appendValues(partition, [record(0)])
    const second = await openLog({ lock: { place } })
    await expect(second.appendValues(partition, [record(1)])).rejects.toThrow(
      /another process appends.*host=a/,
    )
    await first.appendValues(partition, [record(1)])
    await first.close()
    // Released: no need to wait.
    await second.appendValues(partition, [record(2)])
    expect((await consumed()).ids).toEqual([0, 1, 2])
  })

  it('K7 [R14] a writer that shows no life is replaced, and acknowledges nothing when it wakes up', async () => {
    const paused = await openLog({ lock: { place: container('a'), beatMs: 1 << 30 } })
    await paused.createTopic('events', 1)
    await paused.appendValues(partition, [record(0)])
    const next = await openLog({ lock: { place: container('b'), staleMs: 0 } })
    await next.appendValues(partition, [record(1)])
    await expect(paused.appendValues(partition, [record(666)])).rejects.toThrow(
      /took this partition .* over/,
    )
    await next.appendValues(partition, [record(2)])
    await expect(paused.deleteRecords(partition, 2n)).rejects.toThrow(/another process appends/)
    await next.close()
    expect((await consumed()).ids).toEqual([0, 1, 2])
    // It may append again when the other has left.
    await paused.appendValues(partition, [record(3)])
    expect((await consumed()).ids).toEqual([0, 1, 2, 3])
  })

  it('K7 a holder that shows life is not replaced', async () => {
    const living = await openLog({ lock: { place: container('a'), beatMs: 20 } })
    await living.createTopic('events', 1)
    await living.appendValues(partition, [record(0)])
    const lock = join(partitionFolder(), 'writer-1.lock')
    const { mtimeMs } = await stat(lock)
    await expect
      .poll(async () => (await stat(lock)).mtimeMs, { timeout: 60_000 })
      .toBeGreaterThan(mtimeMs)
    const other = await openLog({ lock: { place: container('b'), staleMs: 60_000 } })
    await expect(other.appendValues(partition, [record(1)])).rejects.toThrow(/another process/)
  })
})
