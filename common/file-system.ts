/** What the parts that keep files of their own need of the operating system beside `node:fs`. */
import { open } from 'node:fs/promises'

/** True when `error` is one of the file system or the network with one of these codes. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code))
}

/** Makes created, renamed and removed names in a directory survive a power cut. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** True while this machine has a process with this id, of any user. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: the process is there, but belongs to another user.
    return hasCode(error, 'EPERM')
  }
}
