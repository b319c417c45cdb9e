/**
 * Every numbered invariant of docs/spec has a test that names it: `it('[C1] …')`. And no test claims an
 * invariant that the specification does not state.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readSources, type SourceFile } from '../support/import-graph.ts'
import { repositoryRoot } from '../support/services/paths.ts'

const specFolder = join(repositoryRoot, 'docs', 'spec')

/** An id that opens a list item, a heading, a table row or a bold phrase; in running text it is a word. */
const declaration =
  /^\s*(?:[-*+]\s+|\d+[.)]\s+|#+\s+|\|\s*|(?=\*\*))(?:\*\*)?\[?`?([A-Z]{1,4}\d{1,3})`?\]?(?:\*\*)?(?=[.:|)*]|[ \t]+\S)/gm

/** `[C1]` or `[C1, C2]` in a title. */
const citation = /\[([A-Z]{1,4}\d{1,3}(?:,\s*[A-Z]{1,4}\d{1,3})*)\]/g

function declaredIds(markdown: string): readonly string[] {
  return [...markdown.matchAll(declaration)].map((match) => match[1] ?? '')
}

function citedIds(source: SourceFile): readonly string[] {
  const titles = source.code.matchAll(
    /\b(?:it|test|describe)\b(?:\.\w+)*(?:\([^'"`]*\))?\(\s*(?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)"|`((?:\\.|[^`\\])*)`)/g,
  )
  return [...titles]
    .map((match) => match[1] ?? match[2] ?? match[3] ?? '')
    .flatMap((title) =>
      [...title.matchAll(citation)].flatMap((found) => (found[1] ?? '').split(',')),
    )
    .map((id) => id.trim())
}

const specFiles = existsSync(specFolder)
  ? readdirSync(specFolder).filter((name) => name.endsWith('.md'))
  : []
const declared = new Map(
  specFiles.flatMap((name) =>
    declaredIds(readFileSync(join(specFolder, name), 'utf8')).map((id) => [id, name] as const),
  ),
)
// This file quotes made-up ids.
const cited = new Set(
  readSources()
    .filter((source) => source.path !== 'tests/architecture/invariants.test.ts')
    .flatMap(citedIds),
)

describe('invariants', () => {
  it('are declared in docs/spec', () => {
    expect(declared.size).toBeGreaterThan(10)
  })

  it('have one declaration each', () => {
    const all = specFiles.flatMap((name) => [
      ...new Set(declaredIds(readFileSync(join(specFolder, name), 'utf8'))),
    ])
    expect(all.filter((id, index) => all.indexOf(id) !== index)).toEqual([])
  })

  it('are each cited by the title of a test', () => {
    const untested = [...declared].filter(([id]) => !cited.has(id))
    expect(untested.map(([id, name]) => `${id} of docs/spec/${name} is in no test title`)).toEqual(
      [],
    )
  })

  it('are cited only when they are declared', () => {
    const unknown = [...cited].filter((id) => !declared.has(id))
    expect(unknown.map((id) => `[${id}] in a test title is not declared in docs/spec`)).toEqual([])
  })
})

describe('the reading of ids', () => {
  it('finds declarations in lists, headings, tables and bold', () => {
    const text =
      '- **C1** x\n## IO2: y\n| K3 | z |\n**C4.** w\n1. `S5` v\nS3 is\n## S3\ntext C9 in a line\n'
    expect(declaredIds(text)).toEqual(['C1', 'IO2', 'K3', 'C4', 'S5'])
  })

  it('finds citations in titles, not in code', () => {
    const code =
      "it('[C1, C2] x', f)\nit.each([A7])('[IO3] y', f)\nconst a = [A7]\ndescribe(`[K4]`, f)"
    const source = { code } as SourceFile
    expect(citedIds(source)).toEqual(['C1', 'C2', 'IO3', 'K4'])
  })
})
