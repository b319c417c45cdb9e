/** Runs vitest as a process of its own and reads its JSON report: what `npm test` and `npm run soak` count. */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { environmentEntries } from '../common/index.ts'
import { repositoryRoot } from '../tests/support/services/index.ts'

/** The part of vitest's JSON report that is read here. */
export interface TestReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly testResults: readonly TestFile[]
}

export interface TestFile {
  readonly name: string
  readonly status: string
  readonly message: string
  /** Milliseconds since the epoch. */
  readonly startTime: number
  readonly endTime: number
  readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
}

export interface TestRun {
  readonly exitCode: number
  /** Undefined when vitest ended without one. */
  readonly report: TestReport | undefined
}

/** `args` after `vitest run`; `variables` on top of this process's environment. */
export async function runVitest(
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<TestRun> {
  const folder = await mkdtemp(join(tmpdir(), 'tidewater-test-'))
  const reportFile = join(folder, 'report.json')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`]
  const vitest = join(repositoryRoot, 'node_modules', 'vitest', 'vitest.mjs')
  try {
    const child = spawn(process.execPath, [vitest, 'run', ...reporters, ...args], {
      cwd: repositoryRoot,
      env: { ...environmentEntries(), ...variables },
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    const exitCode = await new Promise<number>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code) => resolve(code ?? 1))
    })
    const text = await readFile(reportFile, 'utf8').catch(() => undefined)
    return { exitCode, report: text === undefined ? undefined : (JSON.parse(text) as TestReport) }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
