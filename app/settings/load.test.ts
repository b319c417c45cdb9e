import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findLakeFile, loadLakeSettings, withEnvFile } from './load.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tide-settings-'))
  await mkdir(join(directory, 'streams'))
})
afterEach(() => rm(directory, { recursive: true }))

describe('load', () => {
  it('findLakeFile() looks here, then above the streams', async () => {
    expect(findLakeFile(directory, undefined)).toBeUndefined()
    await writeFile(join(directory, 'tidewater.yaml'), '')
    expect(findLakeFile(directory, undefined)).toBe('tidewater.yaml')
    expect(findLakeFile(directory, 'other.yaml')).toBe('other.yaml')
    const elsewhere = findLakeFile(tmpdir(), undefined, [join(directory, 'streams', 'a.yaml')])
    expect(elsewhere?.endsWith('tidewater.yaml')).toBe(true)
  })

  it('loadLakeSettings() refuses a typo in the environment', async () => {
    const environment = { TIDEWATER_CATALOG__WAREHUOSE: 's3://b' }
    const sources = { environment, overrides: [], directory }
    await expect(loadLakeSettings(undefined, sources)).rejects.toThrow(
      'unknown environment variable TIDEWATER_CATALOG__WAREHUOSE, did you mean TIDEWATER_CATALOG__WAREHOUSE',
    )
  })

  it('loadLakeSettings() names a missing file', async () => {
    const sources = { environment: {}, overrides: [], directory }
    await expect(loadLakeSettings('nope.yaml', sources)).rejects.toThrow(
      'cannot read nope.yaml: no such file',
    )
  })

  it('withEnvFile() adds names and keeps those already set', async () => {
    await writeFile(join(directory, '.env'), 'A=1\nB="two words"\n# comment\n')
    expect(await withEnvFile({ A: 'kept' }, '.env', directory)).toEqual({
      A: 'kept',
      B: 'two words',
    })
  })
})
