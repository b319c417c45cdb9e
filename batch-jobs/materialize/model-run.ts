/** The input and the outcome of every materialization. */
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
import { type Rendering, renderTemplate } from './render-model.ts'

/** What batch jobs need from outside; made once by `app`. */
export interface BatchTools {
  readonly catalog: Catalog
  readonly io: FileIO
  /** Options of the query engine; each run adds a catalog of pinned tables. */
  readonly query: Omit<QueryEngineOptions, 'catalog'>
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly cache: ManifestCache
  /** Data files are written to a folder in it before they are uploaded. */
  readonly workDirectory: string
}

export interface RunFlags {
  readonly fullRefresh: boolean
  /** Lets a full refresh discard the history of a snapshot model. */
  readonly discardHistory: boolean
  readonly window: { readonly startMs?: number; readonly endMs?: number } | undefined
}

/** One run of one model. After a conflict with another run a new one is made. */
export interface ModelRun {
  readonly tools: BatchTools
  readonly rendering: Rendering
  readonly model: Model
  readonly flags: RunFlags
  readonly pins: PinnedTables
  readonly stage: QueryStage
  /** For data files; deleted at the end of the run. */
  readonly directory: string
  readonly startedMs: number
  /** The model's own table and its state, as pinned. */
  readonly table: Table | undefined
  readonly previous: ModelState | undefined
  /** True when an earlier try conflicted with another run. */
  readonly isRetry: boolean
}

export interface Outcome {
  readonly status: 'success' | 'skipped'
  readonly message: string
  readonly rowsAffected: number
  readonly computed: readonly Span[]
  readonly snapshotId: bigint | undefined
}

/** Every table that the run has read, with its state, except the model's own. */
export async function sourcesOf({ pins, model }: ModelRun): Promise<SourceStates> {
  const own = formatIdentifier(model.table)
  const tables = await pins.read()
  return new Map(
    [...tables]
      .filter(([name]) => name !== own)
      .map(([name, table]) => [name, sourceStateOf(table.metadata)]),
  )
}

/** The model's query for this run. */
export function modelSql(
  { rendering, model }: ModelRun,
  { isIncremental, span }: { readonly isIncremental: boolean; readonly span?: Span },
): string {
  return renderTemplate(rendering, model.template, { table: model.table, isIncremental, span })
}

/** The active data files of the model's table as pinned. */
export async function activeFiles(run: ModelRun): Promise<readonly DataFile[]> {
  return (await activeTasks(run)).map(({ file }) => file)
}

/** The same, each with its deletes. */
export async function activeTasks({ tools, table }: ModelRun): Promise<readonly FileScanTask[]> {
  if (table === undefined || currentSnapshot(table.metadata) === undefined) return []
  return (await planScan(tools.io, table, {}, tools.cache)).tasks
}

export function previousState(table: Table | undefined): ModelState | undefined {
  return table === undefined ? undefined : modelStateOf(table.metadata)
}
