/**
 * Where a process runs, so that another can tell whether it would see it: a process id says something only within one
 * pid namespace of one boot of one machine. Two containers share a directory, but not their process ids.
 */
import { readFile, readlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { hasCode } from '../../../common/index.ts'

export interface ProcessPlace {
  readonly pid: number
  /** Tells a later process with the same pid apart, where the system says when a process began. */
  readonly startedAt: string
  readonly host: string
  /** Empty where the system has none. */
  readonly bootId: string
  /** Empty where the system has none, or does not tell. */
  readonly pidNamespace: string
}

export async function thisProcess(): Promise<ProcessPlace> {
  return {
    pid: process.pid,
    startedAt: await processStart(process.pid),
    host: hostname(),
    bootId: (await textOf(() => readFile('/proc/sys/kernel/random/boot_id', 'utf8'))).trim(),
    pidNamespace: await textOf(() => readlink('/proc/self/ns/pid')),
  }
}

/** True when a process at `theirs` would be visible to one at `mine` by its pid. */
export function sharesProcessIds(mine: ProcessPlace, theirs: ProcessPlace): boolean {
  // Where Linux does not name the namespace, nothing is known.
  const isNamed = mine.pidNamespace !== '' || process.platform !== 'linux'
  return (
    isNamed &&
    mine.host === theirs.host &&
    mine.bootId === theirs.bootId &&
    mine.pidNamespace === theirs.pidNamespace
  )
}

/** Of a process whose ids we share. */
export async function isAlive({ pid, startedAt }: ProcessPlace): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (hasCode(error, 'ESRCH')) return false
  }
  return (await processStart(pid)) === startedAt
}

/** Field 22 of /proc/<pid>/stat; empty where there is no /proc, and then the pid alone decides. */
async function processStart(pid: number): Promise<string> {
  const text = await textOf(() => readFile(`/proc/${pid}/stat`, 'utf8'))
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

async function textOf(read: () => Promise<string>): Promise<string> {
  try {
    return await read()
  } catch {
    return ''
  }
}
