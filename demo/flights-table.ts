/** The demo's main table, as a reader sees it between two acts. */
import { restoreOffsets } from '../ingest/index.ts'
import { currentSnapshot } from '../catalog/format/index.ts'
import { loadTableIfExists, type Table } from '../catalog/index.ts'
import { NotFoundError } from '../common/index.ts'
import type { DemoSession } from './demo-session.ts'
import { grouped } from './grouped.ts'
import { type Content, type DataFiles, listDataFiles, tableContent } from './table-accounts.ts'

export const flightsTable = { namespace: ['demo'], name: 'flights' }
const deadLetterTable = { namespace: ['demo'], name: 'flights__dlq' }

/** What is visible to any reader of the table now. */
export interface CommittedCounts {
  readonly rows: number
  readonly snapshots: number
}

/** The table at one moment. */
export interface FlightsState {
  readonly snapshotId: bigint | undefined
  readonly files: DataFiles
  readonly content: Content
  /** The next offset of each partition of the log, as text. */
  readonly offsets: string
}

/** Zero rows until the sink has created the table. */
export async function readCommitted(session: DemoSession): Promise<CommittedCounts> {
  const table = await loadTableIfExists(session.lake.catalog, flightsTable)
  if (table === undefined) return { rows: 0, snapshots: 0 }
  return { rows: Number(recordsOf(table)), snapshots: table.metadata.snapshots.length }
}

export async function loadFlights(session: DemoSession): Promise<Table> {
  const table = await loadTableIfExists(session.lake.catalog, flightsTable)
  if (table !== undefined) return table
  throw new NotFoundError('the demo left no table demo.flights')
}

export async function readFlightsState(session: DemoSession): Promise<FlightsState> {
  const table = await loadFlights(session)
  const files = await listDataFiles(session.lake.io, table)
  return {
    snapshotId: currentSnapshot(table.metadata)?.snapshotId,
    files,
    content: await tableContent(session.database, files),
    offsets: offsetsText(table),
  }
}

export async function countDeadLetters(session: DemoSession): Promise<bigint> {
  const table = await loadTableIfExists(session.lake.catalog, deadLetterTable)
  return table === undefined ? 0n : recordsOf(table)
}

/** `total-records` of the newest snapshot. */
export function recordsOf({ metadata }: Table): bigint {
  return BigInt(currentSnapshot(metadata)?.summary?.['total-records'] ?? '0')
}

function offsetsText(table: Table): string {
  return [...restoreOffsets(table, 'main')]
    .flatMap(([, { topics }]) => [...topics])
    .flatMap(([topic, { nextOffsets }]) =>
      [...nextOffsets]
        .sort(([left], [right]) => left - right)
        .map(([partition, next]) => `${topic}/${partition}:${grouped(next)}`),
    )
    .join(' ')
}
