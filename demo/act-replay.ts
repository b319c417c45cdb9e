/**
 * Act 4: a range of the log is read again into a branch, compared with what the table has, and
 * published. Nothing had been wrong with it, so nothing may change but the files.
 */
import { currentSnapshot } from '../catalog/format/index.ts'
import { NotFoundError } from '../common/index.ts'
import { loadStreamSettings } from '../app/settings/index.ts'
import { diffReplay, executeReplay, publishBranch, type ReplayDiff } from '../app/index.ts'
import { offsetsText } from './act-compact.ts'
import { demoTopic } from './demo-project.ts'
import type { DemoCheck, DemoReporter } from './demo-reporter.ts'
import { type DemoSession, flightsTable, logRanges, readCommitted } from './demo-session.ts'
import { grouped } from './judge-books.ts'
import { type Content, listDataFiles, tableContent } from './lake-books.ts'

const branch = 'replayed'

interface Looked {
  readonly content: Content
  readonly offsets: string
  readonly snapshotId: bigint | undefined
}

export async function replayRange(
  session: DemoSession,
  reporter: DemoReporter,
): Promise<readonly DemoCheck[]> {
  const { lake, project } = session
  const sources = { environment: {}, overrides: [], directory: project.directory }
  const { settings } = await loadStreamSettings(project.streamFile, sources)
  // The middle third of every partition.
  const log = await logRanges(session)
  const places = (thirds: bigint): { topic: string; partition: number; offset: bigint }[] =>
    log.map(({ first, next, partition }) => {
      return { topic: demoTopic, partition, offset: first + ((next - first) * thirds) / 3n }
    })
  const options = {
    from: { kind: 'offsets', places: places(1n) },
    until: { kind: 'offsets', places: places(2n) },
    into: branch,
    workDirectory: project.workDirectory,
  } as const
  const wanted = log.reduce((sum, { first, next }) => {
    return sum + first + ((next - first) * 2n) / 3n - (first + (next - first) / 3n)
  }, 0n)
  const before = await look(session)
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
  const untouched = await look(session)
  const published = await publishBranch(lake, flightsTable, branch, { dropBranch: true })
  reporter.fact('publish', `tide table publish demo.flights --branch ${branch}`)
  const after = await look(session)
  return [
    judgeDiff(diff, wanted),
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
    judgePublished(before, after),
  ]
}

/** Pure. */
export function judgeDiff(
  diff: Pick<ReplayDiff, 'same' | 'differing' | 'onlyBase' | 'onlyBranch'>,
  wanted: bigint,
): DemoCheck {
  const others = diff.differing + diff.onlyBase + diff.onlyBranch
  return {
    name: 'row by row',
    passed: diff.same === wanted && wanted > 0n && others === 0n,
    detail: `${grouped(diff.same)} of the ${grouped(wanted)} records read again are the rows of main, ${grouped(others)} are not`,
  }
}

/** Pure. */
export function judgePublished(before: Looked, after: Looked): DemoCheck {
  const isSame =
    before.content.rows === after.content.rows && before.content.hashSum === after.content.hashSum
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

async function look(session: DemoSession): Promise<Looked> {
  const { table } = await readCommitted(session)
  if (table === undefined) throw new NotFoundError('the demo left no table demo.flights')
  const content = await tableContent(session.database, await listDataFiles(session.lake.io, table))
  const snapshotId = currentSnapshot(table.metadata)?.snapshotId
  return { content, offsets: await offsetsText(table), snapshotId }
}
