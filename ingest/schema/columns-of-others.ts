/**
 * Columns whose values no stream has written as the place of a record, so that they say nothing about the log
 * even where they are called like metadata columns: keys of records, or columns of another writer.
 */
import {
  currentSchema,
  type DataFile,
  indexFields,
  mainBranch,
} from '../../catalog/format/index.ts'
import type { Table } from '../../catalog/index.ts'
import { planScan } from '../../catalog/scan/index.ts'
import type { FileIO } from '../../io/index.ts'
import { restoreOffsets } from '../offsets/checkpoint.ts'
import { placeColumnIds } from '../offsets/place-epochs.ts'

/** Of the columns that a stream could take for the place of its records. */
export async function columnsOfOthers(
  io: FileIO,
  table: Table,
  branch: string,
): Promise<ReadonlySet<number>> {
  const { metadata } = table
  const recorded = placeColumnIds(restoreOffsets(table, branch))
  const fields = [...indexFields(currentSchema(metadata)).values()]
  const candidates = fields
    .filter(({ path }) => placeNames.has(path.join('.')) && path.length <= 2)
    .map(({ field }) => field.id)
    .filter((id) => !recorded.has(id))
  if (candidates.length === 0) return new Set()
  const ref = Object.hasOwn(metadata.refs, branch) ? branch : mainBranch
  if (metadata.refs[ref] === undefined) return new Set()
  const { tasks } = await planScan(io, table, { ref })
  const isStated = hasStatisticsOfAll(table)
  return new Set(
    candidates.filter((id) => tasks.some(({ file }) => mayHoldValues(file, id, isStated))),
  )
}

const placeNames: ReadonlySet<string> = new Set(['_kafka.offset', '_kafka_offset'])

/** A file without statistics of the column lacks the column, if it would have them. */
function mayHoldValues(
  { valueCounts, nullValueCounts }: DataFile,
  id: number,
  hasStatistics: boolean,
): boolean {
  const values = valueCounts?.get(id)
  if (values === undefined) return !hasStatistics || (valueCounts?.size ?? 0) === 0
  return values > (nullValueCounts?.get(id) ?? 0n)
}

/** False where a property, or their number, may have left columns without statistics. */
function hasStatisticsOfAll({ metadata }: Table): boolean {
  const { properties } = metadata
  const isLimited = Object.keys(properties).some((key) => key.startsWith('write.metadata.metrics.'))
  return !isLimited && currentSchema(metadata).fields.length <= statisticsColumnsMax
}

/** Writers leave out the statistics of further columns by default. */
const statisticsColumnsMax = 100
