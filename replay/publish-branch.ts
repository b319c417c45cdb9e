/** Publishes any branch of a table; that of a replay with its dead letters. */
import { formatIdentifier, mainBranch, type TableIdentifier } from '../catalog/format/index.ts'
import {
  ancestorsOf,
  commitAction,
  offsetsPropertyKey,
  offsetsSummaryKey,
  PublishBranch,
  type Table,
} from '../catalog/index.ts'
import { formatOffsetMap, replayPropertyKey } from '../ingest/index.ts'
import { planOfBranch, type ReplayPlan } from './plan-replay.ts'
import { publishReplay } from './publish-replay.ts'
import { hasBranch, headSnapshot } from './branch-head.ts'
import { carryOffsets } from './carry-offsets.ts'
import { commitTools, dropLetterBranch, dropReplayBranch } from './replay-branch.ts'
import type { ReplayTools } from './replay-tools.ts'

export interface PublishReport {
  readonly table: string
  readonly branch: string
  readonly target: string
  /** The head of the target after the publishing. */
  readonly snapshotId: bigint | undefined
  /** True when files of the range had been replaced on the target, so that the change was computed again. */
  readonly isRedone: boolean
  /** False when the branch had been published before, or changes nothing. */
  readonly isChanged: boolean
}

export interface PublishOptions {
  /** Default: where the branch came from. */
  readonly target?: string
  readonly dropBranch?: boolean
}

/** Publishing twice changes nothing. Throws ReplayRefusedError. */
export async function publishBranch(
  tools: ReplayTools,
  identifier: TableIdentifier,
  branch: string,
  options: PublishOptions = {},
): Promise<PublishReport> {
  const table = await tools.catalog.loadTable(identifier)
  const plan = await planOfBranch(tools, table, branch)
  const target = options.target ?? plan?.record.target ?? mainBranch
  const isDropped = options.dropBranch === true && wasPublished(table, branch, target)
  if (isDropped) return { ...nothingLeft(table, target), branch }
  const published =
    plan === undefined
      ? { table: await publishPlain(tools, identifier, branch, target), isRedone: false }
      : await publishReplay(tools, plan, target)
  if (options.dropBranch === true) await dropBranches(tools, identifier, branch, plan)
  const before = headSnapshot(table, target)?.snapshotId
  const after = headSnapshot(published.table, target)?.snapshotId
  return {
    table: formatIdentifier(identifier),
    branch,
    target,
    snapshotId: after,
    isRedone: published.isRedone,
    isChanged: before !== after,
  }
}

/** A publishing that was killed after its last commit has dropped the branch, and all that is left is the target's history. */
function wasPublished(table: Table, branch: string, target: string): boolean {
  const { metadata } = table
  if (
    hasBranch(metadata, branch) ||
    Object.hasOwn(metadata.properties, replayPropertyKey(branch))
  ) {
    return false
  }
  const history = ancestorsOf(metadata, headSnapshot(table, target)?.snapshotId)
  return [...history].some(({ summary }) => summary?.['tidewater.published-branch'] === branch)
}

function nothingLeft(table: Table, target: string): Omit<PublishReport, 'branch'> {
  return {
    table: formatIdentifier(table.identifier),
    target,
    snapshotId: headSnapshot(table, target)?.snapshotId,
    isRedone: false,
    isChanged: false,
  }
}

function publishPlain(
  tools: ReplayTools,
  identifier: TableIdentifier,
  branch: string,
  target: string,
): Promise<Table> {
  const carried = (base: Table): string | undefined => {
    const offsets = carryOffsets(base, branch, target)
    return offsets === undefined ? undefined : formatOffsetMap(offsets)
  }
  const action = new PublishBranch(tools, {
    from: branch,
    branch: target,
    fastForward: 'never',
    check: (base) => void carried(base),
    summary: (base) => {
      const text = carried(base)
      return text === undefined ? {} : { [offsetsSummaryKey]: text }
    },
    extraUpdates: (base) => {
      const text = carried(base)
      const updates = { [offsetsPropertyKey(target)]: text ?? '' }
      return text === undefined ? [] : [{ action: 'set-properties', updates }]
    },
  })
  return commitAction(tools.catalog, identifier, action, commitTools(tools))
}

/** Loads both tables again, because a branch that was removed during the publishing is not an error. */
async function dropBranches(
  tools: ReplayTools,
  identifier: TableIdentifier,
  branch: string,
  plan: ReplayPlan | undefined,
): Promise<void> {
  if (plan !== undefined) await dropLetterBranch(tools, plan.record)
  await dropReplayBranch(tools, await tools.catalog.loadTable(identifier), branch)
}
