/** How far a replay has come, which the offsets of its own branch say. */
import { formatIdentifier } from '../catalog/format/index.ts'
import type { Table } from '../catalog/index.ts'
import { restoreOffsets } from '../ingest/index.ts'
import { hasBranch } from './branch-head.ts'
import { branchRemoved, isEmptied } from './replay-branch.ts'
import { ReplayRefusedError } from './replay-ranges.ts'
import { replayLag, type ReplayRecord } from './replay-record.ts'

interface ReplayOfTable {
  readonly branch: string
  readonly record: ReplayRecord
  readonly table: Table
}

/** Offsets that are still to be read; all of them as long as the range is not removed. Throws ReplayRefusedError. */
export function offsetsLeft({ branch, record, table }: ReplayOfTable): bigint {
  if (!hasBranch(table.metadata, branch)) {
    throw branchRemoved({ table: formatIdentifier(table.identifier), branch })
  }
  if (!isEmptied(table, branch)) return replayLag(undefined, record)
  return replayLag(restoreOffsets(table, branch).get(record.stream), record)
}

/** Throws ReplayRefusedError: what an unfinished replay holds is no result. */
export function requireFinished(replay: ReplayOfTable): void {
  const left = offsetsLeft(replay)
  if (left === 0n && isEmptied(replay.table, replay.branch)) return
  const { branch, record, table } = replay
  throw new ReplayRefusedError(
    'the replay has not finished: run the same command again with --execute until it has',
    {
      facts: {
        table: formatIdentifier(table.identifier),
        branch,
        stream: record.stream,
        left,
        request: record.request,
      },
    },
  )
}
