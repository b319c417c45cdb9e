/** What is published runs: the compiled package, on plain node, without tsx or TypeScript. */
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { repositoryRoot, runCommand } from '../support/services/index.ts'

const manifest = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8')) as {
  readonly version: string
  readonly bin: { readonly tide: string }
  readonly dependencies: Readonly<Record<string, string>>
}

describe('the compiled package', () => {
  let folder: string

  beforeAll(async () => {
    // As installed: dist, package.json and the production dependencies, nothing else of the repository.
    folder = await mkdtemp(join(tmpdir(), 'tidewater-build-'))
    const tsc = join(repositoryRoot, 'node_modules', 'typescript', 'bin', 'tsc')
    const outDir = join(folder, 'dist')
    await runCommand(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', outDir], {
      cwd: repositoryRoot,
    })
    await writeFile(join(folder, 'package.json'), JSON.stringify({ ...manifest }))
    await symlink(join(repositoryRoot, 'node_modules'), join(folder, 'node_modules'))
  })
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  const tide = (...args: readonly string[]): Promise<string> =>
    runCommand(process.execPath, [join(folder, manifest.bin.tide), ...args], { cwd: folder })

  it('prints its version and its commands', async () => {
    expect(await tide('--version')).toBe(`${manifest.version}\n`)
    expect(await tide('--help')).toContain('stream')
  })

  it('makes a new project', async () => {
    const project = join(folder, 'project')
    await mkdir(project)
    await tide('init', project)
    expect(await readdir(project)).toEqual(expect.arrayContaining(['tidewater.yaml', 'streams']))
  })

  it('is a library too', async () => {
    const script = join(folder, 'use.mjs')
    await writeFile(
      script,
      "import * as lake from './dist/app/index.js'\nconsole.log(Object.keys(lake).sort().join(' '))\n",
    )
    const exported = await runCommand(process.execPath, [script], { cwd: folder })
    expect(exported).toContain('openLake')
  })
})
