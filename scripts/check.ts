/**
 * `npm run check`: everything that is known without running services, in under 30 seconds: format,
 * type-aware lint, types, dead code, and the unit tests (which hold the import directions, sizes and
 * pins too, in tests/architecture). Steps run two at a time; a failed step shows its whole output.
 *
 * `npm test` runs the same unit tests longer, each file by itself, and on a real disk.
 */
import { spawn } from 'node:child_process'
import {
  accessSync,
  constants,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { environmentEntries } from '../common/index.ts'
import { repositoryRoot } from '../tests/support/services/index.ts'

const stepsAtOnce = 2
const budgetSeconds = 30
const slowestShown = 8

const reportFolder = mkdtempSync(join(tmpdir(), 'tidewater-check-'))
const unitReport = join(reportFolder, 'unit.json')

interface Step {
  readonly name: string
  /** A script below node_modules, and its arguments. */
  readonly tool: string
  readonly args: readonly string[]
}

interface StepResult {
  readonly name: string
  readonly ok: boolean
  readonly seconds: number
  readonly output: string
}

// Without folder names oxlint would walk node_modules.
const folders = readdirSync(repositoryRoot, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
  .map((entry) => entry.name)
  .filter((name) => !['node_modules', 'dist', 'coverage', 'docs', 'target'].includes(name))

// Longest first. It has a process for each of two cores, and leaves them to the second lane in turns.
const steps: readonly Step[] = [
  {
    name: 'unit and architecture tests',
    tool: 'vitest/vitest.mjs',
    // One module graph for all files saves a quarter of the time; `npm test` isolates them.
    args: [
      'run',
      '--project=unit',
      '--no-isolate',
      '--maxWorkers=2',
      '--reporter=dot',
      '--reporter=json',
      `--outputFile.json=${unitReport}`,
    ],
  },
  {
    name: 'lint',
    tool: 'oxlint/bin/oxlint',
    args: ['--type-aware', '--deny-warnings', ...folders],
  },
  { name: 'dead code', tool: 'knip/bin/knip.js', args: ['--no-progress'] },
  { name: 'types', tool: 'typescript/bin/tsc', args: ['-p', '.'] },
  { name: 'format', tool: '@biomejs/biome/bin/biome', args: ['format', '--reporter=summary', '.'] },
]

/** Flushing thousands of small temporary files to a disk takes seconds that prove nothing here. */
const temporaryFolder = memoryFolder('/dev/shm')

function memoryFolder(path: string): { readonly TMPDIR?: string } {
  try {
    accessSync(path, constants.W_OK)
    const { bavail, bsize } = statfsSync(path)
    return bavail * bsize >= 2 ** 30 ? { TMPDIR: path } : {}
  } catch {
    return {}
  }
}

function runStep(step: Step): Promise<StepResult> {
  const startedMs = performance.now()
  const tool = join(repositoryRoot, 'node_modules', step.tool)
  const child = spawn(process.execPath, [tool, ...step.args], {
    cwd: repositoryRoot,
    env: { ...environmentEntries(), ...temporaryFolder },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk))
  return new Promise((resolve) => {
    const end = (ok: boolean, extra = ''): void => {
      const seconds = (performance.now() - startedMs) / 1000
      const text = `${Buffer.concat(output).toString('utf8')}${extra}`
      resolve({ name: step.name, ok, seconds, output: text })
    }
    child.on('error', (error) => end(false, String(error)))
    child.on('close', (code) => end(code === 0))
  })
}

/** The part of vitest's JSON report that is read here. */
interface UnitReport {
  readonly testResults: readonly {
    readonly name: string
    readonly startTime: number
    readonly endTime: number
  }[]
}

/** Whom to ask when the budget is spent. */
function slowestTestFiles(): readonly string[] {
  if (!existsSync(unitReport)) return []
  const { testResults } = JSON.parse(readFileSync(unitReport, 'utf8')) as UnitReport
  return testResults
    .map((file) => ({ name: file.name, seconds: (file.endTime - file.startTime) / 1000 }))
    .sort((left, right) => right.seconds - left.seconds)
    .slice(0, slowestShown)
    .map(({ name, seconds }) => `  ${seconds.toFixed(1)} s  ${relative(repositoryRoot, name)}`)
}

async function main(): Promise<number> {
  const startedMs = performance.now()
  const waiting = [...steps]
  const results: StepResult[] = []
  const lane = async (): Promise<void> => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
      const result = await runStep(step)
      results.push(result)
      const mark = result.ok ? 'ok  ' : 'FAIL'
      console.log(`${mark} ${result.name} (${result.seconds.toFixed(1)} s)`)
    }
  }
  await Promise.all(Array.from({ length: stepsAtOnce }, lane))
  const failures = results.filter((result) => !result.ok)
  for (const failure of failures) console.error(`\n--- ${failure.name} ---\n${failure.output}`)
  const seconds = (performance.now() - startedMs) / 1000
  const late = seconds > budgetSeconds ? ` (over the budget of ${budgetSeconds} s)` : ''
  console.log(`\nchecked in ${seconds.toFixed(1)} s${late}`)
  if (late !== '') console.log(slowestTestFiles().join('\n'))
  console.log(`check: ${results.length - failures.length} passed, ${failures.length} failed`)
  return failures.length === 0 ? 0 : 1
}

const status = await main().finally(() => rmSync(reportFolder, { recursive: true, force: true }))
process.exit(status)
