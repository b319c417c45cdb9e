/**
 * One appending process per partition at a time, on one host or on several that share the directory.
 *
 * Lock files are numbered and the highest number holds the lock. A holder is replaced by creating the next
 * number, which only one process can do; removing the old holder's file instead would let two processes each
 * remove the other's new lock. A holder whose process id we can see is replaced when it is dead. One in another
 * container or on another host touches its file every few seconds, and is replaced when it has not for long: it may
 * only be paused, so it asks `requireHeld` before it acknowledges anything.
 */
import { access, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { UnavailableError, hasCode, startBeat } from '../../../common/index.ts'
import { createFile } from './log-layout.ts'
import { type ProcessPlace, isAlive, sharesProcessIds, thisProcess } from './process-place.ts'

export interface WriterLock {
  /** The holder before us was not seen to be dead: it may wake up and write to files that it has open. */
  readonly mayHaveRival: boolean
  /** Throws UnavailableError when another process has taken the lock over. */
  requireHeld(): Promise<void>
  release(): Promise<void>
}

export interface WriterLockOptions {
  readonly place?: ProcessPlace
  /** How often a holder shows that it lives. */
  readonly beatMs?: number
  /** A holder in another place that has not shown it for so long is replaced. */
  readonly staleMs?: number
}

type Holder = Partial<ProcessPlace> & { readonly released?: true }

const beatMsDefault = 3_000
const staleMsDefault = 15_000

/** Throws UnavailableError while another process appends. */
export async function acquireWriterLock(
  directory: string,
  options: WriterLockOptions = {},
): Promise<WriterLock> {
  const { beatMs = beatMsDefault, staleMs = staleMsDefault } = options
  const me = options.place ?? (await thisProcess())
  const highest = (await lockNumbers(directory)).at(-1) ?? 0
  const before =
    highest === 0 ? 'gone' : await checkHolder(lockFile(directory, highest), me, staleMs)
  const mine = highest + 1
  const file = lockFile(directory, mine)
  const text = JSON.stringify(me)
  if (!(await createFile(file, text))) throw busy(file, await readHolder(file))
  const numbers = await lockNumbers(directory)
  if ((numbers.at(-1) ?? 0) > mine) {
    await rm(file, { force: true })
    throw busy(directory, undefined)
  }
  for (const older of numbers.filter((number) => number < mine)) {
    await rm(lockFile(directory, older), { force: true })
  }
  // Opened again each time, because a shared disk may show others what was written only after the file was closed.
  const stopBeat = startBeat(beatMs, () => writeFile(file, text, { flag: 'r+' }))
  return {
    mayHaveRival: before === 'silent',
    requireHeld: async () => {
      // The next holder creates the next number, and only then removes ours.
      if ((await exists(lockFile(directory, mine + 1))) || !(await exists(file))) {
        throw lost(file)
      }
    },
    // The file stays, so that numbers never go back.
    release: async () => {
      await stopBeat()
      try {
        await writeFile(file, JSON.stringify({ ...me, released: true }), { flag: 'r+' })
      } catch (error) {
        // The topic was deleted while we held it, or another process took over; or the disk cannot be written.
        if (!hasCode(error, 'ENOENT', 'EROFS', 'ENOSPC')) throw error
      }
    },
  }
}

/** `gone`: it released the lock or is dead. `silent`: it has not shown for long that it lives. Throws while it may. */
async function checkHolder(
  file: string,
  me: ProcessPlace,
  staleMs: number,
): Promise<'gone' | 'silent'> {
  const holder = await readHolder(file)
  if (holder === undefined) return 'gone'
  const theirs = { ...me, ...holder }
  if (sharesProcessIds(me, theirs)) {
    if (await isAlive(theirs)) throw busy(file, holder)
    return 'gone'
  }
  const silentMs = await ageOf(file)
  if (silentMs < staleMs) throw busyElsewhere(file, holder, silentMs, staleMs)
  return 'silent'
}

/** By the clock of the disk, which may not be ours. */
async function ageOf(file: string): Promise<number> {
  const probe = `${file}.${randomUUID()}.tmp`
  try {
    await writeFile(probe, 'now')
    return (await stat(probe)).mtimeMs - (await stat(file)).mtimeMs
  } catch (error) {
    // Its holder went between the two looks.
    if (hasCode(error, 'ENOENT')) return Number.POSITIVE_INFINITY
    throw error
  } finally {
    await rm(probe, { force: true })
  }
}

function busy(file: string, holder: Holder | undefined): UnavailableError {
  return new UnavailableError(
    'another process appends to this partition of the embedded log; stop it or wait for it',
    { facts: { file, pid: holder?.pid, host: holder?.host } },
  )
}

function busyElsewhere(
  file: string,
  { pid, host }: Holder,
  silentMs: number,
  staleMs: number,
): UnavailableError {
  return new UnavailableError(
    'another process appends to this partition of the embedded log, in another container or on another host; stop it, or, when it has crashed, try again after staleMs without a sign of life',
    { facts: { file, pid, host, silentMs: Math.max(0, Math.round(silentMs)), staleMs } },
  )
}

function lost(file: string): UnavailableError {
  return new UnavailableError(
    'another process took this partition of the embedded log over while this one was silent; nothing was acknowledged since',
    { facts: { file } },
  )
}

async function readHolder(file: string): Promise<Holder | undefined> {
  try {
    const holder = JSON.parse(await readFile(file, 'utf8')) as Holder
    return holder.released === true ? undefined : holder
  } catch {
    // Missing, or cut short by a power failure: its holder cannot be alive.
    return undefined
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file)
    return true
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false
    throw error
  }
}

function lockFile(directory: string, number: number): string {
  return join(directory, `writer-${String(number)}.lock`)
}

async function lockNumbers(directory: string): Promise<number[]> {
  const names = await readdir(directory)
  return names
    .flatMap((name) => /^writer-(\d+)\.lock$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((left, right) => left - right)
}
