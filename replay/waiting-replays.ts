/** The replays of a table that have a branch: until they are published and dropped, or thrown away, it keeps its files. */
import { formatIdentifier } from '../catalog/format/index.ts'
import type { Table } from '../catalog/index.ts'
import { CorruptDataError } from '../common/index.ts'
import { replayPropertyKey } from '../ingest/index.ts'
import { hasBranch, headSnapshot } from './branch-head.ts'
import { offsetsLeft } from './replay-progress.ts'
import { readReplayRecord, type ReplayRecord } from './replay-record.ts'

export interface WaitingReplay {
  readonly table: string
  readonly branch: string
  readonly stream: string
  readonly request: string
  readonly state: 'unfinished' | 'finished' | 'published' | 'branch removed' | 'unreadable'
  /** When it began; undefined where its record does not say it. */
  readonly beganMs: number | undefined
  /** Offsets that are still to be read. */
  readonly left: bigint
}

/** In the order of their branches' names. */
export function waitingReplays(table: Table): readonly WaitingReplay[] {
  const { properties } = table.metadata
  const prefix = replayPropertyKey('')
  const branches = Object.keys(properties)
    .filter((key) => key.startsWith(prefix))
    .map((key) => key.slice(prefix.length))
    .sort()
  return branches.map((branch) => {
    const record = readReplayRecord(properties, branch)
    const common = {
      table: formatIdentifier(table.identifier),
      branch,
      stream: record?.stream ?? '',
      request: record?.request ?? '',
      beganMs: record?.beganMs,
    }
    if (record === undefined || !hasBranch(table.metadata, branch)) {
      return { ...common, state: 'branch removed', left: 0n }
    }
    return { ...common, ...progressOf(table, branch, record) }
  })
}

/** Offsets that a person has changed must not hide the other replays. */
function progressOf(
  table: Table,
  branch: string,
  record: ReplayRecord,
): Pick<WaitingReplay, 'left' | 'state'> {
  try {
    const left = offsetsLeft({ branch, record, table })
    if (left > 0n) return { state: 'unfinished', left }
    const isPublished = record.published?.head === headSnapshot(table, branch)?.snapshotId
    return { state: isPublished ? 'published' : 'finished', left }
  } catch (error) {
    if (!(error instanceof CorruptDataError)) throw error
    return { state: 'unreadable', left: 0n }
  }
}
