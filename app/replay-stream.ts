/**
 * Replays of streams: a range of the log read again into a branch, compared, published.
 *
 * The parts are loaded when they are called: most programs replay nothing.
 */
import type { TableIdentifier } from '../catalog/format/index.ts'
import type { StreamSettings } from '../ingest/settings/index.ts'
import type {
  PublishOptions,
  PublishReport,
  ReplayDiff,
  ReplayOptions,
  ReplayPlan,
  ReplayReport,
  ReplayRequest,
} from '../replay/index.ts'
import type { Lake } from './lake.ts'
import { openReplayTools } from './open-replay.ts'
import { requireSafeStore } from './safe-store.ts'

const samplesMaxDefault = 5

/** What the replay would read and exchange; changes nothing. Throws ReplayRefusedError. */
export async function planReplay(
  lake: Lake,
  settings: StreamSettings,
  request: ReplayRequest,
): Promise<ReplayPlan> {
  const replay = await import('../replay/index.ts')
  return replay.planReplay(openReplayTools(lake), settings, request)
}

/**
 * Reads the range again into the branch, exactly once however often it is called or killed. The
 * stream's own branch is not touched. Throws ReplayRefusedError.
 */
export async function executeReplay(
  lake: Lake,
  settings: StreamSettings,
  options: ReplayOptions,
): Promise<ReplayReport> {
  await requireSafeStore(lake)
  const replay = await import('../replay/index.ts')
  return replay.executeReplay(openReplayTools(lake), settings, options)
}

/** Row by row, what the branch of a replay changes; `samplesMax` of each kind. */
export async function diffReplay(
  lake: Lake,
  table: TableIdentifier,
  branch: string,
  samplesMax: number = samplesMaxDefault,
): Promise<ReplayDiff> {
  const replay = await import('../replay/index.ts')
  return replay.diffReplay(openReplayTools(lake), table, branch, samplesMax)
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
