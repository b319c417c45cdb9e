/**
 * Throws a branch away: that of a replay with its letters and its record, that of a stream with its offsets. No
 * file is deleted; expiry removes those that only the branch had.
 */
import { formatIdentifier, mainBranch, type TableIdentifier } from '../catalog/format/index.ts'
import { ancestorsOf, offsetsProperty, type Table } from '../catalog/index.ts'
import { NotFoundError, ValidationError } from '../common/index.ts'
import { hasBranch } from './branch-head.ts'
import { baseBranch, dropLetterBranch, dropReplayBranch } from './replay-branch.ts'
import { readReplayRecord } from './replay-record.ts'
import type { ReplayTools } from './replay-tools.ts'

export interface DiscardOptions {
  /** Without it nothing is changed. */
  readonly execute?: boolean
}

export interface DiscardReport {
  readonly table: string
  /** What is removed, or would be. */
  readonly branches: readonly string[]
  /** The replay's branch of the dead-letter table; undefined for a branch that no replay made. */
  readonly letters: { readonly table: string; readonly branch: string } | undefined
  /** Snapshots that nothing but these branches holds, and that expire after it. */
  readonly snapshots: number
  readonly isDryRun: boolean
}

/** Throws NotFoundError for a branch that does not exist, ValidationError for one that must stay. */
export async function discardBranch(
  tools: ReplayTools,
  identifier: TableIdentifier,
  branch: string,
  { execute = false }: DiscardOptions = {},
): Promise<DiscardReport> {
  const table = await tools.catalog.loadTable(identifier)
  const record = readReplayRecord(table.metadata.properties, branch)
  checkDiscardable(table, branch, record !== undefined)
  const branches = [branch, ...(record === undefined ? [] : [baseBranch(branch)])].filter((name) =>
    hasBranch(table.metadata, name),
  )
  const report: DiscardReport = {
    table: formatIdentifier(identifier),
    branches,
    letters:
      record === undefined
        ? undefined
        : { table: record.deadLetterTable, branch: record.letterBranch },
    snapshots: countOnlyIn(table, branches),
    isDryRun: !execute,
  }
  if (!execute) return report
  // The letters first: the record of the replay, which names them, goes with the branch.
  if (record !== undefined) await dropLetterBranch(tools, record)
  await dropReplayBranch(tools, table, branch)
  return report
}

function checkDiscardable(
  { identifier, metadata }: Table,
  branch: string,
  isReplay: boolean,
): void {
  const { refs, properties } = metadata
  const facts = { table: formatIdentifier(identifier), branch }
  if (branch === mainBranch) {
    throw new ValidationError('main is the table itself and cannot be thrown away', { facts })
  }
  const owner = Object.keys(refs).find(
    (name) => baseBranch(name) === branch && readReplayRecord(properties, name) !== undefined,
  )
  if (owner !== undefined) {
    throw new ValidationError('the branch belongs to a replay: name the replay\u2019s own branch', {
      facts: { ...facts, replay: owner },
    })
  }
  if (refs[branch]?.type === 'tag') {
    throw new ValidationError('this is a tag and no branch', { facts })
  }
  const isThere = hasBranch(metadata, branch) || offsetsProperty(metadata, branch) !== undefined
  if (isReplay || isThere) return
  throw new NotFoundError('the table has no such branch', {
    facts: { ...facts, branches: Object.keys(refs).join(',') },
  })
}

function countOnlyIn({ metadata }: Table, branches: readonly string[]): number {
  const idsOf = (names: readonly string[]): ReadonlySet<string> =>
    new Set(
      names.flatMap((name) =>
        [...ancestorsOf(metadata, metadata.refs[name]?.snapshotId)].map(({ snapshotId }) =>
          String(snapshotId),
        ),
      ),
    )
  const others = idsOf(Object.keys(metadata.refs).filter((name) => !branches.includes(name)))
  return [...idsOf(branches)].filter((id) => !others.has(id)).length
}
