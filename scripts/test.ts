/**
 * `npm test`: unit, end-to-end and simulation tests everywhere; integration and interop tests (real
 * Kafka, MinIO, PyIceberg, DuckDB) where Java, Go and Python are at hand. What is left out is said
 * loudly; with CI=true it is a failure, and so is a test that skips itself.
 * Random tests look three times as long as in `npm run check` (tests/support/fuzz-effort.ts).
 * The last metadata of every table that a test made is loaded by Iceberg's own Java parser.
 * Arguments go to vitest (`npm test -- tests/integration/x`).
 *
 * The last line is `N passed, N failed`, alone, with the counts of vitest's own JSON report.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative, sep } from 'node:path'
import { environment } from '../common/index.ts'
import {
  duckdbExtensions,
  icebergJava,
  installKafka,
  installMinio,
  isCi,
  isPartAtHand,
  type Part,
  pythonEnvironment,
  repositoryRoot,
} from '../tests/support/services/index.ts'
import { judgeTableMetadata } from '../tests/support/judge-table-metadata.ts'
import { failureLines, runVitest, type TestReport } from './run-vitest.ts'

const everywhereProjects = ['unit', 'e2e', 'simulation'] as const
const realServiceProjects = ['integration', 'interop'] as const
const parts: readonly Part[] = ['kafka', 'minio', 'python']
const slowestShown = 20
/** Fewer tables than this in a whole run mean that the tests no longer hand theirs over. */
const judgedTablesMin = 500

interface Counts {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly complaints: readonly string[]
  /** What failed, a line each. */
  readonly failures: readonly string[]
}

async function main(filters: readonly string[]): Promise<number> {
  const missing = parts.filter((part) => !isPartAtHand(part))
  // Downloads and builds run beside the tests that need none of them.
  const installation = missing.length === 0 ? installServices() : Promise.resolve(undefined)
  const metadata = await mkdtemp(join(tmpdir(), 'tidewater-metadata-'))
  try {
    const first = await runProjects(everywhereProjects, filters, metadata)
    const installFailure = await installation
    if (installFailure !== undefined) return summarize([first, failure(installFailure)])
    const second =
      missing.length > 0
        ? leftOut(missing)
        : await runProjects(realServiceProjects, filters, metadata)
    return summarize([first, second, await judgeTables(metadata, filters)])
  } finally {
    await rm(metadata, { recursive: true, force: true })
  }
}

/** Each table that Iceberg's Java parser refuses is a failure; all of them together count as one test. */
async function judgeTables(folder: string, filters: readonly string[]): Promise<Counts> {
  if (!isPartAtHand('kafka')) return notRun('the judgement of table metadata is', ['kafka'])
  const { tables, refused } = await judgeTableMetadata(folder)
  console.log(`Iceberg's Java parser: ${tables} tables loaded, ${refused.length} refused`)
  const failures = refused.map((line) => `FAILED table metadata: ${line}`)
  if (filters.length === 0 && tables < judgedTablesMin) {
    failures.push(`FAILED table metadata: ${tables} tables, ${judgedTablesMin} were expected`)
  }
  const passed = failures.length === 0 ? 1 : 0
  return { passed, failed: failures.length, skipped: 0, complaints: [], failures }
}

async function installServices(): Promise<string | undefined> {
  try {
    await Promise.all([installKafka(), icebergJava(), pythonEnvironment(), duckdbExtensions()])
    await installMinio()
    return undefined
  } catch (error) {
    return `the services for tests cannot be installed: ${String(error)}`
  }
}

function leftOut(missing: readonly Part[]): Counts {
  return notRun(`${realServiceProjects.join(' and ')} tests are`, missing)
}

function notRun(what: string, missing: readonly Part[]): Counts {
  const text = `${what} LEFT OUT, no ${missing.join(', ')} here (they need java and mvn, go, python3)`
  return isCi() ? failure(text) : { ...failure(text), failed: 0 }
}

function failure(complaint: string): Counts {
  return { passed: 0, failed: 1, skipped: 0, complaints: [complaint], failures: [] }
}

async function runProjects(
  projects: readonly string[],
  filters: readonly string[],
  metadataFolder: string,
): Promise<Counts> {
  const flags = projects.flatMap((project) => ['--project', project])
  const { exitCode, report } = await runVitest(['--passWithNoTests', ...flags, ...filters], {
    TIDEWATER_FUZZ: environment('TIDEWATER_FUZZ') ?? '3',
    TIDEWATER_TABLE_METADATA: metadataFolder,
  })
  if (report === undefined) {
    return failure(`vitest ended without a report: projects=${projects.join(',')} exit=${exitCode}`)
  }
  showSlowest(report)
  return count(report, exitCode, filters.length > 0 ? [] : projects)
}

/** Where the time goes; tests/support/longest-first.ts starts these first. */
function showSlowest({ testResults }: TestReport): void {
  const files = testResults
    .map(({ name, startTime, endTime }) => ({ name, seconds: (endTime - startTime) / 1000 }))
    .sort((left, right) => right.seconds - left.seconds)
    .slice(0, slowestShown)
  console.log('the slowest test files:')
  for (const { name, seconds } of files) {
    console.log(`${seconds.toFixed(0).padStart(6)} s  ${relative(repositoryRoot, name)}`)
  }
}

function count(report: TestReport, exitCode: number, mustHaveTests: readonly string[]): Counts {
  const complaints: string[] = []
  let failed = report.numFailedTests
  for (const file of report.testResults) {
    // A file that fails while it is loaded has no failed test to count.
    const ownFailures = file.assertionResults.some((each) => each.status === 'failed')
    if (file.status !== 'failed' || ownFailures) continue
    failed++
    complaints.push(`test file failed: ${relative(repositoryRoot, file.name)}`)
  }
  if (exitCode !== 0 && failed === 0) {
    failed++
    complaints.push(`vitest failed outside of tests: exit=${exitCode}`)
  }
  const filled = new Set(
    report.testResults
      .filter((file) => file.assertionResults.some((each) => each.status === 'passed'))
      .map((file) => projectOf(relative(repositoryRoot, file.name))),
  )
  for (const project of mustHaveTests.filter((each) => !filled.has(each))) {
    complaints.push(`no test passed in the project ${project}`)
    if (isCi()) failed++
  }
  const left = report.testResults.flatMap((file) => {
    const path = relative(repositoryRoot, file.name)
    return file.assertionResults
      .filter(({ status }) => status !== 'passed' && status !== 'failed')
      .map(({ fullName }) => `${path}: ${fullName}`)
  })
  // A machine that cannot do it would turn green by not looking.
  for (const name of isCi() && mustHaveTests.length > 0 ? left : []) {
    failed++
    complaints.push(`skipped in CI: ${name}`)
  }
  return {
    passed: report.numPassedTests,
    failed,
    skipped: report.numPendingTests + report.numTodoTests,
    complaints,
    failures: failureLines(report),
  }
}

/** The project a test file belongs to, as vitest.config.ts divides them. */
function projectOf(path: string): string {
  const [top = '', second = ''] = path.split(sep)
  const divided = ['e2e', 'simulation', 'integration', 'interop']
  return top === 'tests' && divided.includes(second) ? second : 'unit'
}

function summarize(all: readonly Counts[]): number {
  const sum = (key: 'passed' | 'failed' | 'skipped'): number =>
    all.reduce((total, counts) => total + counts[key], 0)
  const complaints = all.flatMap((counts) => counts.complaints)
  for (const complaint of complaints) console.error(`\n*** ${complaint} ***`)
  for (const failure of all.flatMap(({ failures }) => failures)) console.log(failure)
  const skipped = sum('skipped')
  const failed = sum('failed')
  const suffix = skipped === 0 ? '' : `, ${skipped} skipped`
  console.log(`\n${sum('passed')} passed, ${failed} failed${suffix}`)
  return failed === 0 && sum('passed') > 0 ? 0 : 1
}

process.exit(await main(process.argv.slice(2)))
