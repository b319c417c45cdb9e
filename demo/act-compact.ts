/** Act 2: the many small files of a stream become few, and nothing else changes. */
import type { Table } from '../catalog/index.ts'
import { NotFoundError, formatSize } from '../common/index.ts'
import { openCompactor } from '../app/index.ts'
import type { DemoCheck, DemoReporter } from './demo-reporter.ts'
import { type DemoSession, flightsTable, readCommitted } from './demo-session.ts'
import { grouped } from './judge-books.ts'
import { type Content, type LakeFiles, listDataFiles, tableContent } from './lake-books.ts'

interface Looked {
  readonly files: LakeFiles
  readonly content: Content
  /** What the table says of each partition of the log, as text. */
  readonly offsets: string
}

export async function compactFlights(
  session: DemoSession,
  reporter: DemoReporter,
): Promise<readonly DemoCheck[]> {
  const before = await look(session)
  const { rewriteOptions } = await import('../compactor/index.ts')
  const compactor = await openCompactor(session.lake)
  try {
    reporter.fact('compactor', 'tide table rewrite-data-files demo.flights', 'min-input-files=2')
    await compactor.rewrite(flightsTable, {
      options: (properties) => rewriteOptions(properties, { 'min-input-files': '2' }),
    })
  } finally {
    await compactor.close()
  }
  const after = await look(session)
  reporter.fact('files', `${before.files.paths.length} before, ${after.files.paths.length} after`)
  return judgeCompaction(before, after)
}

/** Pure. */
export function judgeCompaction(before: Looked, after: Looked): readonly DemoCheck[] {
  const [many, few] = [before.files.paths.length, after.files.paths.length]
  const sizes = [before, after].map(({ files }) => formatSize(Number(files.sizeBytes)))
  const { rows, hashSum } = after.content
  const isSame =
    before.content.rows === rows &&
    before.content.hashSum === hashSum &&
    before.content.delaySum === after.content.delaySum &&
    before.content.distanceSum === after.content.distanceSum
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

async function look(session: DemoSession): Promise<Looked> {
  const { table } = await readCommitted(session)
  if (table === undefined) throw new NotFoundError('the demo left no table demo.flights')
  const files = await listDataFiles(session.lake.io, table)
  const content = await tableContent(session.database, files)
  return { files, content, offsets: await offsetsText(table) }
}

export async function offsetsText(table: Table): Promise<string> {
  const { restoreOffsets } = await import('../ingest/index.ts')
  return [...restoreOffsets(table, 'main')]
    .flatMap(([, { topics }]) => [...topics])
    .flatMap(([topic, { nextOffsets }]) =>
      [...nextOffsets]
        .sort(([left], [right]) => left - right)
        .map(([partition, next]) => `${topic}/${partition}:${grouped(next)}`),
    )
    .join(' ')
}
