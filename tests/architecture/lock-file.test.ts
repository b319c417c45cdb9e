/**
 * `npm ci` refuses a lock file that leaves out packages of other platforms, which is what npm writes
 * when a registry does not serve them: then no fresh clone can be installed.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { repositoryRoot } from '../support/services/paths.ts'

interface LockedPackage {
  readonly version?: string
  readonly resolved?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const { packages } = JSON.parse(
  readFileSync(join(repositoryRoot, 'package-lock.json'), 'utf8'),
) as { readonly packages: Readonly<Record<string, LockedPackage>> }

/** As Node looks for a package: beside, then in every folder above. */
function isLocked(from: string, name: string): boolean {
  const folders = from.split('/node_modules/')
  return folders.some((_, index) => {
    const folder = folders.slice(0, folders.length - index).join('/node_modules/')
    return packages[`${folder}/node_modules/${name}`]?.version !== undefined
  })
}

describe('package-lock.json', () => {
  it('names every package that another one asks for, on every platform', () => {
    const missing = Object.entries(packages).flatMap(
      ([path, { dependencies, optionalDependencies }]) =>
        Object.keys({ ...dependencies, ...optionalDependencies })
          .filter((name) => !isLocked(path, name) && packages[`node_modules/${name}`] === undefined)
          .map((name) => `${path || 'package.json'} -> ${name}`),
    )
    expect(missing).toEqual([])
  })

  it('names no registry', () => {
    expect(Object.values(packages).filter(({ resolved }) => resolved !== undefined)).toEqual([])
  })
})
