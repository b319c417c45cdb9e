/** The child that runs strangers' SQL: what keeps the network from it, and what becomes of its failures. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, readdir, readlink, stat } from 'node:fs/promises'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { silentLogger, systemClock } from '../../common/index.ts'
import {
  FileCache,
  allRows,
  openSandboxedEngine,
  plainText,
  type SandboxedEngine,
  type SandboxedEngineOptions,
} from '../../sql/index.ts'
import { findConfinement, unconfined } from '../../sql/sandbox/confinement.ts'
import { dataBytesMax, hasGivenBack } from '../../sql/sandbox/memory-watch.ts'
import { SandboxChild } from '../../sql/sandbox/sandbox-child.ts'
import { SandboxPool, type SandboxPoolOptions } from '../../sql/sandbox/sandbox-pool.ts'
import { eventually } from '../support/eventually.ts'
import { requireAbility } from '../support/services/parts.ts'
import { repositoryRoot } from '../support/services/paths.ts'
import { openSqlLake, type SqlLake } from '../support/sql-lake.ts'

const limits = {
  memoryBytesMax: 200e6,
  threads: 2,
  tempBytesMax: 50e6,
  rowsMax: 5_000,
  resultBytesMax: 2e6,
}
const poolOptions: SandboxPoolOptions = {
  limits,
  mode: 'auto',
  concurrency: 2,
  queuedMax: 2,
  timeoutMs: 240_000,
  clock: systemClock,
  logger: silentLogger,
}
/** Far less than the slow query takes. */
const endedWithinMs = 15_000
/** Seconds of work that hold no result in memory. */
const slowQuery = 'SELECT count(*) FROM range(100000000000) a(i) WHERE hash(i) = 1'

let lake: SqlLake
let engine: SandboxedEngine
const engines: SandboxedEngine[] = []

async function open(options: Partial<SandboxedEngineOptions> = {}): Promise<SandboxedEngine> {
  const cache = new FileCache({
    io: lake.io,
    directory: join(lake.directory, 'cache'),
    bytesMax: 1e9,
  })
  const opened = await openSandboxedEngine({ ...poolOptions, ...lake, cache, ...options })
  engines.push(opened)
  return opened
}

async function ask(sql: string, signal?: AbortSignal, on = engine): Promise<readonly string[]> {
  const result = await on.query(sql, signal === undefined ? {} : { signal })
  return (await allRows(result)).map((row) => row.map(plainText).join('|'))
}

/** Without it the wall that matters most would be untried: in CI that is a failure. */
function requireNetworkWall(wall: {
  readonly isNetworkless: boolean
  readonly reason?: string | undefined
}): boolean {
  const need = 'Linux with user and network namespaces for whoever runs the tests'
  const text = `tests of the wall around queries need ${need}: ${wall.reason ?? 'no reason given'}`
  return requireAbility(wall.isNetworkless, text)
}

async function childrenOf(pid: number): Promise<readonly number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.split(' ').filter(Boolean).map(Number)
}

/** Children of this process that run queries. */
async function queryProcesses(): Promise<readonly number[]> {
  const pids = await childrenOf(process.pid)
  const commands = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  )
  return pids.filter((_, index) => /sandbox\/child\.[jt]s/.test(commands[index] ?? ''))
}

/** Of the processor, by all of them together. */
async function secondsUsed(): Promise<number> {
  let ticks = 0
  for (const pid of await queryProcesses()) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0)
  }
  return ticks / 100
}

beforeAll(async () => {
  process.env['TIDE_TEST_MARKER'] = 'secret-of-the-parent'
  lake = await openSqlLake()
  await lake.create('demo.t', ['id long', 'name string'])
  await lake.append('demo.t', "SELECT i::BIGINT AS id, 'n' || i AS name FROM range(10) r(i)")
  await lake.create('demo.other', ['id long'])
  await lake.append('demo.other', 'SELECT 5::BIGINT AS id')
  engine = await open()
})
afterAll(async () => {
  for (const each of engines) await each.close()
  await lake?.close()
  delete process.env['TIDE_TEST_MARKER']
})

describe('the confinement', () => {
  const attempts = join(repositoryRoot, 'tests/support/network-attempts.mjs')
  let listener: Server
  let connections = 0
  beforeAll(async () => {
    listener = createServer((socket) => {
      connections++
      socket.destroy()
    })
    listener.listen(0, '127.0.0.1')
    await once(listener, 'listening')
  })
  afterAll(() => listener.close())

  async function attempt(command: readonly string[]): Promise<Record<string, unknown>> {
    const { port } = listener.address() as AddressInfo
    const [program = '', ...rest] = command
    const values = [...rest, attempts, String(port), String(process.pid)]
    const child = spawn(program, values, { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part
    })
    await once(child, 'close')
    return JSON.parse(text) as Record<string, unknown>
  }

  it('[S1] leaves no way to a socket, which the same program has without it', async (context) => {
    const free = await attempt([process.execPath])
    expect(free).toMatchObject({ loopback: 'connected', datagram: 'sent' })
    expect(connections).toBe(1)
    const confinement = await findConfinement({ fileBytesMax: 50e6, dataBytesMax: 4e9 })
    if (!requireNetworkWall(confinement)) return context.skip('no network wall here')
    const walled = await attempt(confinement.confine([process.execPath]))
    expect(walled).toEqual({
      loopback: 'ENETUNREACH',
      loopback6: expect.stringMatching(/ENETUNREACH|EADDRNOTAVAIL/) as string,
      outside: 'ENETUNREACH',
      datagram: 'ENETUNREACH',
      interfaces: [],
      parentEnvironment: 'EACCES',
      capabilities: '0000000000000000',
      noNewPrivileges: '1',
      linkUp: false,
      enterParent: false,
    })
    expect(connections).toBe(1)
  })

  it('[S1] is what the process of a query runs in, with nothing of ours in its environment', async (context) => {
    const { isNetworkless, networkReason } = engine
    if (!requireNetworkWall({ isNetworkless, reason: networkReason })) {
      return context.skip('no network wall here')
    }
    await ask('SELECT 1')
    const [pid = 0] = await queryProcesses()
    expect(await readlink(`/proc/${pid}/ns/net`)).not.toBe(await readlink('/proc/self/ns/net'))
    expect(await readlink(`/proc/${pid}/ns/user`)).not.toBe(await readlink('/proc/self/ns/user'))
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    expect(status).toMatch(/CapEff:\s*0{16}\n/)
    expect(status).toMatch(/NoNewPrivs:\s*1\n/)
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8')
    const names = environment.split('\0').map((entry) => entry.split('=')[0])
    expect(names.filter(Boolean).toSorted()).toEqual([
      'HOME',
      'NODE_CHANNEL_FD',
      'NODE_CHANNEL_SERIALIZATION_MODE',
      'PATH',
      'TMPDIR',
    ])
  })

  it('[S1] is tried by every child from inside, and one with a network is not used', async () => {
    const options = (name: string) => ({
      limits,
      directory: join(lake.directory, name),
      clock: systemClock,
    })
    const broken = { confine: (command: readonly string[]) => command, isNetworkless: true }
    await expect(SandboxChild.start({ ...options('a'), confinement: broken })).rejects.toThrow(
      'has a network although it must not',
    )
    const confinement = unconfined('for this test')
    const open = await SandboxChild.start({ ...options('b'), confinement })
    await open.stop()
  })

  it('[S1] takes network and processes from the JavaScript of the child too', async () => {
    const program = join(repositoryRoot, 'tests/support/sealed-attempts.ts')
    const child = spawn(process.execPath, ['--import', 'tsx', program], {
      cwd: repositoryRoot,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part
    })
    await once(child, 'close')
    expect(JSON.parse(text)).toEqual({ tried: 12, open: [] })
  })

  it('[S1] refuses to start where it is required and missing', async () => {
    const platform = Object.getOwnPropertyDescriptor(process, 'platform') as PropertyDescriptor
    Object.defineProperty(process, 'platform', { ...platform, value: 'other' })
    try {
      await expect(SandboxPool.start({ ...poolOptions, mode: 'required' })).rejects.toThrow(
        'network namespaces exist on linux only, this is other: query.sandbox=required',
      )
      const without = await open({ mode: 'auto' })
      expect(without.isNetworkless).toBe(false)
      expect(without.networkReason).toContain('linux')
      expect(await ask('SELECT count(*) FROM demo.t', undefined, without)).toEqual(['10'])
    } finally {
      Object.defineProperty(process, 'platform', platform)
    }
  })
})

describe('openSandboxedEngine()', () => {
  it('answers as the engine of this process does', async () => {
    expect(await ask('SELECT sum(id), max(name) FROM demo.t WHERE id < 9')).toEqual(['36|n8'])
    expect(await ask("SELECT DATE '2026-01-02', 1.50, [1, NULL], {'a': 9007199254740993}")).toEqual(
      ["2026-01-02|1.50|[1, NULL]|{'a': 9007199254740993}"],
    )
    expect(await ask('SELECT operation FROM demo."t$snapshots"')).toEqual(['append'])
    expect(await ask('SHOW TABLES FROM demo')).toEqual(['other', 't'])
    expect((await ask('SUMMARIZE demo.t')).length).toBe(2)
    expect((await ask('DESCRIBE demo.t'))[0]).toContain('BIGINT')
    expect((await ask('EXPLAIN SELECT * FROM demo.t')).join('')).toContain('READ_PARQUET')
  })

  it('sees one now() for the pruning and for the rows', async () => {
    expect(await ask('SELECT count(*) FROM demo.t WHERE id < epoch_ms(now())')).toEqual(['10'])
  })

  it('shows mistakes where the user made them', async () => {
    await expect(ask('SELECT nmae FROM demo.t')).rejects.toThrow(
      /"nmae" not found[\s\S]*line 1: SELECT nmae FROM demo\.t\n {15}\^/,
    )
    await expect(ask('SELECT * FROM demo.tt')).rejects.toThrow('did you mean demo.t')
  })

  it('reads live rows too, from the files that were named and cut', async () => {
    const path = join(lake.directory, 'segment.parquet')
    await lake.database.withConnection((connection) =>
      connection.run(
        `COPY (SELECT 7::BIGINT AS id, 'live' AS name) TO '${path}' (FORMAT parquet, FIELD_IDS {id: 1, name: 2})`,
      ),
    )
    const none = { nullValueCounts: new Map(), lowerBounds: new Map(), upperBounds: new Map() }
    const rows = { files: [{ path, recordCount: 1n, ...none }], state: { newestRowAgeMs: 5 } }
    const own = await open({
      live: {
        pin: () => ({
          rowsAfter: async ({ identifier }) => (identifier.name === 't' ? rows : undefined),
          release: async () => undefined,
        }),
      },
    })
    expect(await ask('SELECT count(*), max(name) FROM demo.t', undefined, own)).toEqual(['11|n9'])
    await expect(ask(`SELECT * FROM '${path}'`, undefined, own)).rejects.toThrow('no table')
  })

  it.each([
    ['parentheses', `SELECT ${'('.repeat(50_000)}1${')'.repeat(50_000)}`],
    ['NOT', `SELECT ${'NOT '.repeat(100_000)}true`],
    ['additions', `SELECT 1${'+1'.repeat(100_000)}`],
    ['subqueries', `SELECT * FROM ${'(SELECT * FROM '.repeat(5_000)}x${')'.repeat(5_000)}`],
    [
      'joins',
      `SELECT 1 FROM ${Array.from({ length: 3_000 }, (_, i) => `range(1) t${i}`).join(', ')}`,
    ],
    ['brackets', `SELECT ${'['.repeat(20_000)}1${']'.repeat(20_000)}`],
    ['a broken surrogate and a zero', "SELECT '\ud800\u0000'"],
  ])('[S6] outlives %s beyond reason', async (_name, sql) => {
    const stop = new AbortController()
    const timer = systemClock.sleep(3_000).then(() => stop.abort(new Error('long enough')))
    const outcome = await ask(sql, stop.signal).then(
      () => 'answered',
      (error: unknown) => `refused: ${String(error).slice(0, 60)}`,
    )
    expect(outcome).toMatch(/^(answered|refused)/)
    expect(await ask('SELECT count(*) FROM demo.t')).toEqual(['10'])
    stop.abort(new Error('done'))
    void timer
  })

  it('[S3] gives each query an instance that knows nothing of the last one', async () => {
    const pool = await SandboxPool.start({ ...poolOptions, concurrency: 1 })
    try {
      const first = await pool.openSession()
      await first.begin()
      const own = '/proc/self/status'
      await first.stream(`FROM read_text('${own}')`, [own])
      await first.close()
      const second = await pool.openSession()
      await second.begin()
      await expect(second.stream(`FROM read_text('${own}')`, [])).rejects.toThrow(
        'file system operations are disabled',
      )
      await second.close()
    } finally {
      await pool.stop()
    }
  })
})

describe('SandboxPool', () => {
  it('lets a child that kept memory rest, has another ready meanwhile, and takes it back', async () => {
    const looked: number[] = []
    let endRest = (): void => undefined
    const rested = new Promise<void>((resolve) => {
      endRest = resolve
    })
    const pool = await SandboxPool.start({
      ...poolOptions,
      clock: {
        now: () => systemClock.now(),
        monotonic: () => systemClock.monotonic(),
        sleep: (ms, signal) => (ms === 1_000 ? rested : systemClock.sleep(ms, signal)),
      },
      hasRoom: async (processId) => looked.push(processId) > 1,
    })
    const serve = async (): Promise<void> => (await pool.openSession()).close()
    const untilLooked = async (times: number): Promise<void> => {
      await eventually(() => looked.length >= times)
      expect(looked).toHaveLength(times)
    }
    try {
      await serve()
      await untilLooked(1)
      await serve()
      await untilLooked(2)
      expect(looked[1]).not.toBe(looked[0])
      endRest()
      await untilLooked(3)
      expect(looked[2]).toBe(looked[0])
      // Both are there for two at once, and no third.
      const both = await Promise.all([pool.openSession(), pool.openSession()])
      await Promise.all(both.map((session) => session.close()))
      await untilLooked(5)
      expect(new Set(looked).size).toBe(2)
    } finally {
      await pool.stop()
    }
  })

  it('replaces a child that kept its memory for a second', async () => {
    const looked: number[] = []
    let endRest = (): void => undefined
    const rested = new Promise<void>((resolve) => {
      endRest = resolve
    })
    const pool = await SandboxPool.start({
      ...poolOptions,
      concurrency: 1,
      clock: {
        ...systemClock,
        sleep: (ms, signal) => (ms === 1_000 ? rested : systemClock.sleep(ms, signal)),
      },
      hasRoom: async (processId) => {
        looked.push(processId)
        return processId !== looked[0]
      },
    })
    try {
      await (await pool.openSession()).close()
      await eventually(() => looked.length > 0)
      const status = (): Promise<string> =>
        readFile(`/proc/${looked[0]}/status`, 'utf8').catch(() => 'gone')
      expect(await status()).not.toBe('gone')
      await (await pool.openSession()).close()
      endRest()
      await eventually(async () => (await status()) === 'gone')
      expect(looked.filter((pid) => pid === looked[0])).toHaveLength(2)
    } finally {
      await pool.stop()
    }
  })
})

describe('limits', () => {
  it('[S5] end a query that takes too long, and only that', async () => {
    const impatient = await open({ timeoutMs: 700 })
    const started = performance.now()
    await expect(ask(slowQuery, undefined, impatient)).rejects.toThrow(
      'took longer than 0.7 s and was ended',
    )
    expect(performance.now() - started).toBeLessThan(endedWithinMs)
    expect(await ask('SELECT 1', undefined, impatient)).toEqual(['1'])
  })

  it('[S5] refuse more rows and more bytes than the server gives out', async () => {
    await expect(ask('SELECT * FROM range(5001)')).rejects.toThrow('limit=5000')
    expect(await ask('SELECT count(*) FROM (FROM range(5001))')).toEqual(['5001'])
    await expect(ask("SELECT repeat('x', 3000000)")).rejects.toThrow('query.max_result_bytes')
    await expect(ask("SELECT {'a': [repeat('x', 3000000)]}")).rejects.toThrow('limit=2000000')
  })

  it('[S5] bound memory and what is spilled', async () => {
    const spilling =
      'SELECT max(s) FROM (SELECT row_number() OVER (ORDER BY hash(i)) AS s FROM range(20000000) r(i))'
    await expect(ask(spilling)).rejects.toThrow(
      /max_temp_directory_size.*query\.max_temp_bytes=50000000/s,
    )
    expect(await ask("SELECT current_setting('memory_limit')")).toEqual(['190.7 MiB'])
    expect(await ask('SELECT 1')).toEqual(['1'])
  })

  it('[S5] end a query that takes memory beside what duckdb counts, and only that', async () => {
    const roomy = await open({ limits: { ...limits, memoryBytesMax: 512e6 } })
    for (const [on, sql, bytes] of [
      [roomy, "SELECT max(length(repeat('x', 300000000) || i::VARCHAR)) FROM range(4) t(i)", 512e6],
      [roomy, "SELECT length(repeat('x', 1500000000))", 512e6],
      [engine, "SELECT max(length(repeat('x', 9000000) || i::VARCHAR)) FROM range(500) t(i)", 2e8],
    ] as const) {
      await expect(ask(sql, undefined, on)).rejects.toThrow(
        expect.objectContaining({
          name: 'ValidationError',
          message: expect.stringMatching(`memory.*query\\.memory=${bytes}`) as string,
        }) as Error,
      )
      expect(await ask('SELECT 7', undefined, on)).toEqual(['7'])
    }
  })

  it('[S5] let results near query.max_result_bytes through, in few large rows and in many', async () => {
    const own = { ...limits, memoryBytesMax: 512e6, resultBytesMax: 256e6 }
    const wide = await open({ limits: own })
    const countOf = async (sql: string): Promise<number> => {
      const { batches } = await wide.query(sql)
      let rows = 0
      for await (const batch of batches) rows += batch.length
      return rows
    }
    const many = "SELECT repeat('x', 100000) || i::VARCHAR FROM range(2500) t(i)"
    expect(await countOf(many)).toBe(2500)
    // What was sent is given back, or its process is replaced.
    if (process.platform === 'linux') {
      await eventually(async () => {
        const room = await Promise.all(
          (await queryProcesses()).map((pid) => hasGivenBack(pid, own)),
        )
        return !room.includes(false)
      })
    }
    const few = "SELECT repeat('x', 120000000) || i::VARCHAR FROM range(2) t(i)"
    expect(await countOf(few)).toBe(2)
  })

  it('[S5] have the kernel bound the memory of each process too', async () => {
    const wall = { isNetworkless: engine.isNetworkless, reason: engine.networkReason }
    if (!requireNetworkWall(wall)) return
    await ask('SELECT 1')
    // Other engines' processes end and start meanwhile.
    const limitsOf = (pid: number): Promise<string> =>
      readFile(`/proc/${pid}/limits`, 'utf8').catch(() => '')
    const texts = await Promise.all((await queryProcesses()).map(limitsOf))
    const bytes = texts.map((text) => Number(/Max data size\s+(\d+)/.exec(text)?.[1]))
    expect(bytes).toContain(dataBytesMax(limits))
  })

  it('[S5] let so many queries wait and no more', async () => {
    const own = await open()
    const stop = new AbortController()
    const running = [1, 2, 3, 4].map(() => ask(slowQuery, stop.signal, own))
    const ended = Promise.allSettled(running)
    // Asked after those four, so it comes after them.
    await expect(ask('SELECT 1', undefined, own)).rejects.toThrow('too many queries are waiting')
    stop.abort(new Error('enough'))
    const reasons = (await ended).map((end) =>
      end.status === 'rejected' ? String(end.reason) : '',
    )
    expect(reasons).toEqual(reasons.map(() => expect.stringContaining('cancelled') as string))
    expect(await ask('SELECT 2', undefined, own)).toEqual(['2'])
  })
})

describe('failures', () => {
  it('[S6] cancel a query within a second', async () => {
    const stop = new AbortController()
    const query = ask(slowQuery, stop.signal)
    await systemClock.sleep(200)
    const started = performance.now()
    stop.abort(new Error('by the user'))
    await expect(query).rejects.toThrow('cancelled')
    expect(performance.now() - started).toBeLessThan(endedWithinMs)
    expect(await ask('SELECT 1')).toEqual(['1'])
  })

  it('[S6] cancel a query that is given up before its process is ready for it', async () => {
    const own = await open({ timeoutMs: 2 * endedWithinMs })
    const stop = new AbortController()
    const query = ask(slowQuery, stop.signal, own)
    const started = performance.now()
    stop.abort(new Error('by the user'))
    await expect(query).rejects.toThrow('cancelled')
    expect(performance.now() - started).toBeLessThan(endedWithinMs)
    expect(await ask('SELECT 1', undefined, own)).toEqual(['1'])
  })

  it('[S6] lose only the query whose process crashed', async () => {
    const query = ask(slowQuery)
    const caught = query.catch((error: unknown) => String(error))
    const before = await secondsUsed()
    await eventually(async () => (await secondsUsed()) > before + 0.2)
    for (const pid of await queryProcesses()) process.kill(pid, 'SIGSEGV')
    expect(await caught).toMatch(/the process that ran the query ended.*signal=SIGSEGV/)
    expect(await ask('SELECT count(*) FROM demo.t')).toEqual(['10'])
  })

  it('[S6] leave no process and no folder behind', async () => {
    const others = await queryProcesses()
    const own = await open()
    await ask('SELECT 1', undefined, own)
    const [pid = 0] = (await queryProcesses()).filter((each) => !others.includes(each))
    const directory = dirname(await readlink(`/proc/${pid}/cwd`))
    expect((await readdir(directory)).length).toBeGreaterThan(0)
    await own.close()
    expect((await queryProcesses()).includes(pid)).toBe(false)
    await expect(stat(directory)).rejects.toThrow('ENOENT')
    await expect(ask('SELECT 1', undefined, own)).rejects.toThrow('the server is stopping')
  })

  it('[S6] die with their server, in the middle of a query too', async () => {
    const program = join(repositoryRoot, 'tests/support/query-server-process.ts')
    const parent = spawn(process.execPath, ['--import', 'tsx', program], {
      cwd: repositoryRoot,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(parent.stdout, 'data')
    const queries = await eventually(async () => {
      const children = await childrenOf(parent.pid ?? 0)
      const commands = await Promise.all(
        children.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
      )
      const found = children.filter((_, index) => commands[index]?.includes('sandbox/child'))
      return found.length > 0 && found
    })
    expect(queries.length).toBe(1)
    parent.kill('SIGKILL')
    await once(parent, 'close')
    const isGone = async (): Promise<boolean> => {
      const status = await readFile(`/proc/${queries[0]}/status`, 'utf8').catch(() => 'gone')
      return status === 'gone' || /State:\s+Z/.test(status)
    }
    await eventually(isGone)
  })
})
