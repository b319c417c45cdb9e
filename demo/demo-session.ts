/** The parts of one demo: project, lake, log and engine, opened together and closed in reverse order. */
import { loadLakeSettings } from '../app/settings/index.ts'
import { currentSnapshot } from '../catalog/format/index.ts'
import type { Table } from '../catalog/index.ts'
import { type Clock, NotFoundError } from '../common/index.ts'
import type { EmbeddedLog } from '../ingest/index.ts'
import type { Database } from '../sql/index.ts'
import { type Lake, openLake } from '../app/index.ts'
import { type DemoProject, demoPartitions, demoTopic } from './demo-project.ts'
import type { LogRange } from './lake-books.ts'

export interface DemoSession {
  readonly project: DemoProject
  readonly lake: Lake
  readonly log: EmbeddedLog
  readonly database: Database
  readonly clock: Clock
  close(): Promise<void>
}

/** What is visible to any reader of the table now. */
export interface Committed {
  readonly rows: number
  readonly snapshots: number
  readonly table: Table | undefined
}

export const flightsTable = { namespace: ['demo'], name: 'flights' }
const deadLetterTable = { namespace: ['demo'], name: 'flights__dlq' }

export async function openDemoSession(project: DemoProject, clock: Clock): Promise<DemoSession> {
  const { EmbeddedLog } = await import('../ingest/index.ts')
  const { openDatabase } = await import('../sql/index.ts')
  const sources = { environment: {}, overrides: [], directory: project.directory }
  const { settings } = await loadLakeSettings(project.lakeFile, sources)
  const lake = await openLake(settings, { clock })
  const log = await EmbeddedLog.open(project.logDirectory, { clock })
  const database = await openDatabase()
  return {
    project,
    lake,
    log,
    database,
    clock,
    close: async () => {
      database.close()
      await log.close()
      await lake.close()
    },
  }
}

export async function readCommitted({ lake }: DemoSession): Promise<Committed> {
  try {
    const loaded = await lake.catalog.loadTable(flightsTable)
    const rows = recordsOf(loaded)
    return { rows: Number(rows), snapshots: loaded.metadata.snapshots.length, table: loaded }
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error
    return { rows: 0, snapshots: 0, table: undefined }
  }
}

export async function countDeadLetters({ lake }: DemoSession): Promise<bigint> {
  try {
    return recordsOf(await lake.catalog.loadTable(deadLetterTable))
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error
    return 0n
  }
}

export function recordsOf({ metadata }: Table): bigint {
  return BigInt(currentSnapshot(metadata)?.summary?.['total-records'] ?? '0')
}

export async function logRanges({ log }: DemoSession): Promise<readonly LogRange[]> {
  const ranges: LogRange[] = []
  for (let partition = 0; partition < demoPartitions; partition++) {
    const bounds = await log.offsetBounds({ topic: demoTopic, partition })
    ranges.push({ partition, first: bounds.earliest, next: bounds.latest })
  }
  return ranges
}
