/** What every materialization is given and gives back. */
import type { Catalog, ManifestCache, Table } from '../../catalog/index.ts'
import { currentSnapshot, type DataFile, formatIdentifier } from '../../catalog/format/index.ts'
import { type FileScanTask, planScan } from '../../catalog/scan/index.ts'
import type { Clock, Logger, Random } from '../../common/index.ts'
import type { FileIO } from '../../io/index.ts'
import type { QueryEngineOptions, QueryStage } from '../../sql/index.ts'
import type { Span } from '../intervals/interval.ts'
import {
  type ModelState,
  modelStateOf,
  sourceStateOf,
  type SourceStates,
} from '../intervals/model-state.ts'
import type { Model } from '../project/model.ts'
import type { PinnedTables } from './pinned-tables.ts'
import type { Rendering } from './render-model.ts'

/** What jobs stand on; made once by `app`. */
export interface BatchTools {
  readonly catalog: Catalog
  readonly io: FileIO
  /** How queries are run; their catalog is pinned for each run. */
  readonly query: Omit<QueryEngineOptions, 'catalog'>
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly cache: ManifestCache
  /** Data files are written below it before they are uploaded. */
  readonly workDirectory: string
}

export interface RunFlags {
  readonly fullRefresh: boolean
  /** Lets a full refresh throw away the history of snapshots. */
  readonly discardHistory: boolean
  readonly window: { readonly startMs?: number; readonly endMs?: number } | undefined
}

/** One attempt at one model. */
export interface Attempt {
  readonly tools: BatchTools
  readonly rendering: Rendering
  readonly model: Model
  readonly flags: RunFlags
  readonly pins: PinnedTables
  readonly stage: QueryStage
  /** For data files; deleted when the attempt is over. */
  readonly directory: string
  readonly startedMs: number
  /** The model's own table and its state, as pinned. */
  readonly table: Table | undefined
  readonly previous: ModelState | undefined
  /** True when an earlier attempt lost against another run. */
  readonly isRetry: boolean
}

export interface Outcome {
  readonly status: 'success' | 'skipped'
  readonly message: string
  readonly rowsAffected: number
  readonly computed: readonly Span[]
  readonly snapshotId: bigint | undefined
}

/** Every table that the run has looked at, with its state; the model's own is none of them. */
export async function sourcesOf({ pins, model }: Attempt): Promise<SourceStates> {
  const own = formatIdentifier(model.table)
  const tables = await pins.read()
  return new Map(
    [...tables]
      .filter(([name]) => name !== own)
      .map(([name, table]) => [name, sourceStateOf(table.metadata)]),
  )
}

export function stateOf(
  attempt: Attempt,
  sources: SourceStates,
  done: ModelState['done'],
): ModelState {
  const { model, rendering, startedMs } = attempt
  const { name, checksum } = model
  return { model: name, runId: rendering.runId, startedMs, checksum, sources, done }
}

/** The active data files of the model's table as pinned. */
export async function activeFiles(attempt: Attempt): Promise<readonly DataFile[]> {
  return (await activeTasks(attempt)).map(({ file }) => file)
}

/** The same, each with its deletes. */
export async function activeTasks({ tools, table }: Attempt): Promise<readonly FileScanTask[]> {
  if (table === undefined || currentSnapshot(table.metadata) === undefined) return []
  return (await planScan(tools.io, table, {}, tools.cache)).tasks
}

export function previousState(table: Table | undefined): ModelState | undefined {
  return table === undefined ? undefined : modelStateOf(table.metadata)
}
