import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openOwnDirectory } from './own-directory.ts'

describe('openOwnDirectory()', () => {
  let parent = ''
  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'own-directory-'))
  })
  afterEach(() => rm(parent, { recursive: true, force: true }))

  it('removes what a dead process left, and nothing of a living one or of another kind', async () => {
    const { pid: dead } = spawnSync(process.execPath, ['--version'])
    const kept = [`work-${process.pid}-a`, `work-${process.ppid}-b`, `other-${dead}-c`, 'work-d']
    for (const name of [...kept, `work-${dead}-e`]) {
      await mkdir(join(parent, name))
      await writeFile(join(parent, name, 'file'), 'x')
    }
    const made = await openOwnDirectory('work', parent)
    expect(made.startsWith(join(parent, `work-${process.pid}-`))).toBe(true)
    expect((await readdir(parent)).map((name) => join(parent, name)).sort()).toEqual(
      [...kept.map((name) => join(parent, name)), made].sort(),
    )
  })

  it('makes the folder around it', async () => {
    const made = await openOwnDirectory('work', join(parent, 'a', 'b'))
    expect(await readdir(made)).toEqual([])
  })
})
