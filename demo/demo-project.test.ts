import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadLakeSettings, loadStreamSettings } from '../app/settings/index.ts'
import { createDemoProject, openDemoProject, removeDemoProject } from './demo-project.ts'

let base: string

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'tide-demo-project-'))
})

afterEach(() => rm(base, { recursive: true, force: true }))

describe('createDemoProject()', () => {
  it('writes settings that run reads without complaint', async () => {
    const project = await createDemoProject(join(base, 'demo'), 1000)
    const sources = { environment: {}, overrides: [], directory: base }
    const lake = await loadLakeSettings(project.lakeFile, sources)
    expect(lake.settings.catalog.warehouse).toContain(join(base, 'demo', 'warehouse'))
    const { settings } = await loadStreamSettings(project.streamFile, sources)
    expect(settings.input).toMatchObject({ kind: 'embedded', directory: project.logDirectory })
    expect(settings.output.commitRecordsMax).toBe(50)
  })

  it('removes what an earlier demo left', async () => {
    const project = await createDemoProject(join(base, 'demo'), 1000)
    await writeFile(join(project.directory, 'old'), '')
    await createDemoProject(project.directory, 1000)
    expect(await readdir(project.directory)).not.toContain('old')
  })

  it('leaves a directory of anything else alone', async () => {
    await writeFile(join(base, 'thesis.txt'), 'ten years')
    await expect(createDemoProject(base, 1000)).rejects.toThrow('files that are not of a demo')
    await expect(openDemoProject(base)).rejects.toThrow('the directory holds no demo')
    expect(await readdir(base)).toEqual(['thesis.txt'])
  })
})

describe('removeDemoProject()', () => {
  it('takes everything away, and a missing directory as done', async () => {
    const project = await createDemoProject(join(base, 'demo'), 1000)
    await removeDemoProject(project)
    await removeDemoProject(project)
    expect(await readdir(base)).toEqual([])
  })
})
