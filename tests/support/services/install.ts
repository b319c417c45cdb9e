/**
 * Puts a test service on this machine once, atomically: everything is made in a temporary folder that
 * is renamed into place at the end, so that a folder under its final name is always complete. A lock
 * file only saves the second of two processes from building the same thing; if its holder died, or if
 * both build after all, the rename still lets exactly one result stand.
 */
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { systemClock } from '../../../common/index.ts'
import { isRunning } from './background-process.ts'
import { servicesCache } from './paths.ts'

const lockPollMs = 500
const commandOutputCharsMax = 4_000

export interface Installation {
  readonly name: string
  /** Part of the folder's name: another version never finds this one's files. */
  readonly version: string
  /** Fills the empty folder; may throw, and then nothing remains. */
  readonly build: (folder: string) => Promise<void>
  /** Where installations lie; the shared cache if absent. */
  readonly cache?: string
}

/** The folder with the finished installation, built now if it is not there. */
export async function installOnce(installation: Installation): Promise<string> {
  const cache = installation.cache ?? servicesCache
  const target = join(cache, `${installation.name}-${installation.version}`)
  if (await exists(target)) return target
  await mkdir(cache, { recursive: true })
  const lockFile = `${target}.lock`
  while (!(await takeLock(lockFile))) {
    await systemClock.sleep(lockPollMs)
    if (await exists(target)) return target
  }
  try {
    if (await exists(target)) return target
    await buildAndRename(installation, target)
    return target
  } finally {
    await rm(lockFile, { force: true })
  }
}

/** True when this version needs no download or build any more. */
export async function isInstalled(name: string, version: string): Promise<boolean> {
  return exists(join(servicesCache, `${name}-${version}`))
}

async function buildAndRename(installation: Installation, target: string): Promise<void> {
  const startedMs = systemClock.monotonic()
  const label = `${installation.name} ${installation.version}`
  process.stderr.write(`installing ${label} for tests ...\n`)
  const temporary = await mkdtemp(join(dirname(target), `tmp-${installation.name}-`))
  try {
    await installation.build(temporary)
    await writeFile(join(temporary, '.complete'), `${installation.version}\n`)
    // Without the marker, whatever stands under the final name was not made here.
    if (!(await exists(target))) await rm(target, { recursive: true, force: true })
    await rename(temporary, target).catch(async (error: NodeJS.ErrnoException) => {
      const lostTheRace = error.code === 'ENOTEMPTY' || error.code === 'EEXIST'
      if (!lostTheRace || !(await exists(target))) throw error
    })
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
  const seconds = ((systemClock.monotonic() - startedMs) / 1000).toFixed(1)
  process.stderr.write(`installed ${label} in ${seconds} s\n`)
}

async function takeLock(lockFile: string): Promise<boolean> {
  try {
    const handle = await open(lockFile, 'wx')
    await handle.writeFile(String(process.pid))
    await handle.close()
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const holder = Number(await readFile(lockFile, 'utf8').catch(() => ''))
  // An empty file is a holder between its two calls; a dead one will never unlock.
  if (holder > 0 && !isRunning(holder)) await rm(lockFile, { force: true })
  return false
}

async function exists(folder: string): Promise<boolean> {
  return stat(join(folder, '.complete')).then(
    () => true,
    () => false,
  )
}

export interface CommandOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly input?: string
}

/** Runs a command to its end; its output is the result, or part of the error. */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
  child.stdin.on('error', () => undefined) // The child may end without reading its input.
  child.stdin.end(options.input ?? '')
  const status = await new Promise<number | string>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'unknown'))
  })
  const output = Buffer.concat(stdout).toString('utf8')
  if (status === 0) return output
  const complaint = `${Buffer.concat(stderr).toString('utf8')}${output}`.slice(
    -commandOutputCharsMax,
  )
  throw new Error(`command failed: command=${command} status=${status} output=${complaint}`)
}
