/**
 * Conditional writes on a local directory between real processes, some of which are killed in the
 * middle of whatever they do.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { seededRandom, systemClock } from '../../common/index.ts'
import { LocalFileIO } from '../../io/index.ts'
import { eventually } from '../support/eventually.ts'

const workerFile = join(import.meta.dirname, 'local-counter-worker.ts')

interface Worker {
  readonly name: string
  readonly child: ChildProcess
  /** The last step that the worker reported. */
  reported: number
  readonly ended: Promise<number | null>
}

describe('LocalFileIO between processes', () => {
  let root: string
  let location: string
  const io = new LocalFileIO()

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'local-processes-'))
    location = `file://${root}/lake/counter`
    const zero = Buffer.from(JSON.stringify({ count: 0, steps: {} }))
    expect((await io.write(location, zero, { kind: 'if-absent' })).ok).toBe(true)
  })
  afterEach(() => rm(root, { recursive: true, force: true }))

  const counter = async (): Promise<{ count: number; steps: Record<string, number> }> =>
    JSON.parse(Buffer.from(await io.read(location)).toString()) as never

  test('[IO17] a counter that five processes swap loses no step and repeats none', async () => {
    const steps = 200
    const workers = Array.from({ length: 5 }, (_, index) => start(location, `w${index}`, steps))
    for (const worker of workers) expect(await worker.ended).toBe(0)
    const { count, steps: done } = await counter()
    expect(count).toBe(5 * steps)
    expect(Object.values(done)).toEqual(Array.from({ length: 5 }, () => steps))
    // Old versions are removed as new ones come.
    const versions = await readdir(join(root, 'lake/counter.~cas'))
    expect(versions.length).toBeLessThanOrEqual(64 + 16 + 5)
    expect(await readdir(join(root, 'lake'))).toEqual(['counter', 'counter.~cas'])
  })

  test('[IO18] killed writers leave a whole object, no lock, and nothing that was reported is lost', async () => {
    const seed = 20_260_601
    const random = seededRandom(seed)
    const all: Worker[] = []
    const running: Worker[] = []
    for (let kill = 0; kill < 40; kill++) {
      while (running.length < 4) {
        const worker = start(location, `k${all.length}`, 1_000_000)
        all.push(worker)
        running.push(worker)
      }
      const victim = running.splice(Math.floor(random.fraction() * running.length), 1)[0]
      if (victim === undefined) throw new Error('no worker is running')
      await eventually(() => victim.reported > 0, undefined, 2)
      await systemClock.sleep(random.fraction() * 40)
      victim.child.kill('SIGKILL')
      await victim.ended
      // The others go on at once: nobody waits for the dead.
      const others = running.map((worker) => worker.reported)
      await eventually(
        () => running.some((worker, index) => worker.reported > (others[index] ?? 0)),
        undefined,
        2,
      )
    }
    for (const worker of running) worker.child.kill('SIGKILL')
    for (const worker of running) await worker.ended
    const { count, steps } = await counter()
    const done = all.map((worker) => steps[worker.name] ?? 0)
    expect(count).toBe(done.reduce((sum, step) => sum + step, 0))
    for (const [index, worker] of all.entries()) {
      // At most the step in hand when the worker died is done and not reported.
      expect(done[index]).toBeGreaterThanOrEqual(worker.reported)
      expect(done[index]).toBeLessThanOrEqual(worker.reported + 1)
    }
    const { etag } = await io.readObject(location)
    const last = Buffer.from('after all')
    expect((await io.write(location, last, { kind: 'if-match', etag })).ok).toBe(true)
    const listed = []
    for await (const info of io.list(`file://${root}/`)) listed.push(info.location)
    expect(listed).toEqual([location])
  })
})

function start(location: string, name: string, steps: number): Worker {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', workerFile, location, name, String(steps)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const worker: Worker = { name, child, reported: 0, ended }
  let rest = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n')
    rest = lines.pop() ?? ''
    const last = lines.at(-1)
    if (last !== undefined) worker.reported = Number(last)
  })
  return worker
}
