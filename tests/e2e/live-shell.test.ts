/** `tide sql --server` over a running stream: how soon a record is seen, and what the footer says. */
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../common/index.ts'
import { eventually } from '../support/eventually.ts'
import { exitOf, lineOf, spawnTide, tide } from '../support/tide.ts'

/** A second is promised, with `live.interval` as it is by default; a busy machine takes longer for it all. */
let soonMs = 3_000
const clock = systemClock
let base: string
let project: string
let dev: ChildProcess | undefined
let log = ''
let uri: string
let produced = 0

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'tide-live-shell-'))
  await tide(['init', 'shop'], { directory: base })
  project = join(base, 'shop')
  const file = join(project, 'streams', 'events.yaml')
  // So that no commit happens while the test looks.
  await writeFile(file, (await readFile(file, 'utf8')).replace(/interval: \w+/, 'interval: 1h'))
  await produce(100)
  const drained = await tide('stream run --until latest', { directory: project })
  expect(drained.code, drained.stderr).toBe(0)
  dev = spawnTide(['dev', '--project', project, '--port', '0'], { directory: base })
  dev.stderr?.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  uri = await lineOf(dev, /^http:/)
  await eventually(
    () => {
      expect(dev?.exitCode, log).toBe(null)
      return log.includes('embedded events -> web.events')
    },
    () => log,
  )
})
afterAll(async () => {
  if (dev !== undefined && dev.exitCode === null) {
    dev.kill('SIGTERM')
    await exitOf(dev)
  }
  await rm(base, { recursive: true, force: true })
})

/** Returns when the log has them. */
async function produce(count: number): Promise<void> {
  const ids = Array.from({ length: count }, (_, index) => produced + index)
  const input = ids.map((id) => `{"id":${id},"ts":"2026-01-01T00:00:00Z"}\n`).join('')
  const args = ['topic', 'produce', 'events', '--create', '--log', join(project, 'log')]
  const { code, stderr } = await tide(args, { directory: project, input })
  expect(code, stderr).toBe(0)
  produced += count
}

interface Shown {
  readonly count: number
  readonly footer: string
}

async function shown(name = 'events'): Promise<Shown> {
  const sql = `SELECT count(*) AS n, count(DISTINCT id) AS ids FROM web."${name}"`
  const { code, stderr, stdout } = await tide(['sql', '--server', uri, '-c', sql], {
    directory: base,
  })
  expect(code, stderr).toBe(0)
  const [, count, ids] = /│\s+(\d+)\s+│\s+(\d+)\s+│/.exec(stdout) ?? []
  expect(ids, stdout).toBe(count)
  return { count: Number(count), footer: stdout.trimEnd().split('\n').at(-1) ?? '' }
}

async function shownAll(): Promise<Shown & { readonly waitedMs: number }> {
  const sinceMs = clock.monotonic()
  return eventually(
    async () => {
      const answer = await shown()
      return answer.count === produced && { ...answer, waitedMs: clock.monotonic() - sinceMs }
    },
    () => log,
  )
}

async function newestSnapshot(): Promise<string> {
  const sql = `SELECT snapshot_id::VARCHAR AS id FROM web."events$snapshots" ORDER BY committed_at`
  const { stdout } = await tide(['sql', '-json', '-c', sql], { directory: project })
  const rows = JSON.parse(stdout) as readonly { readonly id: string }[]
  return rows.at(-1)?.id ?? ''
}

describe('tide sql --server, asked while a stream runs', () => {
  it('[L1] shows records soon after the log has them, every time, long before a commit', async () => {
    const snapshot = await newestSnapshot()
    const beganMs = clock.monotonic()
    await shown('events$batch')
    soonMs += 20 * (clock.monotonic() - beganMs)
    const waits: number[] = []
    for (let round = 0; round < 8; round++) {
      await produce(10)
      const { waitedMs } = await shownAll()
      waits.push(waitedMs)
      // Sometimes nobody has asked lately, and segments are made less often.
      if (round === 4) await clock.sleep(5_500)
    }
    expect(Math.max(...waits)).toBeLessThan(soonMs)
    expect(await newestSnapshot()).toBe(snapshot)
    expect((await shown('events$batch')).count).toBe(100)
  })

  it('[L6] the footer names the snapshot, the offsets and the age of the newest row', async () => {
    const beganMs = clock.monotonic()
    await produce(7)
    const { footer } = await shownAll()
    const snapshot = await newestSnapshot()
    const pattern =
      /^1 row · web\.events@(\d+) \d+ of \d+ files \S+ k?B and live to events\/0@(\d+), (\d+\.\d) s old · \d+\.\d+ s$/
    expect(footer).toMatch(pattern)
    const [, snapshotId, offset, age] = pattern.exec(footer) ?? []
    expect(snapshotId).toBe(snapshot)
    expect(offset).toBe(String(produced))
    expect(Number(age)).toBeLessThanOrEqual((clock.monotonic() - beganMs) / 1000 + 0.1)
    expect(Number(age) * 1000).toBeLessThan(soonMs)
    await clock.sleep(1_500)
    const [, , , laterAge] = pattern.exec((await shown()).footer) ?? []
    expect(Number(laterAge) - Number(age)).toBeGreaterThan(1.4)
  })

  it('[L6] the footer of the snapshot alone says nothing of live rows', async () => {
    const { footer } = await shown('events$batch')
    expect(footer).toContain(`web.events@${await newestSnapshot()} `)
    expect(footer).not.toContain('live')
  })
})
