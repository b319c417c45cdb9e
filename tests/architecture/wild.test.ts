/** The table of tests/wild/README.md is true: each line names a test file that exists and cites the line. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { repositoryRoot } from '../support/services/paths.ts'

const folder = join(repositoryRoot, 'tests', 'wild')
const row = /^\| ([A-L]\d{1,2}|D)(?: [a-z-]+)? \| [^|]+ \| `([^`]+)` \|$/
const rows = readFileSync(join(folder, 'README.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| line '))

describe('the table of tests/wild', () => {
  it('has a line, a situation and a test file in each row', () => {
    expect(rows.filter((each) => !row.test(each))).toEqual([])
  })

  it('names only test files that cite the line', () => {
    const untrue = rows.filter((each) => {
      const [, line = '', file = ''] = row.exec(each) ?? []
      const path = join(folder, file)
      return !existsSync(path) || !new RegExp(`\\b${line}\\b`).test(readFileSync(path, 'utf8'))
    })
    expect(untrue).toEqual([])
  })
})
