/**
 * A local folder whose name says which process it belongs to. What lies in one is a cache or half-done
 * work, worthless after a crash, so the process that makes the next one removes what dead processes left.
 */
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isRunning } from './file-system.ts'

/** Makes `<prefix>-<pid>-…` in `parent`, which is made when it is missing. The caller removes it. */
export async function openOwnDirectory(prefix: string, parent = tmpdir()): Promise<string> {
  await mkdir(parent, { recursive: true })
  for (const name of await readdir(parent)) {
    if (!name.startsWith(`${prefix}-`)) continue
    const pid = Number(/^(\d+)-/.exec(name.slice(prefix.length + 1))?.[1] ?? process.pid)
    if (pid === process.pid || isRunning(pid)) continue
    // Another user's, perhaps: it is not ours to remove then.
    await rm(join(parent, name), { recursive: true, force: true }).catch(() => undefined)
  }
  return mkdtemp(join(parent, `${prefix}-${process.pid}-`))
}
