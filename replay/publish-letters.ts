/**
 * Publishes the letters of a replay, before and after the commit that publishes the rows (P9).
 *
 * Letters and rows are in two tables and so in two commits. New letters are added before the rows are
 * published, and letters that became rows are removed after that. So whenever a publishing is killed or
 * given up, each record of the range is a row or a letter, at worst both until the publishing is done.
 */
import { type DataFile, formatIdentifier, mainBranch } from '../catalog/format/index.ts'
import { ancestorsOf, type Table } from '../catalog/index.ts'
import { changeRange, redoOnTarget } from './change-range.ts'
import type { ReplayPlan } from './plan-replay.ts'
import { findRangeFiles, holdSameRows, rewriteRows, writeRows } from './range-files.ts'
import type { RangeTools } from './range-tools.ts'
import { hasBranch, headSnapshot } from './branch-head.ts'
import { branchRemoved } from './replay-branch.ts'
import { publishedPropertyKey, readReplayRecord, type ReplayRecord } from './replay-record.ts'
import { type RowRange, selectRange } from './row-range.ts'

/** Adds the letters that only the replay has. Throws ReplayRefusedError when the branch is missing. */
export async function addLetters(
  tools: RangeTools,
  { record, letters, letterRows }: ReplayPlan,
): Promise<void> {
  const { deadLetterTable, letterBranch } = record
  if (letters === undefined || !hasBranch(letters.metadata, letterBranch)) {
    throw branchRemoved({ table: deadLetterTable, branch: letterBranch })
  }
  const missing = await missingLetters(tools, letters, letterBranch, letterRows)
  if (missing.length === 0) return
  const { identifier, metadataLocation } = letters
  await changeRange(
    { tools, identifier, target: mainBranch, range: letterRows },
    {
      standingOn: [letterBranch],
      summary: { 'tidewater.replay': record.request },
      changes: async (base) => {
        if (base.metadataLocation === metadataLocation) return { added: missing }
        return { added: await missingLetters(tools, base, letterBranch, letterRows) }
      },
    },
  )
}

/** Writes and uploads files of the letters that main lacks. */
async function missingLetters(
  tools: RangeTools,
  table: Table,
  letterBranch: string,
  range: RowRange,
): Promise<readonly DataFile[]> {
  const { stage, pin } = tools
  pin(table)
  const columns = coordinateColumns.join(', ')
  await stage.load('letters_main', selectRange(table, mainBranch, range, columns))
  await stage.load('letters_branch', selectRange(table, letterBranch, range))
  const isSame = coordinateColumns
    .map((column) => `letters_branch.${column} = letters_main.${column}`)
    .join(' AND ')
  const select = `SELECT letters_branch.* FROM letters_branch ANTI JOIN letters_main ON ${isSame}`
  return writeRows(tools, table, select)
}

const coordinateColumns = ['"topic"', '"partition"', '"offset"'] as const

/**
 * Replaces the range's letters by those of the replay, once for each publishing of the rows; completes a
 * publishing that was killed. `table` is the stream's table after the publishing, `letters` the dead-letter table.
 */
export async function settleLetters(
  tools: RangeTools,
  { branch, record: planned, letterRows: range }: ReplayPlan,
  table: Table,
  letters: Table | undefined,
): Promise<void> {
  const record = readReplayRecord(table.metadata.properties, branch) ?? planned
  const { letterBranch } = record
  // The branch was dropped at the end of an earlier publishing.
  if (letters === undefined || !hasBranch(letters.metadata, letterBranch)) return
  const key = publishedPropertyKey(letterBranch)
  const mark = String(record.published?.sequenceNumber ?? 'unknown')
  if (letters.metadata.properties[key] === mark) return
  if (await holdSameRows(tools, letters, [mainBranch, letterBranch], range)) return
  const { identifier } = letters
  if (hasLaterPublishing(table, record)) {
    const facts = { table: formatIdentifier(identifier), branch: letterBranch }
    tools.logger.info('replay.letters-left', { ...facts, reason: 'another branch came after' })
    return
  }
  await redoOnTarget({ tools, identifier, target: mainBranch, range }, letterBranch, {
    extraUpdates: () => [{ action: 'set-properties', updates: { [key]: mark } }],
  })
}

/**
 * Removes the range's letters from the tables that had the stream's letters before `errors.dlq.table` was changed:
 * what became of these records is in the rows and letters of the replay.
 */
export async function removeOlderLetters(
  tools: RangeTools,
  { branch, record: planned, letterRows: range, olderLetters }: ReplayPlan,
  table: Table,
): Promise<void> {
  const record = readReplayRecord(table.metadata.properties, branch) ?? planned
  if (hasLaterPublishing(table, record)) return
  for (const letters of olderLetters) {
    const { rowCount } = await findRangeFiles(tools, letters, mainBranch, range)
    if (rowCount === 0n) continue
    const { identifier } = letters
    await changeRange(
      { tools, identifier, target: mainBranch, range },
      {
        summary: { 'tidewater.replay': record.request },
        changes: async (base) => {
          const { whole, partial } = await findRangeFiles(tools, base, mainBranch, range)
          const added = await rewriteRows(tools, base, mainBranch, partial, range, 'outside')
          return { removed: [...whole, ...partial], added }
        },
      },
    )
  }
}

/** True when another branch was published later: its letters must not be replaced by earlier ones. */
function hasLaterPublishing(table: Table, { target, published }: ReplayRecord): boolean {
  const since = published?.sequenceNumber
  const history = ancestorsOf(table.metadata, headSnapshot(table, target)?.snapshotId)
  return [...history].some(
    ({ sequenceNumber, summary }) =>
      since !== undefined &&
      sequenceNumber > since &&
      summary?.['tidewater.published-branch'] !== undefined,
  )
}
