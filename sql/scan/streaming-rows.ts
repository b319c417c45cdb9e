/**
 * The queries over local files of streaming rows (those that no snapshot has yet). The offset ranges of a
 * file leave out the rows that the snapshot already has, so that none counts twice.
 */
import type { Schema } from '../../catalog/format/index.ts'
import {
  streamingCoordinateColumns,
  type StreamingFile,
  type StreamingRange,
} from '../../catalog/scan/index.ts'
import { UnsupportedError } from '../../common/index.ts'
import { quoteIdentifier, quoteLiteral } from '../text/sql-text.ts'
import {
  columnSelects,
  escapeGlob,
  type FileGroup,
  type HiddenColumns,
  noHidden,
  type ScanFile,
  schemaMembers,
} from './scan-sql.ts'
import { duckdbTypeName } from '../text/type-name.ts'

type StreamingScanFile = StreamingFile & ScanFile

/** Selects of the schema's columns from the files, and of the hidden columns of the query, which are NULL. */
export function streamingSelects(
  schema: Schema,
  groups: readonly FileGroup<StreamingScanFile>[],
  hidden: HiddenColumns,
): readonly string[] {
  checkNames(schema)
  return groups.flatMap(({ files, layout }) => {
    const whole = files.filter(({ ranges }) => ranges === undefined)
    const cut = files.filter(({ ranges }) => ranges !== undefined)
    // All whole files in one scan: a branch of the plan for each would cost more than its rows.
    const scans = [...(whole.length === 0 ? [] : [whole]), ...cut.map((file) => [file])]
    return scans.map((scan) => streamingSelect(schema, { files: scan, layout }, hidden))
  })
}

function checkNames(schema: Schema): void {
  const coordinates = Object.values(streamingCoordinateColumns)
  const clash = schema.fields.find(({ name }) => coordinates.some((column) => column.name === name))
  if (clash === undefined) return
  throw new UnsupportedError('a column has a name that live rows need: rename it', {
    facts: { column: clash.name },
  })
}

/** One scan of files that have the same ranges. */
function streamingSelect(
  schema: Schema,
  { files, layout }: FileGroup<StreamingScanFile>,
  hidden: HiddenColumns,
): string {
  const columns = [...columnSelects(schema, layout), ...noHidden(hidden)]
  const members = [
    ...schemaMembers(schema, layout),
    ...Object.values(streamingCoordinateColumns).map(({ id, name, type }) => {
      const duckdbType = duckdbTypeName({ type })
      return `${id}: {name: ${quoteLiteral(name)}, type: ${quoteLiteral(duckdbType)}, default_value: NULL}`
    }),
  ]
  const paths = files.map(({ path }) => quoteLiteral(escapeGlob(path))).join(', ')
  const from = `read_parquet([${paths}], schema = MAP {${members.join(', ')}}, hive_partitioning = false)`
  const ranges = files[0]?.ranges
  const where = ranges === undefined ? '' : ` WHERE ${rangesCondition(ranges)}`
  return `SELECT ${columns.join(', ')} FROM ${from} AS r${where}`
}

function rangesCondition(ranges: readonly StreamingRange[]): string {
  if (ranges.length === 0) return 'false'
  const column = (key: keyof typeof streamingCoordinateColumns): string =>
    `r.${quoteIdentifier(streamingCoordinateColumns[key].name)}`
  return ranges
    .map(({ topic, partition, from, to }) => {
      const conditions = [
        ...(topic === undefined ? [] : [`${column('topic')} = ${quoteLiteral(topic)}`]),
        `${column('partition')} = ${partition}`,
        ...(from === undefined ? [] : [`${column('offset')} >= ${from}`]),
        `${column('offset')} < ${to}`,
      ]
      return `(${conditions.join(' AND ')})`
    })
    .join(' OR ')
}
