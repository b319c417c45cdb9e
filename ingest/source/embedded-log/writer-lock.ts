/**
 * One appending process per partition at a time, on one host.
 *
 * Lock files are numbered and the highest number holds the lock. A dead holder is replaced by creating the next
 * number, which only one process can do; removing the dead holder's file instead would let two processes each
 * remove the other's new lock.
 */
import { readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { UnavailableError, hasCode } from '../../../common/index.ts'
import { createFile } from './log-layout.ts'

export interface WriterLock {
  release(): Promise<void>
}

interface Holder {
  readonly pid: number
  /** Tells a later process with the same pid apart, where the system says when a process began. */
  readonly startedAt: string
  readonly released?: true
}

/** Throws UnavailableError while another process appends. */
export async function acquireWriterLock(directory: string): Promise<WriterLock> {
  const me: Holder = { pid: process.pid, startedAt: await processStart(process.pid) }
  const highest = (await lockNumbers(directory)).at(-1) ?? 0
  if (highest > 0) await refuseLiveHolder(lockFile(directory, highest))
  const mine = highest + 1
  const file = lockFile(directory, mine)
  if (!(await createFile(file, JSON.stringify(me)))) await refuseLiveHolder(file, true)
  const numbers = await lockNumbers(directory)
  if ((numbers.at(-1) ?? 0) > mine) {
    await rm(file, { force: true })
    throw busy(directory, undefined)
  }
  for (const older of numbers.filter((number) => number < mine)) {
    await rm(lockFile(directory, older), { force: true })
  }
  return {
    // The file stays, so that numbers never go back.
    release: async () => {
      try {
        await writeFile(file, JSON.stringify({ ...me, released: true }), { flag: 'r+' })
      } catch (error) {
        // The topic was deleted while we held it.
        if (!hasCode(error, 'ENOENT')) throw error
      }
    },
  }
}

async function refuseLiveHolder(file: string, always = false): Promise<void> {
  const holder = await readHolder(file)
  if (holder === undefined && !always) return
  if (always || (holder !== undefined && (await isAlive(holder)))) throw busy(file, holder?.pid)
}

function busy(file: string, pid: number | undefined): UnavailableError {
  return new UnavailableError(
    'another process appends to this partition of the embedded log; stop it or wait for it',
    { facts: { file, pid } },
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

async function isAlive(holder: Holder): Promise<boolean> {
  try {
    process.kill(holder.pid, 0)
  } catch (error) {
    if (hasCode(error, 'ESRCH')) return false
  }
  return (await processStart(holder.pid)) === holder.startedAt
}

/** Field 22 of /proc/<pid>/stat; empty where there is no /proc, and then the pid alone decides. */
async function processStart(pid: number): Promise<string> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
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
