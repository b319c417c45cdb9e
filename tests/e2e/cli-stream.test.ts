/** From stdin to a table with the commands alone, on the embedded log and a local warehouse. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { exitOf, lineOf, spawnTide, tide as runTide, tideRows } from '../support/tide.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tide-stream-'))
  await tide('init . --template embedded-json')
})
afterEach(() => rm(directory, { recursive: true }))

const tide = (line: string, input = '', signal = new AbortController().signal) =>
  runTide(line, { directory, input, signal })
const rows = (line: string) => tideRows(line, { directory })

const records = `{"id": 1, "name": "a"}\n{"id": 2, "name": "b"}\nnot json\n{"id": 3, "name": "c"}\n`

describe('tide topic', () => {
  it('produces lines and consumes them in any range and format', async () => {
    const produced = await tide('topic produce events --create --partitions 1', records)
    expect(produced).toEqual({ code: 0, stdout: '', stderr: 'produced 4 records to events\n' })
    expect((await tide('topic consume events -e')).stdout).toBe(records)
    expect((await tide('topic consume events -e -o -1 -f %p:%o:%K\\n')).stdout).toBe('0:3:-1\n')
    expect((await tide('topic consume events -o 1:3 -f %o,')).stdout).toBe('1,2,')
    expect((await tide('topic consume events -n 1 -o json')).stdout).toContain(
      '"offset":0,"timestamp":',
    )
    expect(await rows('topic ls')).toMatchObject([{ topic: 'events', partitions: 1, offsets: 4 }])
    expect(await rows('topic describe events')).toMatchObject([{ earliest: 0, latest: 4 }])
  })

  it('sets keys, headers, tombstones and partitions', async () => {
    await tide('topic create events -p 2')
    await tide('topic produce events -K | -H h=v -Z -p 1', 'k1|v1\nk2|\n')
    const { stdout } = await tide('topic consume events -e -p 1 -f %p;%k;%S;%h\\n')
    expect(stdout).toBe('1;k1;2;h=v\n1;k2;-1;h=v\n')
  })

  it.each([
    ['topic consume events -e', 1, 'events'],
    ['topic create events -p many', 2, 'not a number of partitions: "many"'],
    ['topic consume events -o begining', 2, 'not an offset: "begining"'],
    ['topic consume events -o csv', 2, '"csv" is for tables'],
    ['topic consume events -f %q', 2, 'unknown format "%q"'],
    ['topic produce events -H =x', 2, '--header takes name=value'],
    ['topic ls --stream nope.yaml', 2, 'cannot read nope.yaml'],
  ])('refuses %s', async (line, code, message) => {
    const outcome = await tide(line)
    expect(outcome.stderr).toContain(message)
    expect(outcome.code).toBe(code)
  })
})

describe('tide stream run', () => {
  it('drains to the end, keeps bad records, and a second run does nothing', async () => {
    await tide('topic produce events --create --partitions 2', records)
    const dry = await tide('stream dry-run -o json')
    expect(JSON.parse(dry.stdout)).toMatchObject({
      offsets_held: 4,
      records_readable: 3,
      columns: 'id: long\nname: string',
    })
    expect((await tide('table list')).stdout).toBe('no tables\n')

    const first = await rows('stream run streams/events.yaml --until latest')
    expect(first).toMatchObject([{ records: 4, rows: 3, dead_letters: 1, commits: 1 }])
    const second = await rows('stream run streams/events.yaml --until latest')
    expect(second).toMatchObject([{ records: 0, commits: 0 }])

    expect(await rows('stream status')).toMatchObject([{ commit_lag: 0, total_records: 3 }])
    const partitions = await rows('stream status --partitions')
    expect(partitions.map((one) => one['next_offset'])).toEqual([2, 2])
    expect(await rows('table files web.events')).toMatchObject([{ record_count: 3 }])
    expect(await rows('table snapshots web.events')).toMatchObject([{ operation: 'append' }])
    expect(await rows('table list')).toMatchObject([{ table: 'events' }, { table: 'events__dlq' }])
  })

  it('commits what was read when it is told to stop, and exits 0', async () => {
    await tide('topic produce events --create', records)
    const config = ['--config', join(directory, 'tidewater.yaml')]
    const file = join(directory, 'streams/events.yaml')
    // Only the end of the run can commit: the interval is an hour.
    const slow = ['--set', 'output.iceberg.commit.interval=1h', '-o', 'json']
    const sampled = ['--set', 'schema.sample_records=2']
    const args = [...config, 'stream', 'run', file, ...slow, ...sampled]
    const child = spawnTide(args, { directory, environment: { TIDEWATER_LOG_FORMAT: 'json' } })
    let stdout = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      stdout += chunk.toString()
    })
    await new Promise<void>((resolve) => {
      child.stderr?.on('data', (chunk: Buffer) => {
        if (chunk.includes('schema.chosen')) resolve()
      })
    })
    child.kill('SIGTERM')
    expect(await exitOf(child)).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject([{ records: 4, rows: 3, dead_letters: 1, commits: 1 }])
    expect(await rows('stream status')).toMatchObject([{ commit_lag: 0, total_records: 3 }])
  })

  it('reports a missing topic, a wrong end and a broken file', async () => {
    const missing = await tide('stream run --until latest')
    expect(missing.code).toBe(1)
    expect(missing.stderr).toContain('events')
    expect((await tide('stream run --until tomorrow')).stderr).toContain('--until takes latest')
    const broken = await tide('stream run --until latest --set output.iceberg.commit.interval=10')
    expect(broken.code).toBe(2)
    expect(broken.stderr).toContain('a bare number has no unit')
    const status = await tide('stream status')
    expect(status.code).toBe(1)
    expect(status.stdout).toContain('web.events (missing)')
    expect(status.stderr).toContain('the log does not answer')
  })
})

describe('tide doctor', () => {
  it('has a line per check and a fix under a failed one', async () => {
    const before = await tide('doctor')
    expect(before.code).toBe(1)
    expect(before.stdout).toContain('ok    store swap-race: exactly one of 8 writers won')
    expect(before.stdout).toMatch(/fail {2}stream events: .*\n {6}fix: create the topic/)
    await tide('topic create events -p 3')
    const after = await tide('doctor')
    expect(after.code).toBe(0)
    expect(after.stdout).not.toContain('fail')
    expect(after.stdout).toContain(
      'ok    stream events: topic events: 3 partitions, 0 offsets held',
    )
  })

  it('goes on behind a fault in the settings', async () => {
    const outcome = await tide('doctor --set schema.mode=avro -o jsonl')
    expect(outcome.code).toBe(1)
    const checks = outcome.stdout.trimEnd().split('\n')
    expect(checks.find((line) => line.includes('settings streams/events.yaml'))).toContain(
      '"ok":false,"detail":"flag --set schema.mode: \\"avro\\" is not in this release',
    )
    expect(checks.at(-1)).toContain('"check":"catalog","ok":true')
  })

  it('writes policies for a bucket only', async () => {
    const outcome = await tide('doctor --policies out')
    expect(outcome.code).toBe(2)
    expect(outcome.stderr).toContain('--policies needs a warehouse on s3://')
  })
})

describe('tide sql', () => {
  beforeEach(async () => {
    await tide('topic produce events --create', records)
    await tide('stream run --until latest')
  })

  it('answers -c, -f, stdin and both spellings of its flags', async () => {
    const sum = 'SELECT count(*) AS n, sum(id) AS s FROM web.events'
    const run = (args: readonly string[], input?: string) =>
      runTide(['sql', ...args], { directory, ...(input === undefined ? {} : { input }) })
    expect((await run(['-json', '-c', sum])).stdout).toBe('[{"n":3,"s":6}]\n')
    expect((await run(['--csv', '-c', sum])).stdout).toBe('n,s\n3,6\n')
    expect((await run(['-o', 'jsonl'], `${sum};`)).stdout).toBe('{"n":3,"s":6}\n')
    await writeFile(join(directory, 'q.sql'), `${sum};\n`)
    expect((await run(['-markdown', '-f', 'q.sql'])).stdout).toContain('| 3 | 6 |')
    expect((await run(['-c', sum])).stdout).toContain('1 of 1 files')
  })

  it.each([
    ['-c', (sql: string) => ({ args: ['-c', sql] })],
    ['stdin', (sql: string) => ({ args: [], input: sql })],
  ])(
    'ends a script of %s with 130 when it is interrupted, and runs no further statement',
    async (_, of) => {
      const slow = 'SELECT count(*) FROM range(100000000000) a(i) WHERE hash(i) = 1'
      const { args, input } = { input: undefined, ...of(`SELECT 1;\n${slow};\nSELECT 2;\n`) }
      const outcome = await runTide(['sql', '-csv', ...args], {
        directory,
        signal: AbortSignal.timeout(1_500),
        ...(input === undefined ? {} : { input }),
      })
      expect(outcome).toMatchObject({ code: 130, stderr: '' })
      expect(outcome.stdout).not.toMatch(/^2$/m)
    },
  )

  it('exits 1 on a wrong statement and names the likely table', async () => {
    const outcome = await runTide(['sql', '-c', 'SELECT * FROM web.evnts'], { directory })
    expect(outcome.code).toBe(1)
    expect(outcome.stderr).toContain('did you mean web.events')
    expect((await tide('sql -f nope.sql')).code).toBe(2)
  })
})

describe('tide serve', () => {
  it('serves the catalog to the same command over REST, until it is told to stop', async () => {
    await tide('topic produce events --create', records)
    await tide('stream run --until latest')
    const config = ['--config', join(directory, 'tidewater.yaml')]
    const child = spawnTide([...config, 'serve', '--port', '0'], { directory })
    const address = await lineOf(child, /^http/)
    const elsewhere = { directory: tmpdir() }
    const names = await tideRows(`--uri ${address} table list`, elsewhere)
    expect(names).toMatchObject([{ table: 'events' }, { table: 'events__dlq' }])
    const args = ['--uri', address, 'sql', '-csv', '-c', 'SELECT count(*) AS n FROM web.events']
    expect((await runTide(args, elsewhere)).stdout).toBe('n\n3\n')
    child.kill('SIGTERM')
    expect(await exitOf(child)).toBe(0)
  })

  it('refuses to be open to strangers', async () => {
    const outcome = await tide('serve --host 0.0.0.0 --port 0')
    expect(outcome.code).toBe(2)
    expect(outcome.stderr).toContain('needs a token')
  })
})
