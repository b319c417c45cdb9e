/**
 * Act 5: `tide dev` runs the project while the last flights arrive, and queries are sent to it over HTTP all
 * the time. Each answer names the offsets that it reaches, and must match what the producer wrote below them.
 */
import { writeFile } from 'node:fs/promises'
import { openBatchJobs } from '../app/index.ts'
import { UnavailableError } from '../common/index.ts'
import { expectedDailyDelays, type Sources } from './airports.ts'
import type { DemoCheck, DemoReporter } from './demo-reporter.ts'
import { type DemoSession, logRanges } from './demo-session.ts'
import { DevProcess } from './dev-process.ts'
import { readFlightsState } from './flights-table.ts'
import { grouped } from './grouped.ts'
import { queryRows } from './table-accounts.ts'
import { type Account, Ledger } from './ledger.ts'
import { produceFlights } from './produce-flights.ts'
import { requireSuccess } from './require-success.ts'

export interface LiveFlow {
  /** Records in addition to those that act 1 produced. */
  readonly records: number
  readonly signal: AbortSignal
}

/** The result of one query, with the offsets that it reaches. */
export interface Answer extends Account {
  /** The number of committed rows. */
  readonly committed: number
  readonly offsets: ReadonlyMap<number, number>
  readonly newestArrivalAgeMs: number | undefined
}

interface Reply {
  readonly data?: readonly Readonly<Record<string, number>>[]
  readonly layers?: readonly {
    readonly table: string
    readonly offsets?: Readonly<Record<string, string>>
    readonly newestArrivalAgeMs?: number
  }[]
  readonly error?: { readonly message: string }
}

const flowMs = 6_000
const pauseMs = 20
const patienceMs = 30_000
const question = `SELECT count(*) AS n, sum(delay)::BIGINT AS delays,
  (SELECT count(*) FROM demo."flights$batch") AS committed FROM demo.flights`
const byDay = `SELECT count(*) AS n, sum(flights)::BIGINT AS flights, sum(delay_minutes)::BIGINT AS delays
  FROM demo.daily_delays`

/** `sources.records` is the number of records in the log before the act. */
export async function askWhileDataFlows(
  session: DemoSession,
  sources: Sources,
  flow: LiveFlow,
  reporter: DemoReporter,
): Promise<readonly DemoCheck[]> {
  const dev = new DevProcess(session.project)
  try {
    const address = await dev.address
    const rate = grouped((flow.records / flowMs) * 1_000)
    reporter.fact('tide dev', `process ${dev.pid} at ${address}`)
    reporter.fact('producer', `${grouped(flow.records)} more flights`, `${rate} records/s`)
    const { answers, ledger } = await ask(session, sources, flow, address)
    await writeFile(session.project.answersFile, answers.map(answerLine).join(''))
    const whole = { ...sources, records: sources.records + flow.records }
    const view = await checkLambdaView(session, whole, address)
    await dev.stop()
    reportAges(reporter, answers)
    reporter.fact('answers', 'answers.jsonl', 'each with the offsets that it reaches')
    await buildRest(session)
    return [...checkAnswers(answers, ledger, whole.records), view]
  } finally {
    await dev.kill()
  }
}

async function ask(
  session: DemoSession,
  sources: Sources,
  { records, signal }: LiveFlow,
  address: string,
): Promise<{ readonly answers: readonly Answer[]; readonly ledger: Ledger }> {
  const { clock, database, log } = session
  const ledger = await openLedger(session)
  const failed = new AbortController()
  const ending = AbortSignal.any([signal, failed.signal])
  let isDone = false
  const producing = produceFlights({
    log,
    database,
    clock,
    file: sources.flights,
    first: sources.records,
    records,
    durationMsMax: patienceMs + flowMs,
    recordsPerSecond: (records / flowMs) * 1_000,
    signal: ending,
    onAppended: (_, append) => ledger.add(append),
  }).then(() => {
    isDone = true
  })
  producing.catch((error: unknown) => failed.abort(error))
  const answers: Answer[] = []
  try {
    const deadlineMs = clock.monotonic() + flowMs + patienceMs
    for (;;) {
      const wasDone = isDone
      const answer = await askOnce(address, ending)
      answers.push(answer)
      if (wasDone && answer.count >= sources.records + records) break
      if (clock.monotonic() > deadlineMs) break
      await clock.sleep(pauseMs, ending)
    }
    await producing
    return { answers, ledger }
  } finally {
    failed.abort()
    await producing.catch(() => undefined)
  }
}

async function openLedger(session: DemoSession): Promise<Ledger> {
  const { content } = await readFlightsState(session)
  const ranges = await logRanges(session)
  return new Ledger(
    new Map(ranges.map(({ next, partition }) => [partition, next])),
    Number(content.delaySum),
  )
}

async function askOnce(address: string, signal: AbortSignal): Promise<Answer> {
  const { data, layers } = await post(address, question, signal)
  const [row] = data ?? []
  const layer = layers?.find(
    ({ offsets, table }) => table === 'demo.flights' && offsets !== undefined,
  )
  const offsets = Object.entries(layer?.offsets ?? {}).map(([name, next]): [number, number] => [
    Number(name.slice(name.lastIndexOf('/') + 1)),
    Number(next),
  ])
  return {
    count: row?.['n'] ?? 0,
    delaySum: row?.['delays'] ?? 0,
    committed: row?.['committed'] ?? 0,
    offsets: new Map(offsets),
    newestArrivalAgeMs: layer?.newestArrivalAgeMs,
  }
}

async function post(address: string, sql: string, signal?: AbortSignal): Promise<Reply> {
  const request = { method: 'POST', body: sql, ...(signal === undefined ? {} : { signal }) }
  const response = await fetch(`${address}/query`, request)
  const reply = (await response.json()) as Reply
  if (reply.data !== undefined) return reply
  throw new UnavailableError(`a query failed: ${reply.error?.message ?? response.statusText}`)
}

/** `offsets` are the first ones after the answer, by partition. */
function answerLine({ committed, count, delaySum, offsets }: Answer): string {
  return `${JSON.stringify({ count, delaySum, committed, offsets: Object.fromEntries(offsets) })}\n`
}

/** Pure. */
export function checkAnswers(
  answers: readonly Answer[],
  ledger: Pick<Ledger, 'below'>,
  whole: number,
): readonly DemoCheck[] {
  const wrong = answers.filter((answer) => {
    const account = ledger.below(answer.offsets)
    return account?.count !== answer.count || account.delaySum !== answer.delaySum
  })
  const ahead = answers.filter(({ committed, count }) => count > committed).length
  const last = answers.at(-1)?.count ?? 0
  const [first] = wrong
  const example =
    first === undefined
      ? ''
      : `, such as ${grouped(first.count)} at ${[...first.offsets].map((pair) => pair.join(':')).join(' ')}`
  return [
    {
      name: 'answers',
      passed: answers.length > 0 && wrong.length === 0,
      detail: `${answers.length} answers, ${wrong.length} differ from what the producer wrote below their offsets${example}`,
    },
    {
      name: 'live rows',
      passed: ahead > 0,
      detail: `${ahead} of them had rows that no snapshot had yet`,
    },
    {
      name: 'everything',
      passed: last === whole,
      detail: `the last answer counts ${grouped(last)} of ${grouped(whole)} flights`,
    },
  ]
}

/** The model's table ends before the last flights; its view must include them. */
async function checkLambdaView(
  { database }: DemoSession,
  whole: Sources,
  address: string,
): Promise<DemoCheck> {
  const { data = [] } = await post(address, byDay)
  const answered = Object.values(data[0] ?? {}).map(String)
  const [expected = []] = await queryRows(
    database,
    `SELECT count(*), sum(flights)::BIGINT, sum(delay_minutes)::BIGINT FROM (${expectedDailyDelays(whole)})`,
  )
  const [days = '', flights = '', delays = ''] = answered
  return {
    name: 'lambda view',
    passed: answered.join(' ') === expected.map(String).join(' '),
    detail: `daily_delays over HTTP: ${grouped(days)} rows of ${grouped(flights)} flights, ${grouped(delays)} minutes late, though the last were never built`,
  }
}

function reportAges(reporter: DemoReporter, answers: readonly Answer[]): void {
  const ages = answers.flatMap(({ newestArrivalAgeMs }) => newestArrivalAgeMs ?? [])
  const sorted = ages.sort((left, right) => left - right)
  const at = (share: number): string =>
    `${Math.round(sorted[Math.floor(share * sorted.length)] ?? 0)} ms`
  reporter.fact('newest row', `${at(0.5)} old in half of the answers`, `${at(0.99)} in 99 of 100`)
}

/** Builds the models, so that a later `--check` finds them up to date. */
async function buildRest({ lake, project }: DemoSession): Promise<void> {
  const jobs = await openBatchJobs(lake, { directory: project.directory })
  try {
    requireSuccess(await jobs.run({ verb: 'build' }))
  } finally {
    await jobs.close()
  }
}
