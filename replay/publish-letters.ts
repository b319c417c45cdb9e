/**
 * The letters of a replay on their way to their table, around the commit that publishes the rows (P9).
 *
 * Letters and rows are two tables and so two commits. Those that the replay has made are added before the
 * rows, those that it has made rows of are taken away after them: whenever a publishing is killed, or given
 * up, each record of the range is a row or a letter, at worst both until the publishing is done.
 */
import {
  currentSchema,
  type DataFile,
  defaultPartitionSpec,
  mainBranch,
  formatIdentifier,
  parseTableName,
} from '../catalog/format/index.ts'
import { ancestorsOf, type Table, uploadDataFiles } from '../catalog/index.ts'
import { findTable } from '../ingest/index.ts'
import { publishedPropertyKey, readReplayRecord, type ReplayRecord } from './replay-record.ts'
import {
  holdSameRows,
  letterRangeOf,
  type RangeTools,
  type RowRange,
  tableAt,
} from './range-files.ts'
import {
  branchRemoved,
  changeRange,
  hasBranch,
  headSnapshot,
  redoOnTarget,
} from './replay-branch.ts'

/** Adds what is a letter by the replay and was none before. Throws ReplayRefusedError without the branch. */
export async function addLetters(tools: RangeTools, record: ReplayRecord): Promise<void> {
  const { deadLetterTable, letterBranch } = record
  const table = await findTable(tools.catalog, parseTableName(deadLetterTable))
  if (table === undefined || !hasBranch(table.metadata, letterBranch)) {
    throw branchRemoved({ table: deadLetterTable, branch: letterBranch })
  }
  const range = letterRangeOf(record.stream, record.ranges)
  const found = await missingLetters(tools, table, letterBranch, range)
  if (found.length === 0) return
  const { identifier, metadataLocation } = table
  await changeRange(
    { tools, identifier, target: mainBranch, range },
    {
      standingOn: [letterBranch],
      summary: { 'tidewater.replay': record.request },
      changes: async (base) => {
        if (base.metadataLocation === metadataLocation) return { added: found }
        return { added: await missingLetters(tools, base, letterBranch, range) }
      },
    },
  )
}

/** Files of the letters that main has not, written and uploaded. */
async function missingLetters(
  tools: RangeTools,
  table: Table,
  letterBranch: string,
  { condition }: RowRange,
): Promise<readonly DataFile[]> {
  const { stage, directory, pin } = tools
  pin(table)
  const select = (columns: string, ref: string): string =>
    `SELECT ${columns} FROM ${tableAt(table, ref)} WHERE ${condition}`
  await stage.load('letters_there', select(placeColumns.join(', '), mainBranch))
  await stage.load('letters_ours', select('*', letterBranch))
  const written = await stage.write({
    select: `SELECT o.* FROM letters_ours o ANTI JOIN letters_there t ON ${placeColumns
      .map((column) => `o.${column} = t.${column}`)
      .join(' AND ')}`,
    schema: currentSchema(table.metadata),
    spec: defaultPartitionSpec(table.metadata),
    directory,
    properties: table.metadata.properties,
  })
  return uploadDataFiles(tools, table.metadata, written)
}

const placeColumns = ['"topic"', '"partition"', '"offset"'] as const

/**
 * Makes the range's letters those of the replay, once for each publishing of the rows; goes on where one
 * was killed. `rows` is the stream's table after that.
 */
export async function settleLetters(
  tools: RangeTools,
  rows: Table,
  branch: string,
  begun: ReplayRecord,
): Promise<void> {
  const record = readReplayRecord(rows.metadata.properties, branch) ?? begun
  const { deadLetterTable, letterBranch } = record
  const table = await findTable(tools.catalog, parseTableName(deadLetterTable))
  // Dropped: by the end of an earlier publishing.
  if (table === undefined || !hasBranch(table.metadata, letterBranch)) return
  const key = publishedPropertyKey(letterBranch)
  const mark = String(record.published?.sequenceNumber ?? 'unknown')
  if (table.metadata.properties[key] === mark) return
  const range: RowRange = letterRangeOf(record.stream, record.ranges)
  if (await holdSameRows(tools, table, [mainBranch, letterBranch], range)) return
  if (isPublishedOver(rows, record)) {
    const facts = { table: formatIdentifier(table.identifier), branch: letterBranch }
    tools.logger.info('replay.letters-left', { ...facts, reason: 'another branch came after' })
    return
  }
  const { identifier } = table
  await redoOnTarget({ tools, identifier, target: mainBranch, range }, letterBranch, {
    extraUpdates: () => [{ action: 'set-properties', updates: { [key]: mark } }],
  })
}

/** Letters of a publishing that came later must not go for those of an earlier one. */
function isPublishedOver(rows: Table, { target, published }: ReplayRecord): boolean {
  const since = published?.sequenceNumber
  const history = ancestorsOf(rows.metadata, headSnapshot(rows, target)?.snapshotId)
  return [...history].some(
    ({ sequenceNumber, summary }) =>
      since !== undefined &&
      sequenceNumber > since &&
      summary?.['tidewater.published-branch'] !== undefined,
  )
}
