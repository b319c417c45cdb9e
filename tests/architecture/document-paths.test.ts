/** Paths that ARCHITECTURE.md, CONTRIBUTING.md and the pages of docs/ name are there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isProductFolder } from '../support/import-graph.ts'
import { repositoryRoot } from '../support/services/paths.ts'

const otherFolders = ['bench', 'docs', 'examples', 'scripts', 'tests']

describe('documents', () => {
  const pages = [
    'ARCHITECTURE.md',
    'CONTRIBUTING.md',
    'README.md',
    ...readdirSync(join(repositoryRoot, 'docs'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md'))
      .map((name) => join('docs', name)),
  ]

  it('name files and folders that exist', () => {
    const named = pages.flatMap((page) => pathsIn(page).map((path) => ({ page, path })))
    expect(named.length).toBeGreaterThan(100)
    const missing = named.filter(({ path }) => !exists(path))
    expect(missing.map(({ page, path }) => `${page}: ${path}`)).toEqual([])
  })

  it('are read for paths in code, with stars and lists', () => {
    expect(exists('catalog/format/')).toBe(true)
    expect(exists('server/query-*.ts')).toBe(true)
    expect(exists('catalog/spec')).toBe(false)
    expect(exists('tests/{conformance,none}/file-io.test.ts')).toBe(true)
  })
})

/** Texts in backticks that begin with a folder of the repository; a user's own tests/ is not ours. */
function pathsIn(page: string): readonly string[] {
  const text = readFileSync(join(repositoryRoot, page), 'utf8')
  return [...text.matchAll(/`([\w.-]+\/[\w./*{},-]*)`/g)].flatMap(([, path = '']) => {
    const top = path.split('/')[0] ?? ''
    if (path === 'tests/*.sql') return []
    return isProductFolder(top) || otherFolders.includes(top) ? [path] : []
  })
}

function exists(path: string): boolean {
  if (!/[*{]/.test(path)) return existsSync(join(repositoryRoot, path))
  return alternatives(path).some((each) => matches(each))
}

/** `a/{b,c}` as `a/b` and `a/c`. */
function alternatives(path: string): readonly string[] {
  const list = /\{([^}]*)\}/.exec(path)
  if (list === null) return [path]
  return (list[1] ?? '').split(',').map((word) => path.replace(list[0], word))
}

function matches(path: string): boolean {
  const folder = path.slice(0, path.lastIndexOf('/'))
  const name = path.slice(folder.length + 1)
  const pattern = new RegExp(`^${name.replaceAll('.', '\\.').replaceAll('*', '.*')}$`)
  if (folder.includes('*') || !existsSync(join(repositoryRoot, folder))) return false
  return readdirSync(join(repositoryRoot, folder)).some((entry) => pattern.test(entry))
}
