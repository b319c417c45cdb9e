/** What we build on is pinned to exact versions, everywhere, and installs nothing of its own making. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isProductFolder, readSources } from '../support/import-graph.ts'
import { repositoryRoot } from '../support/services/paths.ts'

interface Manifest {
  readonly engines: { readonly node: string }
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly overrides?: Readonly<Record<string, string>>
}

interface LockedPackage {
  readonly version?: string
  readonly integrity?: string
  readonly resolved?: string
  readonly link?: boolean
  readonly hasInstallScript?: boolean
  readonly optional?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly engines?: { readonly node?: string }
}

const exact = /^\d+\.\d+\.\d+(?:-[\w.]+)?$/

/** Packages whose install script was read: they check or place a binary that npm itself delivered. */
const knownInstallScripts = ['esbuild', 'fsevents']

const manifest = readJson('package.json') as Manifest
const lock = readJson('package-lock.json') as {
  readonly packages: Readonly<Record<string, LockedPackage>>
}
const locked = Object.entries(lock.packages).filter(([path]) => path !== '')

describe('dependencies', () => {
  it('are pinned to exact versions in package.json', () => {
    const all = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.overrides }
    const loose = Object.entries(all).filter(([, version]) => !exact.test(version))
    expect(Object.keys(all).length).toBeGreaterThan(20)
    expect(loose).toEqual([])
  })

  it('are locked with an integrity hash', () => {
    const open = locked.filter(([, each]) => each.link !== true && each.integrity === undefined)
    expect(open.map(([path]) => path)).toEqual([])
  })

  it('agree between package.json and the lock', () => {
    const direct = { ...manifest.dependencies, ...manifest.devDependencies }
    const different = Object.entries(direct).filter(
      ([name, version]) => lock.packages[`node_modules/${name}`]?.version !== version,
    )
    expect(different).toEqual([])
  })

  it('are locked for every platform, so that `npm ci` works on each', () => {
    const missing = locked.flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies)
        .filter((name) => lockedPathOf(name, path) === undefined)
        .map((name) => `${path} -> ${name}`),
    )
    expect(missing).toEqual([])
    // The rule looks at something: the packages with a binary for each platform.
    const platforms = locked.filter(([, each]) => each.optional === true)
    expect(platforms.length).toBeGreaterThan(100)
  })

  it('are locked without the address of a registry', () => {
    const bound = locked.filter(([, each]) => each.resolved !== undefined)
    expect(bound.map(([path]) => path)).toEqual([])
  })

  it('of the package are each imported by product code', () => {
    const imported = new Set(
      readSources()
        .filter((source) => isProductFolder(source.topFolder) && !source.isTest)
        .flatMap((source) => source.imports.map(({ packageName }) => packageName)),
    )
    const idle = Object.keys(manifest.dependencies).filter((name) => !imported.has(name))
    expect(idle).toEqual([])
  })

  it('run no unknown script while they are installed', () => {
    const scripts = locked
      .filter(([, each]) => each.hasInstallScript === true)
      .map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length))
    expect(scripts.filter((name) => !knownInstallScripts.includes(name))).toEqual([])
  })

  it('are pinned in the Python environment of the tests too', () => {
    const file = 'tests/support/services/python-requirements.txt'
    const lines = readFileSync(join(repositoryRoot, file), 'utf8').trim().split('\n')
    expect(lines.filter((line) => !/^[\w.-]+==\d[\w.]*$/.test(line))).toEqual([])
    expect(lines).toContain(`duckdb==${manifest.dependencies['@duckdb/node-api']?.split('-')[0]}`)
  })
})

describe('the least Node', () => {
  const floor = /^>=((\d+\.\d+)\.\d+)$/.exec(manifest.engines.node)

  it('is enough for every locked package', () => {
    const [major, minor, patch] = (floor?.[1] ?? '').split('.').map(Number)
    expect([major, minor, patch]).not.toContain(undefined)
    // Of `^20.19.0 || >=22` the part that is about our major, or an open one below it.
    const least = (range: string): readonly number[] =>
      range
        .split('||')
        .map((part) => (/(\d+)(?:\.(\d+))?(?:\.(\d+))?/.exec(part) ?? []).slice(1))
        .map((numbers) => numbers.map((each) => Number(each ?? 0)))
        .filter(([first = 0]) => first <= (major ?? 0))
        .at(-1) ?? [Infinity]
    const wanting = locked.filter(([, { engines }]) => {
      const [first = 0, second = 0, third = 0] = least(engines?.node ?? '0')
      if (first !== major) return first > (major ?? 0)
      return second > (minor ?? 0) || (second === minor && third > (patch ?? 0))
    })
    expect(wanting.map(([path, { engines }]) => `${path}: ${engines?.node}`)).toEqual([])
  })

  it('is the same everywhere', () => {
    const [, exactly = '', short = ''] = floor ?? []
    const text = (name: string): string => readFileSync(join(repositoryRoot, name), 'utf8')
    expect(text('app/doctor.ts')).toContain(`nodeFloor = [${exactly.replaceAll('.', ', ')}]`)
    expect(text('docs/adr/0004-node-floor.md')).toContain(`engines: >=${exactly}`)
    for (const name of ['README.md', 'CONTRIBUTING.md', 'scripts/with-dependencies.mjs']) {
      expect(text(name), name).toContain(`Node ${short} or newer`)
    }
  })
})

/** Where Node looks for a package that the package at `from` asks for: beside it, then further up. */
function lockedPathOf(name: string, from: string): string | undefined {
  for (let folder = from; ; folder = folder.slice(0, folder.lastIndexOf('node_modules/'))) {
    const path = `${folder === '' || folder.endsWith('/') ? folder : `${folder}/`}node_modules/${name}`
    if (lock.packages[path] !== undefined) return path
    if (folder === '') return undefined
  }
}

function readJson(name: string): unknown {
  return JSON.parse(readFileSync(join(repositoryRoot, name), 'utf8'))
}
