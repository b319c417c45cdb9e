/** The health of a table, with the replays whose branches wait. */
import type { HealthCheck } from '../compactor/index.ts'
import { formatIdentifier, type TableIdentifier } from '../catalog/format/index.ts'
import { formatDuration } from '../common/index.ts'
import type { WaitingReplay } from '../replay/index.ts'
import type { Lake } from './lake.ts'
import { waitingReplays } from './replay-stream.ts'

export type LakeHealthCheck = Omit<HealthCheck, 'check'> & {
  readonly check: HealthCheck['check'] | 'replays'
}

/** What a branch holds never expires, so one that is forgotten costs more each day. */
const waitingMsMax = 86_400_000

export async function lakeTableHealth(
  lake: Lake,
  table: TableIdentifier,
): Promise<readonly LakeHealthCheck[]> {
  const { tableHealth } = await import('../compactor/index.ts')
  const { checks } = await tableHealth(lake, table)
  const waiting = await waitingReplays(await lake.catalog.loadTable(table))
  return [...checks, checkReplays(table, waiting, lake.clock.now())]
}

function checkReplays(
  table: TableIdentifier,
  waiting: readonly WaitingReplay[],
  nowMs: number,
): LakeHealthCheck {
  const ageOf = ({ beganMs }: WaitingReplay): number => Math.max(0, nowMs - (beganMs ?? 0))
  const [oldest] = [...waiting].sort((a, b) => ageOf(b) - ageOf(a))
  if (oldest === undefined) {
    return { check: 'replays', isOk: true, state: 'none waits', reason: undefined, cure: undefined }
  }
  const each = waiting.map(
    (one) => `${one.branch}: ${one.state}, ${formatDuration(ageOf(one))} old`,
  )
  const name = formatIdentifier(table)
  const { branch, state } = oldest
  const discard = `tide table discard ${name} --branch ${branch} --execute`
  const publish = `tide table publish ${name} --branch ${branch} --drop-branch`
  return {
    check: 'replays',
    isOk: ageOf(oldest) < waitingMsMax,
    state: each.join('; '),
    reason:
      'the files of a replay\u2019s branch do not expire before it is published and dropped, or thrown away',
    cure: state === 'finished' || state === 'published' ? `${publish}; or ${discard}` : discard,
  }
}
