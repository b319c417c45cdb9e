/**
 * Replays of streams: a range of the log read again into a branch, compared, published.
 *
 * The parts are loaded when they are called: most programs replay nothing.
 */
import type { TableIdentifier } from '../catalog/format/index.ts'
import type { Table } from '../catalog/index.ts'
import type { StreamSettings } from '../ingest/settings/index.ts'
import type {
  DiscardOptions,
  DiscardReport,
  ExecuteOptions,
  PublishOptions,
  PublishReport,
  ReplayDiff,
  ReplayPreview,
  ReplayReport,
  ReplayRequest,
  WaitingReplay,
} from '../replay/index.ts'
import type { Lake } from './lake.ts'
import { openReplayTools } from './open-replay.ts'
import { requireSafeStore } from './safe-store.ts'

const samplesMaxDefault = 5

/**
 * What the replay would read and exchange. Changes nothing, and throws what `executeReplay` would throw before it
 * changes anything.
 */
export async function previewReplay(
  lake: Lake,
  settings: StreamSettings,
  request: ReplayRequest,
): Promise<ReplayPreview> {
  await requireSafeStore(lake)
  const replay = await import('../replay/index.ts')
  const tools = openReplayTools(lake)
  const plan = await replay.planReplay(tools, settings, request)
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

/** Row by row, what the branch of a finished replay changes; `samplesMax` of each kind. Throws ReplayRefusedError. */
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

/** Throws a branch away, that of a replay with its dead letters; a dry run unless `execute`. */
export async function discardBranch(
  lake: Lake,
  table: TableIdentifier,
  branch: string,
  options: DiscardOptions = {},
): Promise<DiscardReport> {
  await requireSafeStore(lake)
  const { discardBranch: discard } = await import('../replay/index.ts')
  return discard(openReplayTools(lake), table, branch, options)
}

/** The replays of a table, in the state given, whose branches wait to be published or thrown away. */
export async function waitingReplays(table: Table): Promise<readonly WaitingReplay[]> {
  const { replayPropertyKey } = await import('../ingest/index.ts')
  const prefix = replayPropertyKey('')
  if (!Object.keys(table.metadata.properties).some((key) => key.startsWith(prefix))) return []
  const { waitingReplays: waitingIn } = await import('../replay/index.ts')
  return waitingIn(table)
}
