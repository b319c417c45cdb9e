/**
 * Replays of streams: a range of the log read again into a branch, compared, published.
 *
 * The parts are loaded when they are called: most programs replay nothing.
 */
import type { TableIdentifier } from '../catalog/format/index.ts'
import type { StreamSettings } from '../ingest/settings/index.ts'
import type {
  ExecuteOptions,
  PublishOptions,
  PublishReport,
  ReplayDiff,
  ReplayPreview,
  ReplayReport,
  ReplayRequest,
} from '../replay/index.ts'
import type { Lake } from './lake.ts'
import { openReplayTools } from './open-replay.ts'
import { requireSafeStore } from './safe-store.ts'

const samplesMaxDefault = 5

/**
 * What a replay begun now would read and exchange, whatever the branch holds; changes nothing. Throws
 * ReplayRefusedError.
 */
export async function previewReplay(
  lake: Lake,
  settings: StreamSettings,
  request: ReplayRequest,
): Promise<ReplayPreview> {
  const replay = await import('../replay/index.ts')
  const tools = openReplayTools(lake)
  const plan = await replay.planReplay(tools, settings, { ...request, restart: true })
  return replay.previewReplay(tools, plan)
}

/**
 * Reads the range again into the branch, exactly once however often it is called or killed. The
 * stream's own branch is not touched. Throws ReplayRefusedError.
 */
export async function executeReplay(
  lake: Lake,
  settings: StreamSettings,
  options: ReplayRequest & ExecuteOptions,
): Promise<ReplayReport> {
  await requireSafeStore(lake)
  const replay = await import('../replay/index.ts')
  const tools = openReplayTools(lake)
  const plan = await replay.planReplay(tools, settings, options)
  return replay.executeReplay(tools, settings, plan, options)
}

/** Row by row, what the branch of a replay changes; `samplesMax` of each kind. */
export async function diffReplay(
  lake: Lake,
  table: TableIdentifier,
  branch: string,
  samplesMax: number = samplesMaxDefault,
): Promise<ReplayDiff> {
  const replay = await import('../replay/index.ts')
  return replay.diffBranch(openReplayTools(lake), table, branch, samplesMax)
}

/** Applies what a branch changed to its target as it is now. Publishing twice changes nothing. */
export async function publishBranch(
  lake: Lake,
  table: TableIdentifier,
  branch: string,
  options: PublishOptions = {},
): Promise<PublishReport> {
  await requireSafeStore(lake)
  const replay = await import('../replay/index.ts')
  return replay.publishBranch(openReplayTools(lake), table, branch, options)
}
