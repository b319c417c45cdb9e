/** Publishes any branch of a table; that of a replay with its dead letters. */
import { formatIdentifier, mainBranch, type TableIdentifier } from '../catalog/format/index.ts'
import { commitAction, PublishBranch, type Table } from '../catalog/index.ts'
import { planOfBranch, type ReplayPlan } from './plan-replay.ts'
import { publishReplay } from './publish-replay.ts'
import { commitTools, dropLetterBranch, dropReplayBranch, headSnapshot } from './replay-branch.ts'
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

function publishPlain(
  tools: ReplayTools,
  identifier: TableIdentifier,
  branch: string,
  target: string,
): Promise<Table> {
  const options = { from: branch, branch: target, fastForward: 'never' } as const
  const action = new PublishBranch(tools, options)
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
