/** `tide serve` and `tide sql --server` as processes: the same answers as `tide sql` over the lake. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LocalFileIO } from '../../io/index.ts'
import { openSqlLake, type SqlLake } from '../support/sql-lake.ts'
import { spawnTide, tide } from '../support/tide.ts'

let directory: string
let lake: SqlLake
let server: ChildProcess
let uri: string
let log = ''

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tide-serve-'))
  const warehouse = `file://${directory}/a [lake]`
  lake = await openSqlLake({ io: new LocalFileIO(), warehouse })
  await lake.create('web.events', [
    'id long',
    'kind string',
    'at timestamptz',
    'price decimal(9,2)',
  ])
  await lake.append(
    'web.events',
    `SELECT 9007199254740990 + i AS id, ['a', 'b', NULL][1 + i % 3] AS kind,
      TIMESTAMPTZ '2026-01-01 00:00:00+00' + INTERVAL (i) HOUR AS at, (i * 1.1)::DECIMAL(9,2) AS price
     FROM range(9) r(i)`,
  )
  const settings = [
    'catalog:',
    `  warehouse: "${directory}/a [lake]"`,
    'server:',
    '  port: 0',
    '  token: tide-test',
    'sql: { cache: { directory: cache } }',
  ]
  await writeFile(join(directory, 'tidewater.yaml'), `${settings.join('\n')}\n`)
  const config = join(directory, 'tidewater.yaml')
  server = spawnTide(['--config', config, 'serve'], { directory })
  server.stderr?.setEncoding('utf8').on('data', (text: string) => {
    log += text
  })
  const [first] = (await once(server.stdout ?? server, 'data')) as [Buffer]
  uri = first.toString().trim()
})
afterAll(async () => {
  if (server?.exitCode === null) {
    server.kill('SIGTERM')
    await once(server, 'close')
  }
  await lake?.close()
  await rm(directory, { recursive: true, force: true })
})

async function remote(...args: readonly string[]): ReturnType<typeof tide> {
  return tide(['sql', '--server', uri, '--token', 'tide-test', ...args], { directory })
}

describe('tide sql --server', () => {
  const sql = "SELECT * FROM web.events WHERE kind = 'a' ORDER BY id"

  it('says in the log which wall stands', () => {
    expect(log).toContain('query.sandbox')
    expect(log).toContain('server.started')
  })

  it.each(['--json', '--jsonlines', '--csv', '--markdown', '--line'])(
    'prints what tide sql prints: %s',
    async (mode) => {
      const there = await remote('-c', sql, mode)
      const here = await tide(['sql', '-c', sql, mode], { directory })
      expect(there).toEqual(here)
      expect(there.stdout).toContain('9007199254740993')
    },
  )

  it('shows the box with types, and a footer with the snapshot', async () => {
    const { code, stdout } = await remote('-c', sql)
    expect(code).toBe(0)
    expect(stdout).toContain('decimal(9,2)')
    const { metadata } = await lake.load('web.events')
    const snapshot = metadata.refs['main']?.snapshotId
    expect(stdout).toMatch(new RegExp(`3 rows · web\\.events@${snapshot} 1 of 1 files .* s\n$`))
  })

  it('remembers the namespace, lists tables, and goes on after a mistake', async () => {
    const script = 'USE web; SELECT nope FROM events; SELECT count(*) AS n FROM events'
    const { code, stderr, stdout } = await remote('--csv', '-c', script)
    expect([code, stdout]).toEqual([1, 'n\n9\n'])
    expect(stderr).toContain('line 1: SELECT nope FROM events')
    const shown = await tide(['sql', '--server', uri, '--token', 'tide-test'], {
      directory,
      input: '.tables\n.schema web.events\n',
    })
    expect(shown.stdout).toContain('web.events')
    expect(shown.stdout).toContain('price')
  })

  it('[Q16] refuses CALL before and behind the port, and names the way', async () => {
    const sql = "CALL system.rewrite_data_files('web.events')"
    const way = "run it with tide sql -c 'CALL system.rewrite_data_files(...)' on the lake itself"
    const asked = await remote('-c', sql)
    expect([asked.code, asked.stderr]).toEqual([1, expect.stringContaining(way)])
    const response = await fetch(`${uri}/query`, {
      method: 'POST',
      headers: { authorization: 'Bearer tide-test' },
      body: sql,
    })
    expect([response.status, await response.text()]).toEqual([400, expect.stringContaining(way)])
  })

  it('says what is wrong with the address or the token', async () => {
    const bare = await tide(['sql', '--server', uri, '-c', 'SELECT 1'], { directory })
    expect([bare.code, bare.stderr]).toEqual([1, expect.stringContaining('bearer token')])
    const environment = { TIDEWATER_SERVER__TOKEN: 'tide-test' }
    const named = await tide(['sql', '--server', uri, '-c', 'SELECT 1'], { directory, environment })
    expect(named.code).toBe(0)
    const wrong = await tide(['sql', '--server', 'localhost', '-c', 'SELECT 1'], { directory })
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('http://host:port')])
  })

  it('binds parameters in the process of the query', async () => {
    const ask = async (kind: string): Promise<string> => {
      const search = new URLSearchParams({
        query: 'SELECT count(*) FROM web.events WHERE kind = {kind:String} AND id > {least:Int64}',
        param_kind: kind,
        param_least: '9007199254740992',
        default_format: 'TSV',
      })
      const headers = { authorization: 'Bearer tide-test' }
      return (await fetch(`${uri}/query?${search}`, { headers })).text()
    }
    expect(await ask('a')).toBe('2\n')
    expect(await ask("a' OR true --")).toBe('0\n')
  })

  it('ends with its server, which leaves in order', async () => {
    server.kill('SIGTERM')
    const [code] = (await once(server, 'close')) as [number]
    expect(code).toBe(0)
    const { stderr } = await remote('-c', 'SELECT 1')
    expect(stderr).toContain('cannot reach the server')
  })
})
