/**
 * The queries over local files of rows that no snapshot has yet, within their cuts: a cut is what keeps a
 * row that the snapshot has already from counting twice.
 */
import type { Schema } from '../../catalog/format/index.ts'
import { livePlaceColumns, type LiveFile, type LiveRange } from '../../catalog/scan/index.ts'
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

type LiveScanFile = LiveFile & ScanFile

/** The schema's columns of the files' rows, and the hidden ones that are wanted, which are NULL. */
export function liveSelects(
  schema: Schema,
  groups: readonly FileGroup<LiveScanFile>[],
  hidden: HiddenColumns,
): readonly string[] {
  checkNames(schema)
  return groups.flatMap(({ files, layout }) => {
    const whole = files.filter(({ ranges }) => ranges === undefined)
    const cut = files.filter(({ ranges }) => ranges !== undefined)
    // All whole files in one scan: a branch of the plan for each would cost more than its rows.
    const scans = [...(whole.length === 0 ? [] : [whole]), ...cut.map((file) => [file])]
    return scans.map((scan) => liveSelect(schema, { files: scan, layout }, hidden))
  })
}

function checkNames(schema: Schema): void {
  const place = Object.values(livePlaceColumns)
  const clash = schema.fields.find(({ name }) => place.some((column) => column.name === name))
  if (clash === undefined) return
  throw new UnsupportedError('a column has a name that live rows need: rename it', {
    facts: { column: clash.name },
  })
}

/** Files of one cut. */
function liveSelect(
  schema: Schema,
  { files, layout }: FileGroup<LiveScanFile>,
  hidden: HiddenColumns,
): string {
  const columns = [...columnSelects(schema, layout), ...noHidden(hidden)]
  const members = [
    ...schemaMembers(schema, layout),
    ...Object.values(livePlaceColumns).map(({ id, name, type }) => {
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

function rangesCondition(ranges: readonly LiveRange[]): string {
  if (ranges.length === 0) return 'false'
  const column = (key: keyof typeof livePlaceColumns): string =>
    `r.${quoteIdentifier(livePlaceColumns[key].name)}`
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
