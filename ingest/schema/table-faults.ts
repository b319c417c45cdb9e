/**
 * Settings that describe a table which the sink could never fill. They are reported before the table is
 * made, by lint and doctor too, because a table that was made wrong stays so after the settings are mended.
 */
import {
  assignFreshIds,
  indexFields,
  type NestedField,
  type PartitionTerm,
  parsePartitionBy,
  type Schema,
  validateSchema,
} from '../../catalog/format/index.ts'
import { errorMessage, LakeError, SettingsError } from '../../common/index.ts'
import type { StreamSettings } from '../settings/stream-settings.ts'
import { columnNameFault } from '../decode/column-names.ts'
import { metadataFields } from './metadata-columns.ts'
import { partitionOptions } from './stream-table.ts'
import { openRecordFormat } from './open-record-format.ts'

export interface TableFault {
  /** Of the setting at fault. */
  readonly path: readonly (string | number)[]
  readonly message: string
}

const partitionPath = ['output', 'iceberg', 'partition_by'] as const

/** What the settings alone show: of an inferred schema nothing, for records may have any key, dots and all. */
export function tableFaults(settings: StreamSettings): readonly TableFault[] {
  const format = openRecordFormat(settings.schema)
  const fields = format.columns
  if (fields === undefined) return []
  const misnamed = nameFaults(settings, fields)
  const unfillable = fields.flatMap((field, index) =>
    refused(['schema', 'fields', index, 'type'], () => format.requireFillable(field)),
  )
  const ignored = settings.schema.ignoredFields.flatMap((name, index) =>
    fields.some((field) => field.name === name)
      ? [
          {
            path: ['schema', 'ignore_fields', index],
            message: `"${name}" is declared in schema.fields; take it out of one of them`,
          },
        ]
      : [],
  )
  // Terms are looked up by name, so they wait until every name stands for one column.
  const terms = misnamed.length > 0 ? [] : partitionFaults(settings, fields)
  return [...misnamed, ...unfillable, ...ignored, ...terms]
}

/** Throws SettingsError before a table of `fields` is made that no row could be written to. */
export function requireFillable(settings: StreamSettings, fields: readonly NestedField[]): void {
  const isDeclared = openRecordFormat(settings.schema).columns !== undefined
  const faults = isDeclared ? tableFaults(settings) : sampleFaults(settings, fields)
  if (faults.length === 0) return
  throw new SettingsError(
    faults.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'),
  )
}

/** Names clash as engines compare them: joined by dots, in any case. */
function nameFaults(
  settings: StreamSettings,
  fields: readonly NestedField[],
): readonly TableFault[] {
  const side = new Set(sideFields(settings).map(({ name }) => name.toLowerCase()))
  const taken = new Set<string>()
  return fields.flatMap((field, index) => {
    const path = ['schema', 'fields', index, 'name']
    if (side.has(field.name.toLowerCase())) {
      return [{ path, message: sideClash(field.name, settings) }]
    }
    const schema = schemaOf([field])
    const invalid = refused(path, () => validateSchema(schema))
    if (invalid.length > 0) return invalid
    const clashes: string[] = []
    for (const { field: named, path: names } of indexFields(schema).values()) {
      const fault = columnNameFault(named.name)
      if (fault !== undefined) {
        return [
          { path, message: `no column can be called ${JSON.stringify(named.name)}: ${fault}` },
        ]
      }
      const name = names.join('.')
      if (taken.has(name.toLowerCase())) clashes.push(name)
      taken.add(name.toLowerCase())
    }
    const [clash] = clashes
    if (clash === undefined) return []
    return [{ path, message: `two columns would be called "${clash}"; rename one` }]
  })
}

/** Columns that partition terms name and a sample has not shown. */
export function unseenPartitionColumns(
  settings: StreamSettings,
  fields: readonly NestedField[],
): readonly string[] {
  const names = [...fields, ...sideFields(settings)].map(({ name }) => name)
  return settings.output.partitionBy
    .map(({ column }) => column)
    .filter((column) => !names.some((name) => column === name || column.startsWith(`${name}.`)))
}

/** Sampling itself keeps the names of columns apart from each other. */
export function sampleFaults(
  settings: StreamSettings,
  fields: readonly NestedField[],
): readonly TableFault[] {
  const side = new Set(sideFields(settings).map(({ name }) => name.toLowerCase()))
  const clash = fields.find(({ name }) => side.has(name.toLowerCase()))
  if (clash === undefined) return partitionFaults(settings, fields)
  return [{ path: ['metadata'], message: sideClash(clash.name, settings) }]
}

function sideClash(name: string, { metadata }: StreamSettings): string {
  return `"${name}" is a column that metadata: ${metadata} adds; rename the field or set metadata otherwise`
}

function partitionFaults(
  settings: StreamSettings,
  fields: readonly NestedField[],
): readonly TableFault[] {
  const schema = schemaOf([...fields, ...sideFields(settings)])
  const sound: PartitionTerm[] = []
  return settings.output.partitionBy.flatMap((term, index) => {
    const path = [...partitionPath, index]
    return refused(path, () => {
      const { fields: made } = parsePartitionBy(
        [...sound, term],
        schema,
        partitionOptions(settings),
      )
      const source = made.at(-1)?.sourceId
      if (!schema.fields.some(({ id }) => id === source)) throw notTopLevel(term.column)
      sound.push(term)
    })
  })
}

function notTopLevel(column: string): SettingsError {
  return new SettingsError(
    `a stream's table is partitioned by top-level columns only, and ${column} leads into a struct`,
  )
}

function refused(path: TableFault['path'], check: () => unknown): readonly TableFault[] {
  try {
    check()
    return []
  } catch (error) {
    if (!(error instanceof LakeError)) throw error
    return [{ path, message: errorMessage(error) }]
  }
}

function sideFields({ metadata, input }: StreamSettings): readonly NestedField[] {
  return metadataFields(metadata, input.topics.length > 1)
}

function schemaOf(fields: readonly NestedField[]): Schema {
  return assignFreshIds({ schemaId: 0, identifierFieldIds: [], fields }).schema
}
