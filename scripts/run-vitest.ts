/** Runs vitest as a process of its own and reads its JSON report: what `npm test` and `npm run soak` count. */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { environmentEntries } from '../common/index.ts'
import { repositoryRoot } from '../tests/support/services/index.ts'

/** Characters of a failure's first line that are repeated at the end of a run. */
const longestReason = 400

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
  readonly assertionResults: readonly TestResult[]
}

export interface TestResult {
  readonly status: string
  readonly fullName: string
  readonly failureMessages?: readonly string[]
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

/**
 * One line for each failed test, with the first line of why. A run prints many thousand lines, so these are
 * printed once more at its end, and .ci/run looks for their first word.
 */
export function failureLines(report: TestReport): readonly string[] {
  return report.testResults.flatMap((file) => {
    const path = relative(repositoryRoot, file.name)
    const failed = file.assertionResults.filter(({ status }) => status === 'failed')
    if (failed.length === 0 && file.status === 'failed') {
      return [failureLine(path, '(the file itself)', file.message)]
    }
    return failed.map((test) =>
      failureLine(path, test.fullName, (test.failureMessages ?? []).join('\n')),
    )
  })
}

function failureLine(path: string, test: string, message: string): string {
  const reason = message.split('\n').find((line) => line.trim() !== '') ?? 'no message'
  return `FAILED ${path} > ${test}: ${reason.slice(0, longestReason)}`
}
