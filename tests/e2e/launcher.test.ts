/** bin/tide.mjs, the command that the package names: in a clone, built or not, and in the published package. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative, sep } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../common/index.ts'
import { repositoryRoot } from '../support/services/index.ts'
import { tide } from '../support/tide.ts'

/** Not part of a clone, or linked into it. */
const leftOut = ['node_modules', 'dist', 'coverage', 'target', 'demo-lake', '.git', '.cache']

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

interface Running {
  readonly pid: number
  /** Resolves when stderr holds `text`. */
  logged(text: string): Promise<void>
  readonly ended: Promise<Ended>
}

let base: string
let clone: string
const groups: number[] = []

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'tide-launcher-'))
  clone = join(base, 'clone of it')
  await cp(repositoryRoot, clone, {
    recursive: true,
    filter: (path) => !leftOut.includes(relative(repositoryRoot, path).split(sep)[0] ?? ''),
  })
  await symlink(join(repositoryRoot, 'node_modules'), join(clone, 'node_modules'))
})
afterEach(() => {
  for (const group of groups.splice(0)) {
    try {
      process.kill(-group, 'SIGKILL')
    } catch {
      // All of it has ended already.
    }
  }
})
afterAll(() => rm(base, { recursive: true, force: true }))

function start(directory: string, command: string, args: readonly string[]): Running {
  const stdio = ['ignore', 'pipe', 'pipe'] as const
  // A group of its own, as a job of a shell has.
  const child = spawn(command, args, { cwd: directory, stdio: [...stdio], detached: true })
  groups.push(child.pid ?? 0)
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const ended = once(child, 'close').then(() => ({ code: child.exitCode, stdout, stderr }))
  return {
    pid: child.pid ?? 0,
    ended,
    logged: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (stderr.includes(text)) resolve()
        }
        child.stderr.on('data', look)
        look()
        void ended.then(() => reject(new Error(`ended without "${text}": ${stderr}`)))
      }),
  }
}

async function projectWithRecord(name: string): Promise<string> {
  const project = join(clone, name)
  await tide(['init', project], { directory: clone })
  const input = '{"id":1,"ts":"2026-01-01T00:00:00Z"}\n'
  await tide('topic produce events --create', { directory: project, input })
  return project
}

/** What `stream run` prints at its end: one record, one row, one commit. */
const committed = /^events +web\.events +1 +1 +0 +1 /m

const npx = (directory: string, ...args: readonly string[]): Promise<Ended> =>
  start(directory, 'npx', ['tide', ...args]).ended
const launch = (directory: string, ...args: readonly string[]): Promise<Ended> =>
  start(directory, process.execPath, [join(directory, 'bin', 'tide.mjs'), ...args]).ended

describe('npx tide in a clone', () => {
  it('runs the sources, in the root and in a folder below it', async () => {
    expect(await npx(clone, '--version')).toMatchObject({ code: 0, stderr: '' })
    const { code, stdout } = await npx(join(clone, 'examples', 'shop'), 'stream', 'ls')
    expect(code).toBe(0)
    expect(stdout).toContain('streams/orders.yaml')
  })

  it('hands the exit code and both streams on', async () => {
    const wrong = await npx(clone, 'nonsense')
    expect(wrong).toMatchObject({ code: 2, stdout: '' })
    expect(wrong.stderr).toContain("unknown command 'nonsense'")
  })

  it.each([
    ['SIGTERM', 'npx'],
    ['SIGINT', 'its group'],
  ] as const)('commits what was read at a %s to %s', async (signal, receiver) => {
    const project = await projectWithRecord(`stopped by ${signal}`)
    const run = start(project, 'npx', ['tide', 'stream', 'run'])
    await run.logged('schema.chosen')
    process.kill(receiver === 'npx' ? run.pid : -run.pid, signal)
    // The shell of npx may die of the signal at once; the streams close when the command has ended.
    const { stdout, stderr } = await run.ended
    expect(stdout, stderr).toMatch(committed)
  })
})

describe('the command itself', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('commits at a %s and exits with 0', async (signal) => {
    const project = await projectWithRecord(`ended by ${signal}`)
    const run = start(project, process.execPath, [join(clone, 'bin', 'tide.mjs'), 'stream', 'run'])
    await run.logged('schema.chosen')
    process.kill(run.pid, signal)
    const { code, stdout, stderr } = await run.ended
    expect(code, stderr).toBe(0)
    expect(stdout).toMatch(committed)
  })
})

describe('the launcher', () => {
  const source = (): string => join(clone, 'cli', 'program.ts')
  const atSecond = (path: string, second: number): Promise<void> => utimes(path, second, second)
  /** Later than every file of the copy. */
  const builtSecond = systemClock.now() / 1000 + 3600

  beforeAll(async () => {
    const program = join(clone, 'dist', 'bin', 'tide.js')
    await mkdir(dirname(program), { recursive: true })
    await writeFile(program, "console.log('compiled')\n")
  })

  it('runs the sources while a build has not come to its end', async () => {
    expect((await launch(clone, '--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  it('runs what is built until a source changes; a test is no source', async () => {
    const stamp = join(clone, 'dist', '.built')
    await writeFile(stamp, '')
    await atSecond(stamp, builtSecond)
    expect((await launch(clone, '--version')).stdout).toBe('compiled\n')
    await atSecond(join(clone, 'cli', 'run.test.ts'), builtSecond + 1)
    expect((await launch(clone, '--version')).stdout).toBe('compiled\n')
    await atSecond(source(), builtSecond + 1)
    expect((await launch(clone, '--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  it('takes no tsconfig.json of the folder that it is called in', async () => {
    const strange = join(clone, 'strange')
    await mkdir(strange)
    await writeFile(join(strange, 'tsconfig.json'), 'no JSON')
    expect(await npx(strange, '--version')).toMatchObject({ code: 0, stderr: '' })
  })

  it('needs neither sources nor tsx in the published package', async () => {
    const published = join(base, 'published')
    for (const path of ['bin/tide.mjs', 'dist/bin/tide.js', 'package.json']) {
      await cp(join(clone, path), join(published, path))
    }
    expect(await launch(published)).toEqual({ code: 0, stdout: 'compiled\n', stderr: '' })
  })

  it('says what to do where nothing is installed', async () => {
    const modules = join(clone, 'node_modules')
    await rename(modules, `${modules}-gone`)
    try {
      const { code, stderr } = await launch(clone, '--version')
      expect(code).toBe(1)
      expect(stderr).toBe(
        `error: the dependencies are not installed: run npm install in ${clone}${sep}\n`,
      )
    } finally {
      await rename(`${modules}-gone`, modules)
    }
  })
})
