/**
 * What a stream's file says of its table, against the table that exists. What differs is applied in one commit
 * before records are read, or refused with the way out; nothing of it is left unheeded.
 */
import type { PartitionTerm, TableMetadata } from '../../catalog/format/index.ts'
import {
  partitionedBy,
  partitionTerms,
  type SchemaChange,
  stageSchema,
  type Table,
  type Transaction,
  UpdatePartitionSpec,
  UpdateProperties,
  UpdateSchema,
} from '../../catalog/index.ts'
import { topLevel } from '../../catalog/table/index.ts'
import { type Clock, SettingsError } from '../../common/index.ts'
import { StructKeys } from '../decode/key-rules.ts'
import type { StreamSettings } from '../settings/stream-settings.ts'
import { checkDeclared } from './check-declared.ts'
import { declaredChanges } from './declared-columns.ts'
import { keyRulesOf } from './key-rules-of.ts'
import { missingMetadata } from './metadata-columns.ts'
import { openRecordFormat } from './open-record-format.ts'

/** Lines for people, each a change to the table; empty where it is as the file says. */
export function declaredDifferences(
  settings: StreamSettings,
  table: Table,
  clock: Clock,
): readonly string[] {
  const changes = schemaChanges(settings, table.metadata)
  const staged = stageSchema(table, changes, clock)
  const properties = Object.entries(changedProperties(settings, table.metadata))
  const terms = statedTerms(settings, staged.metadata)
  const isRepartitioned = terms !== undefined && partitionedBy(staged.metadata, terms) !== undefined
  return [
    ...changes.map(describe),
    ...properties.map(([key, value]) => `property ${key} becomes ${value}`),
    ...(isRepartitioned
      ? [
          `new files are partitioned by [${terms.map(({ text }) => text).join(', ')}], no longer by [${partitionTerms(table.metadata).join(', ')}]`,
        ]
      : []),
  ]
}

/** Adds the changes to a transaction, which asks for them again on the table of each attempt. */
export function applyDeclared(settings: StreamSettings, transaction: Transaction): Transaction {
  return transaction
    .add(new UpdateSchema((_, metadata) => schemaChanges(settings, metadata)))
    .add(new UpdatePartitionSpec((metadata) => statedTerms(settings, metadata)))
    .add(
      new UpdateProperties(({ metadata }) => ({ updates: changedProperties(settings, metadata) })),
    )
}

/** Throws SettingsError for columns that cannot be as they are declared. */
function schemaChanges(settings: StreamSettings, metadata: TableMetadata): readonly SchemaChange[] {
  const { schema, input } = settings
  const rules = keyRulesOf(settings, metadata)
  const side = settings.statesMetadata
    ? missingMetadata(metadata, settings.metadata, input.topics.length > 1)
    : []
  if (schema.mode === 'declared') {
    const optional = new Set(schema.optionalFields)
    return [...declaredChanges(metadata, { fields: schema.fields, optional }, rules), ...side]
  }
  const { columns } = openRecordFormat(schema)
  if (columns !== undefined) checkDeclared(metadata, columns)
  return side
}

function changedProperties(
  { output }: StreamSettings,
  { formatVersion, properties, location }: TableMetadata,
): Readonly<Record<string, string>> {
  const { 'format-version': version, ...stated } = output.properties
  if (version !== undefined && version !== String(formatVersion)) {
    throw new SettingsError(
      'output.iceberg.properties.format-version is for new tables; take it out, or write to a new table',
      { facts: { stated: version, actual: formatVersion, table: location } },
    )
  }
  return Object.fromEntries(
    Object.entries(stated).filter(([key, value]) => properties[key] !== value),
  )
}

/** With the names that the columns have now; undefined where the file says nothing of partitions. */
function statedTerms(
  settings: StreamSettings,
  metadata: TableMetadata,
): readonly PartitionTerm[] | undefined {
  const { statesPartitioning, partitionBy } = settings.output
  if (!statesPartitioning) return undefined
  const schema = metadata.schemas.find(({ schemaId }) => schemaId === metadata.currentSchemaId)
  const fields = schema?.fields ?? []
  const keys = new StructKeys(fields, topLevel, '', keyRulesOf(settings, metadata))
  return partitionBy.map((term) => {
    const field = fields[keys.indexOf(term.column)]
    return field === undefined ? term : { ...term, column: field.name }
  })
}

function describe(change: SchemaChange): string {
  const path = 'path' in change ? change.path : [...change.parent, change.name]
  const name = path.join('.')
  switch (change.kind) {
    case 'add-column':
      return `column ${name} is added`
    case 'widen-column':
      return `column ${name} is widened to ${change.type.type}`
    case 'make-optional':
      return `column ${name} may be null from now on`
    default:
      return `column ${name}: ${change.kind}`
  }
}
