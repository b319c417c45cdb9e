/** The columns of a stream as fields to declare, and what is not sure about them. Nothing is written. */
import { currentSchema, findField, type NestedField } from '../catalog/format/index.ts'
import { loadTableIfExists } from '../catalog/index.ts'
import { NotFoundError, SettingsError } from '../common/index.ts'
import type { FieldRemark } from '../ingest/index.ts'
import type { FieldsToFormat, StreamSettings } from '../ingest/settings/index.ts'
import type { Lake } from './lake.ts'
import { readSample } from './sample-stream.ts'

export interface StreamSchema extends FieldsToFormat {
  /** Where the columns come from, before the sample. */
  readonly from: 'table' | 'settings' | 'sample'
  readonly recordsSampled: number
  /** Sampled records that are JSON objects. */
  readonly recordsRead: number
  readonly notes: readonly string[]
}

export interface StreamSchemaOptions {
  /** Whether the first records of the topics are read, for columns and types that they need. */
  readonly suggests: boolean
}

export async function streamSchema(
  lake: Lake,
  settings: StreamSettings,
  { suggests }: StreamSchemaOptions,
): Promise<StreamSchema> {
  const { epochColumns, fields: declared, mode } = settings.schema
  if (mode === 'key_value') {
    throw new SettingsError('with schema.mode key_value there are no fields to declare')
  }
  const { isMetadataColumn, widestFields } = await import('../ingest/index.ts')
  const table = await loadTableIfExists(lake.catalog, settings.output.table)
  const columns = table === undefined ? [] : currentSchema(table.metadata).fields
  const own = columns.filter((column) => !isMetadataColumn(column, settings.metadata))
  const isDeclared = declared.length > 0
  const stated = isDeclared ? declared : own
  if (!suggests) {
    if (stated.length === 0) {
      throw new NotFoundError('there is no table yet; --suggest chooses fields from a sample', {
        facts: { stream: settings.name },
      })
    }
    const nothing = { remarks: [], notes: [], recordsSampled: 0, recordsRead: 0 }
    return { fields: stated, epochColumns, from: isDeclared ? 'settings' : 'table', ...nothing }
  }
  const { sample } = await readSample(lake, settings)
  const { fields, readableCount, sampledCount, unreadable } = sample.columns()
  const merged = widestFields(stated, fields)
  // A timestamp that is declared as a number looks like one.
  const withUnit = new Set(epochColumns.map(({ path }) => JSON.stringify(path)))
  const isNew = ({ path, isOpen }: FieldRemark): boolean =>
    !withUnit.has(JSON.stringify(path)) && !(isOpen === true && isColumn(merged.fields, path))
  return {
    fields: merged.fields,
    epochColumns,
    remarks: joined([...merged.remarks, ...sample.remarks()].filter(isNew)),
    from: isDeclared ? 'settings' : stated.length > 0 ? 'table' : 'sample',
    recordsSampled: sampledCount,
    recordsRead: readableCount,
    notes: unreadable === undefined ? [] : [`not readable: ${unreadable}`],
  }
}

/** Whether there is a column at the path. */
function isColumn(fields: readonly NestedField[], path: readonly string[]): boolean {
  const schema = { schemaId: 0, identifierFieldIds: [], fields }
  return findField(schema, path) !== undefined
}

/** One remark for each place. */
function joined(remarks: readonly FieldRemark[]): readonly FieldRemark[] {
  const byPath = new Map<string, FieldRemark>()
  for (const remark of remarks) {
    const key = JSON.stringify(remark.path)
    const before = byPath.get(key)
    const text = before === undefined ? remark.text : `${before.text}; ${remark.text}`
    byPath.set(key, { ...remark, text })
  }
  return [...byPath.values()]
}
