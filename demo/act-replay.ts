/**
 * Act 4: a range of the log is read again into a branch, compared with the table, and published. Its rows were
 * correct before, so nothing but the files may change.
 */
import { diffReplay, executeReplay, publishBranch, type ReplayDiff } from '../app/index.ts'
import { demoTopic } from './demo-project.ts'
import type { DemoCheck, DemoReporter } from './demo-reporter.ts'
import { type DemoSession, demoStream, logRanges } from './demo-session.ts'
import { type FlightsState, flightsTable, readFlightsState } from './flights-table.ts'
import { grouped } from './grouped.ts'
import { isSameContent } from './table-accounts.ts'

const branch = 'replayed'

export async function replayRange(
  session: DemoSession,
  reporter: DemoReporter,
): Promise<readonly DemoCheck[]> {
  const { lake, project } = session
  const settings = await demoStream(session, project.streamFile)
  // The middle third of every partition.
  const log = await logRanges(session)
  const coordinates = (thirds: bigint): { topic: string; partition: number; offset: bigint }[] =>
    log.map(({ first, next, partition }) => {
      return { topic: demoTopic, partition, offset: first + ((next - first) * thirds) / 3n }
    })
  const options = {
    from: { kind: 'offsets', coordinates: coordinates(1n) },
    until: { kind: 'offsets', coordinates: coordinates(2n) },
    into: branch,
    workDirectory: project.workDirectory,
  } as const
  const records = log.reduce((sum, { first, next }) => {
    return sum + first + ((next - first) * 2n) / 3n - (first + (next - first) / 3n)
  }, 0n)
  const before = await readFlightsState(session)
  const first = await executeReplay(lake, settings, options)
  const texts = first.ranges.map(({ from, partition, to }) => {
    return `${partition}: ${grouped(from)}-${grouped(to - 1n)}`
  })
  reporter.fact(
    'replay',
    `${grouped(first.recordsRead)} records into branch ${branch}`,
    texts.join('  '),
  )
  const second = await executeReplay(lake, settings, options)
  const diff = await diffReplay(lake, flightsTable, branch)
  reporter.fact(
    'diff',
    `${grouped(diff.same)} rows the same`,
    `${diff.differing} differ, ${diff.onlyBase} only in main, ${diff.onlyBranch} only in the branch`,
  )
  const untouched = await readFlightsState(session)
  const published = await publishBranch(lake, flightsTable, branch, { dropBranch: true })
  reporter.fact('publish', `tide table publish demo.flights --branch ${branch}`)
  const after = await readFlightsState(session)
  return [
    checkDiff(diff, records),
    {
      name: 'twice = once',
      passed: first.isChanged && !second.isChanged,
      detail: `the same replay again ${second.isChanged ? 'changed' : 'changed nothing on'} the branch`,
    },
    {
      name: 'main waits',
      passed: untouched.snapshotId === before.snapshotId && published.isChanged,
      detail: `main stayed at snapshot ${before.snapshotId ?? 'none'} until it was published`,
    },
    checkPublished(before, after),
  ]
}

/** Pure. */
export function checkDiff(
  diff: Pick<ReplayDiff, 'same' | 'differing' | 'onlyBase' | 'onlyBranch'>,
  records: bigint,
): DemoCheck {
  const others = diff.differing + diff.onlyBase + diff.onlyBranch
  return {
    name: 'row by row',
    passed: diff.same === records && records > 0n && others === 0n,
    detail: `${grouped(diff.same)} of the ${grouped(records)} records read again are the rows of main, ${grouped(others)} are not`,
  }
}

type ComparedState = Omit<FlightsState, 'files'>

/** Pure. */
export function checkPublished(before: ComparedState, after: ComparedState): DemoCheck {
  const isSame = isSameContent(before.content, after.content)
  const goesOn = before.offsets === after.offsets && after.offsets !== ''
  const moved = before.snapshotId !== after.snapshotId
  return {
    name: 'published',
    passed: isSame && goesOn && moved,
    detail: isSame
      ? `${grouped(after.content.rows)} rows, hash ${after.content.hashSum}; the sink goes on at ${after.offsets}`
      : `${grouped(before.content.rows)} rows became ${grouped(after.content.rows)}, or other ones`,
  }
}
