/** Act 2: the many small files of a stream become few, and nothing else changes. */
import { rewriteOptions } from '../compactor/index.ts'
import { formatSize } from '../common/index.ts'
import { openCompactor } from '../app/index.ts'
import type { DemoCheck, DemoReporter } from './demo-reporter.ts'
import type { DemoSession } from './demo-session.ts'
import { type FlightsState, flightsTable, readFlightsState } from './flights-table.ts'
import { grouped } from './grouped.ts'
import { isSameContent } from './table-accounts.ts'

export async function compactFlights(
  session: DemoSession,
  reporter: DemoReporter,
): Promise<readonly DemoCheck[]> {
  const before = await readFlightsState(session)
  const compactor = await openCompactor(session.lake)
  try {
    reporter.fact('compactor', 'tide table rewrite-data-files demo.flights', 'min-input-files=2')
    await compactor.rewrite(flightsTable, {
      options: (properties) => rewriteOptions(properties, { 'min-input-files': '2' }),
    })
  } finally {
    await compactor.close()
  }
  const after = await readFlightsState(session)
  reporter.fact('files', `${before.files.paths.length} before, ${after.files.paths.length} after`)
  return checkCompaction(before, after)
}

type ComparedState = Omit<FlightsState, 'snapshotId'>

/** Pure. */
export function checkCompaction(before: ComparedState, after: ComparedState): readonly DemoCheck[] {
  const [many, few] = [before.files.paths.length, after.files.paths.length]
  const sizes = [before, after].map(({ files }) => formatSize(Number(files.sizeBytes)))
  const { rows, hashSum } = after.content
  const isSame = isSameContent(before.content, after.content)
  return [
    {
      name: 'fewer files',
      passed: few > 0 && few < many,
      detail: `${many} data files of ${sizes[0] ?? ''} became ${few} of ${sizes[1] ?? ''}`,
    },
    {
      name: 'same rows',
      passed: isSame,
      detail: isSame
        ? `${grouped(rows)} rows before and after, hash of all columns ${hashSum}`
        : `${grouped(before.content.rows)} rows, hash ${before.content.hashSum}, became ${grouped(rows)}, hash ${hashSum}`,
    },
    {
      name: 'same place',
      passed: after.offsets !== '' && after.offsets === before.offsets,
      detail: `the sink would go on at ${after.offsets}`,
    },
  ]
}
