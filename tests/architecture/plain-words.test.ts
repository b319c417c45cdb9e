/** Identifiers, comments, messages and documents use the field's words and plain English. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readSource, readSources } from '../support/import-graph.ts'
import { repositoryRoot } from '../support/services/paths.ts'
import { identifierComplaints, type Prose, proseComplaints, proseOf } from './plain-words.ts'

const sources = readSources()

describe('plain words', () => {
  it('name what the code has', () => {
    expect(identifierComplaints(sources)).toEqual([])
  })

  it('stand in comments and messages', () => {
    expect(proseComplaints(proseOf(sources))).toEqual([])
  })

  it('stand in the documents', () => {
    const pages = documents()
    expect(pages.length).toBeGreaterThan(15)
    expect(proseComplaints(pages)).toEqual([])
  })

  it('see a word inside an identifier, but not inside a text or a foreign name', () => {
    const text = [
      'const foundField = this.#told(isWanted)',
      "const notFound = 'found and known' // found",
      'throw new NotFoundError(`nothing found in ${known}`)',
    ].join('\n')
    const complaints = identifierComplaints([readSource('io/a.ts', text)])
    expect(complaints.map((complaint) => complaint.split(':').slice(0, 2).join(':'))).toEqual([
      'io/a.ts:1 foundField',
      'io/a.ts:1 #told',
      'io/a.ts:1 isWanted',
      'io/a.ts:3 known',
    ])
  })

  it('see a word in a comment, a message and a template, but not in code', () => {
    const text = [
      '/** Whoever reads this. */',
      'const anew = 1 // meanwhile',
      "log('nobody', `somebody ${anew}`)",
    ].join('\n')
    const complaints = proseComplaints(proseOf([readSource('io/a.ts', text)]))
    expect(complaints.map((complaint) => complaint.split(':').slice(0, 2).join(':'))).toEqual([
      'io/a.ts:1 Whoever',
      'io/a.ts:2 meanwhile',
      'io/a.ts:3 nobody',
      'io/a.ts:3 somebody',
    ])
  })
})

/** The changelog is a record of what was written then. */
function documents(): readonly Prose[] {
  const inDocs = readdirSync(join(repositoryRoot, 'docs'), { recursive: true, encoding: 'utf8' })
  const paths = [
    'README.md',
    'ARCHITECTURE.md',
    'CONTRIBUTING.md',
    ...inDocs.map((path) => join('docs', path)),
  ]
  return paths
    .filter((path) => path.endsWith('.md'))
    .map((path) => ({ path, text: readFileSync(join(repositoryRoot, path), 'utf8') }))
}
