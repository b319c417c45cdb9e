/**
 * The SELECT over one local file of rows that no snapshot has yet, within its cut: the cut is what keeps
 * a row that the snapshot has already from counting twice.
 */
import {
  livePlaceColumns,
  type LiveFile,
  type LiveRange,
  type Schema,
} from '../../catalog/index.ts'
import { UnsupportedError } from '../../common/index.ts'
import { quoteIdentifier, quoteLiteral } from '../sql-text.ts'
import { escapeGlob, pathColumn, schemaMember } from './scan-sql.ts'
import { duckdbTypeName } from './type-name.ts'

/** The schema's columns of the file's rows; `withPath` adds the hidden column, which is NULL. */
export function liveSelect(schema: Schema, file: LiveFile, withPath: boolean): string {
  const columns = schema.fields.map(({ name }) => `r.${quoteIdentifier(name)}`)
  if (withPath) columns.push(`CAST(NULL AS VARCHAR) AS ${quoteIdentifier(pathColumn)}`)
  const place = Object.values(livePlaceColumns)
  const clash = schema.fields.find(({ name }) => place.some((column) => column.name === name))
  if (clash !== undefined) {
    throw new UnsupportedError('a column has a name that live rows need: rename it', {
      facts: { column: clash.name },
    })
  }
  const members = [
    ...schema.fields.map((field) => schemaMember(field, duckdbTypeName(field.type))),
    ...place.map(({ id, name, type }) => {
      const duckdbType = duckdbTypeName({ type })
      return `${id}: {name: ${quoteLiteral(name)}, type: ${quoteLiteral(duckdbType)}, default_value: NULL}`
    }),
  ]
  const path = quoteLiteral(escapeGlob(file.path))
  const from = `read_parquet([${path}], schema = MAP {${members.join(', ')}}, hive_partitioning = false)`
  const where = file.ranges === undefined ? '' : ` WHERE ${rangesCondition(file.ranges)}`
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
