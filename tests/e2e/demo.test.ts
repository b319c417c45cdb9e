/** `npm run demo` on a slice: it succeeds, and it fails for each way in which a table can be wrong. */
import { type ChildProcess, spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { pathToFileURL } from 'node:url'
import { ObjectStoreCatalog } from '../../catalog/index.ts'
import { LocalFileIO } from '../../io/index.ts'
import { type Database, openDatabase } from '../../sql/index.ts'
import { patience } from '../support/eventually.ts'
import { liveFiles } from '../support/lake-fixture.ts'
import { repositoryRoot } from '../support/services/index.ts'

interface Ended {
  readonly code: number | null
  readonly text: string
}

const children: ChildProcess[] = []
let base: string
let database: Database

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'tide-demo-'))
  database = await openDatabase({ threads: 2 })
})

afterAll(async () => {
  database.close()
  for (const child of children) child.kill('SIGKILL')
  await rm(base, { recursive: true, force: true })
})

function start(args: readonly string[]): { child: ChildProcess; ended: Promise<Ended> } {
  const command = ['--import', 'tsx', 'scripts/demo.ts', ...args]
  const child = spawn(process.execPath, command, {
    cwd: repositoryRoot,
    // The user's own warehouse must not come into the demo.
    env: { ...process.env, TIDEWATER_CATALOG__WAREHOUSE: join(base, 'not-here'), NO_COLOR: '1' },
  })
  children.push(child)
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part
    })
  }
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, text }))
  })
  return { child, ended }
}

const demo = (...args: readonly string[]): Promise<Ended> => start(args).ended

describe('the demo on a slice', () => {
  let whole: string
  let directory: string
  let first: Ended

  beforeAll(async () => {
    whole = join(base, 'whole')
    // Paced, so that the sink cannot be through before anybody looks.
    first = await demo('--records', '60000', '--rate', '30000', '--dir', whole)
  })

  beforeEach(async () => {
    // The table names its files by absolute paths, so each test has the one place and a fresh copy.
    directory = whole
    await cp(whole, join(base, 'kept'), { recursive: true })
  })

  afterEach(async () => {
    await rm(whole, { recursive: true })
    await rename(join(base, 'kept'), whole)
  })

  /** Rewrites one data file in place with what `select` makes of its rows (`old`). */
  async function tamper(select: string, table: string): Promise<void> {
    const warehouse = pathToFileURL(join(directory, 'warehouse')).href
    const io = new LocalFileIO()
    const files = await liveFiles(new ObjectStoreCatalog({ io, warehouse }), io, table)
    const path = new URL(files[0] ?? '').pathname
    await database.withConnection(async (connection) => {
      await connection.run(`CREATE OR REPLACE TEMP TABLE old AS FROM read_parquet('${path}')`)
      await connection.run(`COPY (${select}) TO '${path}' (FORMAT parquet)`)
    })
  }

  it('shows the run, the kill, the checks, a query and the way on', async () => {
    expect(first.text).toMatch(/produced +54,000 records/)
    expect(first.text).toMatch(/committed +54,000 records/)
    for (const act of [1, 2, 3, 4, 5]) expect(first.text).toContain(`Act ${act} of 5: `)
    expect(first.text).toMatch(/snapshots +\d+/)
    expect(first.text).toMatch(/records\/s +[\d,]+/)
    expect(first.text).toMatch(/killed +sink process \d+ by SIGKILL/)
    expect(first.text).toMatch(/ok +lost 0/)
    expect(first.text).toMatch(/ok +duplicated 0/)
    expect(first.text).toMatch(/time +[\d.]+m?s +\d+ of \d+ files read/)
    expect(first.text).toContain('.metadata.json')
    expect(first.text).not.toContain('FAIL')
    expect(first.text).not.toContain('\u001B[')
    expect(first.code).toBe(0)
    expect(await readdir(base)).not.toContain('not-here')
  })

  it('really killed the sink with work undone', () => {
    const [, committed = '', logged = ''] =
      /kill +pid \d+ +([\d,]+) committed in \d+ snapshots, ([\d,]+) in the log/.exec(first.text) ??
      []
    const number = (text: string): number => Number(text.replaceAll(',', ''))
    expect(number(committed)).toBeGreaterThanOrEqual(27_000)
    expect(number(committed)).toBeLessThan(54_000)
    expect(number(logged)).toBeGreaterThanOrEqual(number(committed))
  })

  it('leaves neither spool files nor processes behind', async () => {
    expect(await readdir(directory)).not.toContain('spool')
    const named = first.text.matchAll(/(?:sink|tide dev) +process (\d+)/g)
    const pids = [...named].map(([, pid]) => Number(pid))
    expect(pids).toHaveLength(3)
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  })

  it('names commands that work', async () => {
    const commands = first.text.split('\n').filter((line) => line.startsWith('  npx tide '))
    expect(commands).toHaveLength(4)
    for (const command of commands) {
      const child = spawn('bash', ['-c', command], { cwd: repositoryRoot, stdio: 'ignore' })
      children.push(child)
      const code = await new Promise((resolve) => child.once('close', resolve))
      expect(code, command).toBe(0)
    }
  })

  it('finds the books in order when it looks again', async () => {
    const { code, text } = await demo('--check', '--dir', directory)
    expect(text).toMatch(/ok +lost 0/)
    expect(code).toBe(0)
  })

  const harms: readonly (readonly [string, string, RegExp, string?])[] = [
    ['lost rows', 'FROM old OFFSET 3', /FAIL +lost 3/],
    ['doubled rows', 'FROM old UNION ALL (FROM old LIMIT 2)', /FAIL +duplicated 2/],
    [
      'one altered value',
      'SELECT * REPLACE (delay + (row_number() OVER () = 1)::INT AS delay) FROM old',
      /FAIL +content/,
    ],
    [
      'rows of no record',
      `SELECT * REPLACE ({'partition': _kafka.partition, 'offset': _kafka."offset" + 1000000} AS _kafka) FROM old`,
      /FAIL +offsets/,
    ],
    [
      'a day that was counted wrongly',
      "SELECT * REPLACE (flights + (origin = 'BOS')::INT AS flights) FROM old",
      /FAIL +daily/,
      'demo.daily_delays',
    ],
    [
      'a version that began a day late',
      "SELECT * REPLACE (valid_from + INTERVAL (valid_from > TIMESTAMP '2000-06-01') DAY AS valid_from) FROM old",
      /FAIL +history/,
      'demo.airports_history',
    ],
  ]
  for (const [what, select, verdict, table = 'demo.flights'] of harms) {
    it(`exits with 1 for a table with ${what}`, async () => {
      await tamper(select, table)
      const { code, text } = await demo('--check', '--dir', directory)
      expect(text).toMatch(verdict)
      expect(text).toContain('the demo failed')
      expect(code).toBe(1)
    })
  }
})

describe('the demo that cannot go on', () => {
  it('takes its sink and its files along when it is interrupted', async () => {
    const directory = join(base, 'interrupted')
    const { child, ended } = start(['--dir', directory, '--rate', '1000'])
    await expect.poll(() => readdir(directory).catch(() => []), patience).toContain('spool')
    child.kill('SIGINT')
    const { code, text } = await ended
    expect(code).toBe(130)
    expect(text).toContain('interrupted')
    expect(await readdir(base)).not.toContain('interrupted')
  })

  it('says so when the directory is not its own', async () => {
    const directory = join(base, 'foreign')
    await mkdir(directory)
    await writeFile(join(directory, 'thesis.txt'), 'ten years')
    const { code, text } = await demo('--dir', directory)
    expect(text).toContain('files that are not of a demo')
    expect(code).toBe(1)
    expect(await readdir(directory)).toEqual(['thesis.txt'])
  })

  it('ends the replay when its time is over', async () => {
    const pace = ['--rate', '10000', '--for', '3s', '--records', '100000']
    const { code, text } = await demo('--dir', join(base, 'short'), ...pace)
    const produced = Number(/produced +([\d,]+) records/.exec(text)?.[1]?.replaceAll(',', ''))
    expect(produced).toBeGreaterThan(10_000)
    expect(produced).toBeLessThan(50_000)
    expect(text).toMatch(/ok +lost 0/)
    expect(code).toBe(0)
  })
})
