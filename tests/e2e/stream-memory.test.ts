/** What a stream may hold: bounded memory whatever the records are, and no files that nobody needs. */
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../common/index.ts'
import {
  createEmbeddedSource,
  EmbeddedLog,
  type PollResult,
  type RecordSource,
} from '../../ingest/index.ts'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.ts'
import { spawnTide, tide, tideRows } from '../support/tide.ts'

const declared = `
name: events
input: { embedded: { directory: log, topics: [events], start_offset: earliest } }
schema: { mode: declared, fields: [{ name: id, type: long }] }`

describe('memory', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tide-memory-'))
    await mkdir(join(directory, 'streams'))
    const warehouse = join(directory, 'warehouse')
    await writeFile(join(directory, 'tidewater.yaml'), `catalog: { warehouse: "${warehouse}" }\n`)
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))

  /** The most that the process held, by the kernel's count. */
  async function runToEnd(args: readonly string[]): Promise<{
    readonly code: number
    readonly said: string
    readonly peakMib: number
  }> {
    const child = spawnTide(args, { directory })
    let peakKib = 0
    const watching = (async () => {
      while (child.exitCode === null && child.signalCode === null) {
        const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '')
        peakKib = Math.max(peakKib, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0))
        await systemClock.sleep(20)
      }
    })()
    let said = ''
    child.stderr?.on('data', (part: Buffer) => {
      said += part.toString()
    })
    const [code] = (await once(child, 'close')) as [number]
    await watching
    return { code, said, peakMib: peakKib / 1024 }
  }

  const items = (count: number): string =>
    JSON.stringify(
      Array.from({ length: count }, (_, n) => ({
        sku: `sku ${n}`,
        n,
        price: n / 7,
        at: '2024-05-01T10:00:00Z',
      })),
    )
  const large: readonly (readonly [what: string, count: number, value: () => string])[] = [
    ['1,000 records of 30 kB', 1_000, () => `"${'text '.repeat(6_000)}"`],
    ['3 records of 30 MB', 3, () => `"${'text '.repeat(6_000_000)}"`],
    ['3 nested records of 20 MB', 3, () => items(260_000)],
  ]

  it.each(large)(
    'C4 is limits.memory and 256 MB for the inference of %s',
    async (_, count, value) => {
      const log = await EmbeddedLog.open(join(directory, 'streams', 'log'))
      await log.createTopic('events', 1)
      const text = value()
      for (let id = 0; id < count; id++) {
        await log.appendValues({ topic: 'events', partition: 0 }, [`{"id":${id},"value":${text}}`])
      }
      await log.close()
      const stream = join(directory, 'streams', 'events.yaml')
      await writeFile(
        stream,
        `name: events
input: { embedded: { directory: log, topics: [events], start_offset: earliest } }
limits: { memory: 512MB }
output: { iceberg: { table: web.events } }\n`,
      )
      const config = ['--config', join(directory, 'tidewater.yaml')]
      const args = [...config, 'stream', 'run', stream, '--until', 'latest']
      const { code, said, peakMib } = await runToEnd(args)
      expect(code, said).toBe(0)
      const counted = await tide(['sql', '-json', '-c', 'SELECT count(*) AS n FROM web.events'], {
        directory,
      })
      expect(counted.stdout).toContain(`"n":${count}`)
      expect(peakMib).toBeGreaterThan(50)
      expect(peakMib).toBeLessThan((512e6 + 256e6) / 2 ** 20)
    },
  )

  it('is bounded for a stream of nothing but bad records', async () => {
    const log = await EmbeddedLog.open(join(directory, 'streams', 'log'))
    await log.createTopic('events', 1)
    const total = 150_000
    const filler = 'x'.repeat(900)
    for (let sent = 0; sent < total; sent += 10_000) {
      const values = Array.from({ length: 10_000 }, (_, i) => `{"id":"no ${sent + i} ${filler}"}`)
      await log.appendValues({ topic: 'events', partition: 0 }, values)
    }
    await log.close()
    await writeFile(
      join(directory, 'streams', 'events.yaml'),
      `${declared}
limits: { memory: 64MB }
output: { iceberg: { table: web.events, commit: { interval: 10m, max_records: 10000000, max_bytes: 10GB } } }\n`,
    )
    const stream = join(directory, 'streams', 'events.yaml')
    const config = ['--config', join(directory, 'tidewater.yaml')]
    const args = [...config, 'stream', 'run', stream, '--until', 'latest']
    const { code, said, peakMib } = await runToEnd(args)
    expect(code, said).toBe(0)
    const options = { directory }
    const snapshots = await tideRows('table snapshots web.events__dlq', options)
    // The batch was committed early again and again, because the budget was used up.
    expect(snapshots.length).toBeGreaterThan(2)
    const count = 'SELECT count(DISTINCT "offset") AS n FROM web.events__dlq'
    const { stdout } = await tide(['sql', '-json', '-c', count], options)
    expect(stdout).toContain(`"n":${total}`)
    // 140 MB of records as letters would be a gigabyte and more.
    expect(peakMib).toBeGreaterThan(50)
    expect(peakMib).toBeLessThan(800)
  })
})

describe('spool folders', () => {
  let lake: LakeFixture
  beforeEach(async () => {
    lake = await openLakeFixture()
    await lake.log.createTopic('events', 1)
  })
  afterEach(() => lake.close())

  const settings = (): ReturnType<LakeFixture['settings']> =>
    lake.settings(
      `${declared}\noutput: { iceberg: { table: web.events, commit: { interval: 10m } } }`,
    )

  /** Gives the partitions out anew after each poll that brought records, as rebalances do. */
  function restless(inner: RecordSource, assignments: number): RecordSource {
    let assigned: PollResult | undefined
    let left = assignments
    let hasRead = false
    return new Proxy(inner, {
      get: (target, name: keyof RecordSource) => {
        const member = target[name] as unknown
        if (name !== 'poll') return typeof member === 'function' ? member.bind(target) : member
        return async (...args: Parameters<RecordSource['poll']>): Promise<PollResult> => {
          if (assigned !== undefined && hasRead && left > 0) {
            left--
            hasRead = false
            return assigned
          }
          const result = await target.poll(...args)
          if (result.kind === 'assigned') assigned = result
          else hasRead ||= result.batches.length > 0
          return result
        }
      },
    })
  }

  it('of batches that were given up are removed at once', async () => {
    // Letters go to disk within a poll, so each batch has a folder.
    const values = Array.from({ length: 12_000 }, (_, id) => `{"id":"${id}${'y'.repeat(900)}"}`)
    await lake.log.appendValues({ topic: 'events', partition: 0 }, values)
    const source = createEmbeddedSource({ log: lake.log, topics: ['events'] })
    const folders: string[][] = []
    const onProgress = (): void => {
      const spool = join(lake.directory, 'spool')
      folders.push(readdirSync(spool).flatMap((run) => readdirSync(join(spool, run))))
    }
    const result = await lake.run(settings(), { onProgress }, { source: restless(source, 4) })
    expect(result.deadLetters).toBe(12_000)
    expect(new Set(folders.flat()).size).toBeGreaterThan(4)
    expect(Math.max(...folders.map((names) => names.length))).toBe(1)
    expect(await readdir(join(lake.directory, 'spool'))).toEqual([])
  })

  it('is removed also when the source cannot stop', async () => {
    const inner = createEmbeddedSource({ log: lake.log, topics: ['events'] })
    const source = new Proxy(inner, {
      get: (target, name: keyof RecordSource) => {
        if (name === 'stop') {
          return async () => {
            await target.stop()
            throw new Error('the broker is gone')
          }
        }
        const member = target[name] as unknown
        return typeof member === 'function' ? member.bind(target) : member
      },
    })
    await lake.log.appendValues({ topic: 'events', partition: 0 }, ['{"id":1}'])
    await expect(lake.run(settings(), {}, { source })).rejects.toThrow('the broker is gone')
    expect(await readdir(join(lake.directory, 'spool'))).toEqual([])
  })
})
