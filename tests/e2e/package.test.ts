/**
 * What is published runs: `npm pack`, installed into an empty folder as a user does it, on plain node,
 * without tsx, TypeScript or anything else of this repository.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, sep } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { patience } from '../support/eventually.ts'
import { repositoryRoot, runCommand } from '../support/services/index.ts'
import { lineOf } from '../support/tide.ts'

const manifest = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8')) as {
  readonly version: string
}
const tsc = join(repositoryRoot, 'node_modules', 'typescript', 'bin', 'tsc')
/** Not part of the sources, or made by the build itself. */
const leftOut = ['node_modules', 'dist', 'coverage', 'target', 'demo-lake', '.git', '.cache']
const tarballBytesMax = 4 * 2 ** 20

interface Packed {
  readonly filename: string
  readonly size: number
  readonly files: readonly { readonly path: string }[]
}

let base: string
/** The empty folder that the package is installed into. */
let home: string
let packed: Packed

/** As `npx tide …` typed by a user; what the command says on stderr is npm's too, so it is not kept. */
function tide(directory: string, args: readonly string[], input?: string): Promise<string> {
  const options = { cwd: directory, env: { TIDEWATER_LOG_LEVEL: 'warn' } }
  const stdin = input === undefined ? {} : { input }
  return runCommand('npx', ['--no-install', 'tide', ...args], { ...options, ...stdin })
}

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'tidewater-package-'))
  const sources = join(base, 'sources')
  // A copy, because the build empties dist/, which somebody may be running.
  await cp(repositoryRoot, sources, {
    recursive: true,
    filter: (path) => !leftOut.includes(relative(repositoryRoot, path).split(sep)[0] ?? ''),
  })
  await symlink(join(repositoryRoot, 'node_modules'), join(sources, 'node_modules'))
  const pack = ['pack', '--json', '--silent', '--pack-destination', base]
  packed = packedOf(await runCommand('npm', pack, { cwd: sources }))
  await rm(sources, { recursive: true })
  home = join(base, 'home')
  await mkdir(home)
  await writeFile(join(home, 'package.json'), '{ "name": "home", "private": true }\n')
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']
  await runCommand('npm', ['install', ...quiet, join(base, packed.filename)], { cwd: home })
})

afterAll(async () => {
  await rm(base, { recursive: true, force: true })
})

interface RunningDev {
  readonly uri: Promise<string>
  readonly group: number
  readonly log: () => string
  /** As a terminal does: to every process of the group. Resolves when all have ended. */
  interrupt(): Promise<void>
}

function startDev(cwd: string): RunningDev {
  const args = ['--no-install', 'tide', 'dev', '--port', '0']
  const child: ChildProcess = spawn('npx', args, { cwd, detached: true })
  const closed = once(child, 'close')
  const group = child.pid ?? 0
  let text = ''
  child.stderr?.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  return {
    uri: lineOf(child, /^http:/),
    group,
    log: () => text,
    interrupt: async () => {
      if (child.exitCode === null) process.kill(-group, 'SIGINT')
      await closed
    },
  }
}

async function ask(uri: string, sql: string): Promise<unknown> {
  const answer = await fetch(`${uri}/query`, { method: 'POST', body: sql })
  return ((await answer.json()) as { data?: unknown }).data
}

/** The build prints to the same stream; npm's own answer is the last thing on it. */
function packedOf(output: string): Packed {
  const start = output.search(/^[[{]$/m)
  const answer = JSON.parse(output.slice(start)) as readonly Packed[] | Record<string, Packed>
  const [first] = Object.values(answer)
  if (first === undefined) throw new Error(`npm pack made nothing: ${output}`)
  return first
}

describe('the tarball', () => {
  it('holds the compiled package and nothing else', () => {
    const paths = packed.files.map((file) => file.path)
    expect(paths).toEqual(
      expect.arrayContaining([
        'README.md',
        'LICENSE',
        'bin/tide.mjs',
        'dist/bin/tide.js',
        'dist/app/index.d.ts',
      ]),
    )
    const others = paths.filter((path) => !/^dist\/.*\.(js|d\.ts|parquet)$/.test(path)).sort()
    expect(others).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'bin/tide.mjs', 'package.json'])
    expect(paths.filter((path) => /\.test\.|^dist\/(tests|scripts|bench)\//.test(path))).toEqual([])
    expect(packed.size).toBeLessThan(tarballBytesMax)
  })
})

describe('the installed library', () => {
  it('is imported by its name, and only through its door', async () => {
    await writeFile(
      join(home, 'use.mjs'),
      `import * as lake from 'tidewater'
      console.log(Object.keys(lake).sort().join(' '))
      await import('tidewater/dist/app/index.js').catch((error) => console.log(error.code))\n`,
    )
    const [exported, refused] = (
      await runCommand(process.execPath, ['use.mjs'], { cwd: home })
    ).split('\n')
    // Users hold these names: one that goes needs a line in CHANGELOG.md.
    expect(exported?.split(' ')).toEqual([
      'bucketPolicies',
      'checkInput',
      'checkLake',
      'checkNode',
      'diffReplay',
      'executeReplay',
      'logBounds',
      'openBatchJobs',
      'openCompactor',
      'openLake',
      'openLive',
      'openProducer',
      'openQueryEngine',
      'openServer',
      'openSource',
      'openTopicAdmin',
      'previewReplay',
      'publishBranch',
      'requireSafeStore',
      'runLakeStream',
      'runMaintenance',
      'sampleStream',
      'startDev',
      'streamStatus',
      'tablesOf',
    ])
    expect(refused).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED')
  })

  it('has types that hold without skipLibCheck', async () => {
    await writeFile(
      join(home, 'use.mts'),
      `import { type Lake, openLake } from 'tidewater'
      import { openLive, openServer, runLakeStream } from 'tidewater'
      import type { LakeStreamOptions, ServerLayers, StreamRunResult } from 'tidewater'
      export const layers: Parameters<typeof openServer>[3] = {} as ServerLayers
      export const shown: LakeStreamOptions['live'] = {} as Awaited<ReturnType<typeof openLive>>
      export const ran: ReturnType<typeof runLakeStream> = Promise.resolve({} as StreamRunResult)
      export const open: (...args: Parameters<typeof openLake>) => Promise<Lake> = openLake
      // @ts-expect-error: what has no types would be any, and this no error
      export const wrong: number = openLake\n`,
    )
    const types = ['--types', 'node', '--typeRoots', join(repositoryRoot, 'node_modules', '@types')]
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', ...types]
    await runCommand(process.execPath, [tsc, ...options, 'use.mts'], { cwd: home })
  })
})

describe('the installed command', () => {
  let shop: string

  beforeAll(async () => {
    await tide(home, ['init', 'shop'])
    shop = join(home, 'shop')
  })

  it('prints its version and its commands', async () => {
    expect(await tide(home, ['--version'])).toBe(`${manifest.version}\n`)
    expect(await tide(home, ['--help'])).toContain('stream')
  })

  it('takes records from a log into a table and answers over it', async () => {
    expect(await readdir(shop)).toEqual(expect.arrayContaining(['tidewater.yaml', 'streams']))
    await tide(shop, ['stream', 'lint'])
    const orders = Array.from({ length: 500 }, (_, id) => `{"id":${id},"amount":${id % 7}}\n`)
    await tide(shop, ['topic', 'produce', 'events', '--create'], orders.join(''))
    await tide(shop, ['stream', 'run', 'streams/events.yaml', '--until', 'latest'])
    const sql = 'SELECT count(*) AS orders, sum(amount) AS amount FROM web.events'
    const amount = Array.from({ length: 500 }, (_, id) => id % 7).reduce((sum, one) => sum + one)
    const rows = JSON.parse(await tide(shop, ['sql', '-json', '-c', sql])) as readonly object[]
    expect(rows).toHaveLength(1)
    expect(Object.values(rows[0] ?? {}).map(Number)).toEqual([500, amount])
  })

  it('runs a whole project in one process until Ctrl-C: npx tide dev', async () => {
    await tide(home, ['init', 'whole'])
    const project = join(home, 'whole')
    const dev = startDev(project)
    try {
      const uri = await dev.uri
      // Parsed and run by the compiled child, behind its walls.
      expect(await ask(uri, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
      const events = Array.from({ length: 300 }, (_, id) => `{"id":${id}}\n`)
      await tide(project, ['topic', 'produce', 'events', '--create'], events.join(''))
      const counted = 'SELECT count(*) AS n, sum(id) AS total FROM web.events'
      await expect.poll(() => ask(uri, counted), patience).toEqual([{ n: 300, total: 44_850 }])
      const model = 'SELECT sum(events) AS n FROM models.events_per_minute'
      await expect.poll(() => ask(uri, model), patience).toEqual([{ n: 300 }])
      const shown = await tide(project, ['sql', '--server', uri, '-json', '-c', counted])
      expect(JSON.parse(shown)).toEqual([{ n: 300, total: 44_850 }])
    } finally {
      await dev.interrupt()
    }
    expect(dev.log()).not.toContain('"level":"error"')
    expect(dev.log()).toContain('committing what was read')
    // Nothing of it is left: neither the port nor a child.
    expect(() => process.kill(-dev.group, 0)).toThrow('ESRCH')
  })

  it('plays its demo with the flights that it brings along', async () => {
    const output = await tide(shop, ['demo'])
    expect(output).toContain('every twelfth of 3,000,000 flights')
    // As many as the code believes: the build wrote the whole selection.
    expect(output).toContain('225,000 produced, 225,000 in the log')
    expect(output).toContain('counts 250,000 of 250,000 flights')
    expect(output).not.toContain('FAIL')
    expect((await stat(join(shop, 'demo-lake'))).isDirectory()).toBe(true)
  })
})
