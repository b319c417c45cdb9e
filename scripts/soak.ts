/**
 * `npm run soak -- [--minutes 30] [--seed N] [--only TEXT]`: the long campaigns, each a test that `npm test` runs short,
 * in turn until the time is over. A campaign begins only when its usual time is left. All that is random
 * follows from the seed, which each round counts up by one. What ran is summed up in docs/soak.md;
 * with --only, which runs the campaigns whose names hold the text, it is only printed.
 */
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock, systemRandom } from '../common/index.ts'
import { repositoryRoot, runCommand } from '../tests/support/services/index.ts'
import { runVitest } from './run-vitest.ts'

interface Campaign {
  readonly name: string
  readonly files: readonly string[]
  /** Of the tests in the files; all of them if absent. */
  readonly title?: string
  readonly variables: Readonly<Record<string, string>>
  /** What a round does, how often. */
  readonly work: readonly [count: number, unit: string]
  readonly usualSeconds: number
}

interface Outcome {
  rounds: number
  seconds: number
  passed: number
  readonly failures: string[]
}

const campaigns: readonly Campaign[] = [
  {
    name: 'kill -9 of a sink at random moments',
    files: ['tests/integration/kill-sink.test.ts'],
    title: 'random moments',
    variables: { TIDEWATER_TEST_MOMENTS: '50' },
    work: [50, 'kills'],
    usualSeconds: 240,
  },
  {
    name: 'answers compared under load, with a kill -9 in the middle',
    files: ['tests/integration/live-soak.test.ts'],
    variables: { TIDEWATER_SOAK_SECONDS: '120' },
    work: [120, 'seconds of 20,000 records/s'],
    usualSeconds: 180,
  },
  {
    name: 'commits simulated, with lost replies and rivals',
    files: [
      'tests/simulation/commit-protocol.test.ts',
      'tests/simulation/catalog-transactions.test.ts',
    ],
    variables: { TIDEWATER_SIMULATION_RUNS: '4000' },
    work: [4_000, 'runs of each property'],
    usualSeconds: 120,
  },
  {
    name: 'replays of random histories against the fold of their log',
    files: ['tests/simulation/replays.test.ts'],
    variables: { TIDEWATER_SIMULATION_RUNS: '60' },
    work: [60, 'histories, each with a replay'],
    usualSeconds: 300,
  },
  {
    name: 'live rows and lambda views at random moments',
    files: [
      'tests/e2e/live.test.ts',
      'tests/e2e/live-lambda.test.ts',
      'tests/e2e/batch-lambda.test.ts',
    ],
    variables: { TIDEWATER_TEST_MOMENTS: '400' },
    work: [400, 'moments of a view'],
    usualSeconds: 90,
  },
  {
    name: 'kill -9 of a compaction beside a sink',
    files: ['tests/integration/kill-compaction.test.ts'],
    variables: { TIDEWATER_TEST_MOMENTS: '25' },
    work: [25, 'kills at random, and one at each step'],
    usualSeconds: 120,
  },
  {
    name: 'histories, pruning and live cuts against their oracles',
    files: [
      'tests/simulation/histories.test.ts',
      'tests/e2e/snapshot-properties.test.ts',
      'sql/engine/pruning-fuzz.test.ts',
      'ingest/live/live-layer.test.ts',
    ],
    variables: { TIDEWATER_FUZZ: '15' },
    work: [15, 'times the cases of `npm run check`'],
    usualSeconds: 180,
  },
  {
    name: 'random records through flat and nested tables, strict and lenient',
    files: ['tests/simulation/records.test.ts'],
    variables: { TIDEWATER_SOAK_SECONDS: '600' },
    work: [600, 'seconds of rounds with 300 records each'],
    usualSeconds: 620,
  },
  {
    name: 'a drain judged by PyIceberg and DuckDB',
    files: ['tests/integration/judged-drain.test.ts'],
    variables: { TIDEWATER_DRAIN_RECORDS: '2000000' },
    work: [2_000_000, 'records'],
    usualSeconds: 150,
  },
]

const documentFile = join(repositoryRoot, 'docs', 'soak.md')
const marker = (end: 'start' | 'end'): string => `<!-- written by scripts/soak.ts: ${end} -->`

async function runRound(campaign: Campaign, seed: number, outcome: Outcome): Promise<void> {
  const startedMs = systemClock.monotonic()
  console.log(`\n=== ${campaign.name}, seed ${seed}`)
  const variables = {
    ...campaign.variables,
    // A part that is missing here must not look like a campaign without a fault.
    CI: 'true',
    TIDEWATER_TEST_SEED: String(seed),
    TIDEWATER_SIMULATION_SEED: String(seed),
  }
  const title = campaign.title === undefined ? [] : ['-t', campaign.title]
  const { exitCode, report } = await runVitest([...campaign.files, ...title], variables)
  outcome.rounds++
  outcome.seconds += (systemClock.monotonic() - startedMs) / 1000
  outcome.passed += report?.numPassedTests ?? 0
  const failed = (report?.testResults ?? []).flatMap(({ name, status, assertionResults }) => {
    const file = relative(repositoryRoot, name)
    const tests = assertionResults.filter((each) => each.status === 'failed')
    if (status === 'failed' && tests.length === 0) return [`${file} could not be run`]
    return tests.map(({ fullName }) => `${file}: ${fullName}`)
  })
  const isSilent = exitCode !== 0 && failed.length === 0
  if (isSilent) failed.push(`vitest ended with ${exitCode}`)
  outcome.failures.push(...failed.map((text) => `${text} (seed ${seed})`))
}

/** Everything once, then again, for as long as something fits into what is left. */
async function runCampaigns(
  chosen: readonly Campaign[],
  seed: number,
  minutes: number,
): Promise<ReadonlyMap<string, Outcome>> {
  const startedMs = systemClock.monotonic()
  const secondsLeft = (): number => minutes * 60 - (systemClock.monotonic() - startedMs) / 1000
  const outcomes = new Map<string, Outcome>()
  for (let round = 0, hasRun = true; hasRun; round++) {
    hasRun = false
    for (const campaign of chosen) {
      if (campaign.usualSeconds > secondsLeft()) continue
      const fresh = { rounds: 0, seconds: 0, passed: 0, failures: [] }
      const outcome = outcomes.get(campaign.name) ?? fresh
      outcomes.set(campaign.name, outcome)
      await runRound(campaign, seed + round, outcome)
      hasRun = true
    }
  }
  return outcomes
}

async function commitNow(): Promise<string> {
  const git = (...args: readonly string[]): Promise<string> =>
    runCommand('git', args, { cwd: repositoryRoot })
  const changed = (await git('status', '--porcelain')).trim() !== ''
  return `${(await git('rev-parse', '--short', 'HEAD')).trim()}${changed ? ' and changes' : ''}`
}

function summary(
  outcomes: ReadonlyMap<string, Outcome>,
  facts: { readonly seed: number; readonly minutes: number; readonly commit: string },
): readonly string[] {
  const day = new Date(systemClock.now()).toISOString().slice(0, 10)
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  const machine = `${availableParallelism()} cores, ${memory}, Node ${process.versions.node}`
  const rows = campaigns.map(({ name, work: [count, unit] }) => {
    const outcome = outcomes.get(name)
    if (outcome === undefined) return `| ${name} | did not fit into the time | | | |`
    const { failures, passed, rounds, seconds } = outcome
    const done = `${(count * rounds).toLocaleString('en')} ${unit}`
    return `| ${name} | ${rounds} (${Math.round(seconds)} s) | ${done} | ${passed} | ${failures.length} |`
  })
  const failures = [...outcomes.values()].flatMap((outcome) => outcome.failures)
  return [
    `${day}, commit ${facts.commit}, ${machine}: \`npm run soak -- --minutes ${facts.minutes} --seed ${facts.seed}\``,
    '',
    '| campaign | rounds | what ran | tests passed | failures |',
    '|---|---|---|---|---|',
    ...rows,
    '',
    ...(failures.length === 0 ? ['No failure.'] : failures.map((text) => `- ${text}`)),
  ]
}

async function writeSummary(lines: readonly string[]): Promise<void> {
  const text = await readFile(documentFile, 'utf8')
  const [before, rest = ''] = text.split(marker('start'))
  const [, after = ''] = rest.split(marker('end'))
  const middle = [marker('start'), '', ...lines, '', marker('end')].join('\n')
  await writeFile(documentFile, `${before}${middle}${after}`)
}

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    seed: { type: 'string' },
    only: { type: 'string' },
  },
})
const minutes = Number(values.minutes)
const seed = Number(values.seed ?? Math.floor(systemRandom.fraction() * 2 ** 31))
const missing = campaigns.flatMap(({ files }) => files).filter((file) => !existsSync(file))
if (missing.length > 0) throw new Error(`no such test file: ${missing.join(', ')}`)
const { only = '' } = values
const chosen = campaigns.filter(({ name }) => name.includes(only))
if (!(minutes > 0) || !Number.isInteger(seed) || chosen.length === 0) {
  console.error('usage: npm run soak -- [--minutes 30] [--seed 1] [--only TEXT-OF-A-CAMPAIGN]')
  process.exit(2)
}
const commit = await commitNow()
const outcomes = await runCampaigns(chosen, seed, minutes)
const lines = summary(outcomes, { seed, minutes, commit })
console.log(`\n${lines.join('\n')}`)
if (outcomes.size === 0) {
  console.error(`no campaign fits into ${minutes} minutes`)
  process.exit(2)
}
if (only === '') await writeSummary(lines)
process.exit([...outcomes.values()].some(({ failures }) => failures.length > 0) ? 1 : 0)
