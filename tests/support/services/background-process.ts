/**
 * A service in the background of a test run or of a developer's shell: started with a pid file, its
 * output in a log file, waited for until it answers, ended by pid.
 *
 * A test's service must not outlive its test, however that ends: `setpriv --pdeathsig` (Linux) has the
 * kernel kill it with its owner; elsewhere an exit handler does, and the next start sweeps what a
 * killed run left behind.
 */
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { systemClock } from '../../../common/index.ts'
import { runFolder } from './paths.ts'

const readyPollMs = 100
const stopPollMs = 50
const stopPatienceMs = 30_000
const logTailChars = 3_000

export interface ProcessPlan {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly logFile: string
  /** True once the service answers; thrown errors count as "not yet". */
  readonly isReady: () => Promise<boolean>
  readonly readyWithinMs: number
  /** Removed with the process when a later run finds it orphaned. */
  readonly dataFolder: string
  /** Lives on after the starter exits; the pid file then is `<name>.json`. */
  readonly detached: boolean
}

export interface PidFile {
  readonly name: string
  readonly pid: number
  readonly ownerPid: number
  readonly detached: boolean
  readonly dataFolder: string
  readonly logFile: string
}

export interface BackgroundProcess {
  readonly pid: number
  /** SIGTERM, then patience, then SIGKILL. */
  stop(): Promise<void>
  /** SIGKILL, as a crash. */
  kill(): Promise<void>
}

const ownedPids = new Set<number>()
let exitHandlerInstalled = false

export async function startProcess(plan: ProcessPlan): Promise<BackgroundProcess> {
  await mkdir(runFolder, { recursive: true })
  await mkdir(dirname(plan.logFile), { recursive: true })
  const pid = spawnInto(plan)
  const pidPath = pidFilePath(plan.name, plan.detached ? undefined : pid)
  const record: PidFile = {
    name: plan.name,
    pid,
    ownerPid: process.pid,
    detached: plan.detached,
    dataFolder: plan.dataFolder,
    logFile: plan.logFile,
  }
  await writeFile(pidPath, JSON.stringify(record))
  const forget = async (): Promise<void> => {
    ownedPids.delete(pid)
    await rm(pidPath, { force: true })
  }
  const service: BackgroundProcess = {
    pid,
    stop: async () => {
      await stopPid(pid, 'SIGTERM')
      await forget()
    },
    kill: async () => {
      await stopPid(pid, 'SIGKILL')
      await forget()
    },
  }
  try {
    await waitUntilReady(plan, pid)
  } catch (error) {
    await service.kill()
    throw error
  }
  return service
}

/** Ends what was left by runs that were killed, and removes its data; detached services stay. */
export async function sweepOrphans(): Promise<void> {
  const names = await readdir(runFolder).catch(() => [])
  for (const name of names.filter((each) => each.endsWith('.json'))) {
    const record = await readPidFile(join(runFolder, name))
    if (record === undefined || record.detached || isRunning(record.ownerPid)) continue
    if (isOurs(record)) await stopPid(record.pid, 'SIGKILL')
    await rm(record.dataFolder, { recursive: true, force: true })
    await rm(join(runFolder, name), { force: true })
  }
}

/** The detached service of that name, if its process is alive. */
export async function findDetached(name: string): Promise<PidFile | undefined> {
  const record = await readPidFile(pidFilePath(name, undefined))
  return record !== undefined && isOurs(record) ? record : undefined
}

export async function stopDetached(name: string): Promise<boolean> {
  const record = await findDetached(name)
  if (record !== undefined) await stopPid(record.pid, 'SIGTERM')
  await rm(pidFilePath(name, undefined), { force: true })
  return record !== undefined
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** A loopback port that was free a moment ago. */
export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      server.close(() => resolve(port))
    })
  })
}

function spawnInto(plan: ProcessPlan): number {
  const log = openSync(plan.logFile, 'a')
  try {
    const tied = !plan.detached && hasSetpriv()
    const command = tied ? 'setpriv' : plan.command
    const args = tied ? ['--pdeathsig', 'KILL', plan.command, ...plan.args] : [...plan.args]
    const child = spawn(command, args, {
      env: { ...process.env, ...plan.env },
      stdio: ['ignore', log, log],
      detached: plan.detached,
    })
    child.on('error', () => undefined) // Seen as "ended before it was ready", with the log.
    child.unref()
    const pid = child.pid
    if (pid === undefined) throw new Error(`cannot start: command=${plan.command}`)
    if (!plan.detached) killOnExit(pid)
    return pid
  } finally {
    closeSync(log)
  }
}

async function waitUntilReady(plan: ProcessPlan, pid: number): Promise<void> {
  const startedMs = systemClock.monotonic()
  for (;;) {
    if (!isRunning(pid) || isZombie(pid)) {
      throw new Error(`service ended before it was ready: name=${plan.name} log=${logTail(plan)}`)
    }
    if (await plan.isReady().catch(() => false)) return
    if (systemClock.monotonic() - startedMs > plan.readyWithinMs) {
      throw new Error(`service is not ready in time: name=${plan.name} log=${logTail(plan)}`)
    }
    await systemClock.sleep(readyPollMs)
  }
}

async function stopPid(pid: number, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  const startedMs = systemClock.monotonic()
  signalPid(pid, signal)
  while (isRunning(pid) && !isZombie(pid)) {
    if (systemClock.monotonic() - startedMs > stopPatienceMs) signalPid(pid, 'SIGKILL')
    await systemClock.sleep(stopPollMs)
  }
}

function signalPid(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has already ended.
  }
}

function killOnExit(pid: number): void {
  ownedPids.add(pid)
  if (exitHandlerInstalled) return
  exitHandlerInstalled = true
  process.on('exit', () => {
    for (const owned of ownedPids) signalPid(owned, 'SIGKILL')
  })
}

let setprivAtHand: boolean | undefined
function hasSetpriv(): boolean {
  setprivAtHand ??= spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true']).status === 0
  return setprivAtHand
}

function pidFilePath(name: string, pid: number | undefined): string {
  return join(runFolder, pid === undefined ? `${name}.json` : `${name}-${pid}.json`)
}

async function readPidFile(path: string): Promise<PidFile | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as PidFile
  } catch {
    return undefined
  }
}

/** A pid can be given to a stranger after a restart: the command line must name our data folder or log. */
function isOurs(record: PidFile): boolean {
  if (!isRunning(record.pid) || isZombie(record.pid)) return false
  try {
    return readFileSync(`/proc/${record.pid}/cmdline`, 'utf8').includes(record.dataFolder)
  } catch {
    return process.platform !== 'linux'
  }
}

/** Ended but not yet collected by its parent: to `kill(pid, 0)` it still looks alive. */
function isZombie(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return status.slice(status.lastIndexOf(')') + 2).startsWith('Z')
  } catch {
    return false
  }
}

function logTail(plan: ProcessPlan): string {
  try {
    return readFileSync(plan.logFile, 'utf8').slice(-logTailChars)
  } catch {
    return '(no log)'
  }
}
