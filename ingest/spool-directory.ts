/**
 * A local folder for one run's spool files. They are a cache of the log: after a crash they are
 * worthless, so the next run removes what dead processes left behind.
 */
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const prefix = 'tidewater-spool-'

export async function openSpoolDirectory(parent = tmpdir()): Promise<string> {
  await mkdir(parent, { recursive: true })
  for (const name of await readdir(parent)) {
    const pid = /^tidewater-spool-(\d+)-/.exec(name)?.[1]
    if (pid !== undefined && !isAlive(Number(pid))) {
      await rm(join(parent, name), { recursive: true, force: true })
    }
  }
  return mkdtemp(join(parent, `${prefix}${process.pid}-`))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it lives, but is another user's.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
