/** Files and functions stay small enough to be read in one go (400 and 70 lines of code). */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { codeLineCount, productFolders, readSource, readSources } from '../support/import-graph.ts'
import { repositoryRoot } from '../support/services/paths.ts'

const fileLinesMax = 400
const testFileLinesMax = 600
const functionLinesMax = 70

const sources = readSources()

describe('sizes', () => {
  it('keep every file within its limit of code lines', () => {
    const tooLong = sources
      .map((source) => ({
        path: source.path,
        lines: codeLineCount(source),
        max: limit(source.path),
      }))
      .filter(({ lines, max }) => lines > max)
      .map(({ path, lines, max }) => `${path}: ${lines} code lines, at most ${max}`)
    expect(tooLong).toEqual([])
  })

  it('count code, not comments or blank lines', () => {
    const text = "// a\n/* b\n c */\n\nconst x = 1 // d\nconst y = '// e'\n"
    expect(codeLineCount(readSource('io/a.ts', text))).toBe(2)
  })

  it(`keep every function within ${functionLinesMax} code lines`, () => {
    const folders = [...productFolders, 'scripts', 'bench'].filter((folder) =>
      sources.some((source) => source.topFolder === folder),
    )
    expect(functionComplaints(folders)).toEqual([])
  })

  it('see a function that is too long', () => {
    const body = Array.from({ length: functionLinesMax + 1 }, (_, line) => `  void ${line}`)
    const text = `export function long(): void {\n${body.join('\n')}\n}\n`
    const found = functionComplaintsOf(text)
    expect(found).toHaveLength(1)
  })
})

function limit(path: string): number {
  return path.startsWith('tests/') || path.endsWith('.test.ts') ? testFileLinesMax : fileLinesMax
}

interface Diagnostic {
  readonly message: string
  readonly filename: string
}

function functionComplaints(targets: readonly string[]): readonly string[] {
  const oxlint = join(repositoryRoot, 'node_modules', 'oxlint', 'bin', 'oxlint')
  const config = join(repositoryRoot, 'tests', 'architecture', 'function-size.oxlintrc.json')
  const args = [oxlint, '-c', config, '--format', 'json', ...targets]
  const done = spawnSync(process.execPath, args, { cwd: repositoryRoot, encoding: 'utf8' })
  const report = JSON.parse(done.stdout) as { readonly diagnostics: readonly Diagnostic[] }
  // The body of a describe() is a list of tests, not a function to be held in the head.
  const found = report.diagnostics.filter(({ filename }) => !filename.endsWith('.test.ts'))
  return found.map(({ filename, message }) => `${filename}: ${message}`)
}

function functionComplaintsOf(text: string): readonly string[] {
  const folder = mkdtempSync(join(tmpdir(), 'tidewater-size-'))
  try {
    const file = join(folder, 'long.ts')
    writeFileSync(file, text)
    return functionComplaints([file])
  } finally {
    rmSync(folder, { recursive: true })
  }
}
