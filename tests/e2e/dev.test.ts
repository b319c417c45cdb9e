/** `tide dev` as a process: a new project runs whole, and one failing stream leaves the others alone. */
import type { ChildProcess } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../common/index.ts'
import { patience } from '../support/eventually.ts'
import { exitOf, lineOf, spawnTide, tide } from '../support/tide.ts'

interface Dev {
  readonly child: ChildProcess
  readonly uri: string
  readonly log: () => string
}

let base: string
const running: ChildProcess[] = []

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'tide-dev-'))
})

afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await exitOf(child)
  }
})

afterAll(async () => {
  await rm(base, { recursive: true, force: true })
})

async function startDev(project: string): Promise<Dev> {
  const child = spawnTide(['dev', '--project', project, '--port', '0'], { directory: base })
  running.push(child)
  let log = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  const uri = await lineOf(child, /^http:/).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${log}`)
  })
  return { child, uri, log: () => log }
}

async function ask(uri: string, sql: string): Promise<readonly Record<string, unknown>[]> {
  const answer = await fetch(`${uri}/query`, { method: 'POST', body: sql })
  const { data = [] } = (await answer.json()) as { data?: readonly Record<string, unknown>[] }
  return data
}

async function newProject(name: string): Promise<string> {
  await tide(['init', name], { directory: base })
  return join(base, name)
}

async function countEvents(directory: string): Promise<unknown> {
  const counted = 'SELECT count(*) AS n, count(DISTINCT id) AS ids FROM web.events'
  const { stdout } = await tide(['sql', '-json', '-c', counted], { directory })
  return (JSON.parse(stdout) as readonly unknown[])[0]
}

function records(from: number, until: number): string {
  const ids = Array.from({ length: until - from }, (_, index) => from + index)
  return ids.map((id) => `{"id":${id},"ts":"2026-01-01T00:00:00Z"}\n`).join('')
}

async function produce(project: string, topic: string, input: string): Promise<void> {
  await produceInto(project, join(project, 'log'), topic, input)
}

async function produceInto(
  directory: string,
  log: string,
  topic: string,
  input: string,
): Promise<void> {
  const args = ['topic', 'produce', topic, '--create', '--log', log]
  const { code, stderr } = await tide(args, { directory, input })
  expect(code, stderr).toBe(0)
}

async function stop(dev: Dev, signal: NodeJS.Signals): Promise<void> {
  dev.child.kill(signal)
  expect(await exitOf(dev.child), dev.log()).toBe(0)
}

describe('tide dev', () => {
  it('runs a new project as it was written: records become rows, rows become models', async () => {
    const project = await newProject('whole')
    const dev = await startDev(project)
    await expect.poll(dev.log, patience).toContain('embedded events -> web.events')
    expect(await ask(dev.uri, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
    await produce(project, 'events', records(0, 500))
    await expect
      .poll(() => ask(dev.uri, 'SELECT count(*) AS n, sum(id) AS total FROM web.events'), patience)
      .toEqual([{ n: 500, total: 124_750 }])
    const perMinute = 'SELECT sum(events) AS n FROM models.events_per_minute'
    await expect.poll(() => ask(dev.uri, perMinute), patience).toEqual([{ n: 500 }])
    const config = await fetch(`${dev.uri}/v1/namespaces/web/tables`)
    expect(JSON.stringify(await config.json())).toContain('"events"')
    await stop(dev, 'SIGTERM')
    expect(dev.log()).not.toContain('"level":"error"')
  })

  it('commits on SIGINT what it has read, and goes on from there', async () => {
    const project = await newProject('stopped')
    const file = join(project, 'streams', 'events.yaml')
    // So that no commit happens by itself while the test looks.
    const stream = (await readFile(file, 'utf8')).replace('interval: 2s', 'interval: 10m')
    await writeFile(file, stream)
    await produce(project, 'events', records(0, 100))
    const first = await startDev(project)
    await expect.poll(first.log, patience).toContain('schema.chosen')
    // Whoever asks this process sees what it has read; whoever asks the bucket, what is committed.
    await expect
      .poll(() => ask(first.uri, 'SELECT count(*) AS n FROM web.events'), patience)
      .toEqual([{ n: 100 }])
    expect(await countEvents(project)).toEqual({ n: 0, ids: 0 })
    // Once by the terminal and once more by a wrapper such as npx: still one wish.
    first.child.kill('SIGINT')
    await systemClock.sleep(60)
    await stop(first, 'SIGINT')
    expect(await countEvents(project)).toEqual({ n: 100, ids: 100 })
    await produce(project, 'events', records(100, 150))
    const drained = await tide('stream run --until latest', { directory: project })
    expect(drained.code, drained.stderr).toBe(0)
    expect(await countEvents(project)).toEqual({ n: 150, ids: 150 })
  })

  it('keeps the other streams going while one fails, and takes it back when its fault is gone', async () => {
    const project = await newProject('faulty')
    const text = await readFile(join(project, 'streams', 'events.yaml'), 'utf8')
    const other = text
      .replaceAll('events', 'orders')
      .replace('directory: ../log', 'directory: ../log of orders')
    await writeFile(join(project, 'streams', 'orders.yaml'), other)
    const log = join(project, 'log of orders')
    await mkdir(log)
    await writeFile(join(log, 'log.json'), '{"format": 99}')
    const dev = await startDev(project)
    await expect
      .poll(dev.log, patience)
      .toMatch(/"stream":"orders".*another format.*"stream\.failed"/)
    await produce(project, 'events', records(0, 50))
    await expect
      .poll(() => ask(dev.uri, 'SELECT count(*) AS n FROM web.events'), patience)
      .toEqual([{ n: 50 }])
    await rm(log, { recursive: true })
    await produceInto(project, log, 'orders', records(0, 20))
    await expect
      .poll(() => ask(dev.uri, 'SELECT count(*) AS n FROM web.orders'), patience)
      .toEqual([{ n: 20 }])
    await stop(dev, 'SIGTERM')
  })

  it('is fed by a producer that pauses: a line does not wait for a whole batch', async () => {
    const project = await newProject('slow')
    const args = ['topic', 'produce', 'events', '--create', '--log', join(project, 'log')]
    const producer = spawnTide(args, { directory: base })
    running.push(producer)
    const consumed = async (): Promise<string> => {
      const read = ['topic', 'consume', 'events', '--log', join(project, 'log'), '--exit']
      return (await tide(read, { directory: base })).stdout
    }
    producer.stdin?.write('{"id":1}\n{"id":2}\n')
    await expect.poll(consumed, patience).toBe('{"id":1}\n{"id":2}\n')
    producer.stdin?.write('{"id":3}\n')
    await expect.poll(consumed, patience).toBe('{"id":1}\n{"id":2}\n{"id":3}\n')
    producer.stdin?.end('{"id":4}\n')
    expect(await exitOf(producer)).toBe(0)
    expect(await consumed()).toContain('{"id":4}')
  })

  it('says what is wrong before anything starts', async () => {
    const options = { directory: base }
    const missing = await tide(['dev', '--project', 'nowhere'], options)
    expect(missing).toMatchObject({ code: 2 })
    expect(missing.stderr).toContain('no tidewater.yaml in nowhere: tide init nowhere writes one')
    const project = await newProject('wrong')
    await mkdir(join(project, 'models'), { recursive: true })
    await writeFile(join(project, 'models', 'bad.sql'), "SELECT * FROM {{ ref('nobody') }}")
    const bad = await tide(['dev', '--project', project, '--port', '0'], options)
    expect(bad.code).not.toBe(0)
    expect(bad.stderr).toContain("ref('nobody')")
  })
})
