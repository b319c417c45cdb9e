/**
 * The columns that say where in the log a row came from (setting `metadata`): one struct `_kafka`,
 * or plain `_kafka_*` columns, or none. They are what lets anyone check exactly-once from outside.
 */
import type { CoordinateKeys } from '../spool/coordinate-keys.ts'
import {
  currentSchema,
  type NestedField,
  type Schema,
  type TableMetadata,
} from '../../catalog/format/index.ts'
import type { SchemaChange, SideField, SideSource } from '../../catalog/index.ts'
import { columnNames, topLevel } from '../../catalog/table/index.ts'
import { ValidationError } from '../../common/index.ts'
import type { PlaceColumns } from '../offsets/place-epochs.ts'

export type MetadataMode = 'struct' | 'columns' | 'none'

interface Member {
  readonly name: string
  readonly type: NestedField['type']
  readonly from: (keys: CoordinateKeys) => SideSource
}

const members: readonly Member[] = [
  {
    name: 'topic',
    type: { type: 'string' },
    from: (keys) => ({ kind: 'key', key: keys.topic ?? '$topic', type: 'string' }),
  },
  {
    name: 'partition',
    type: { type: 'int' },
    from: (keys) => ({ kind: 'key', key: keys.partition, type: 'int' }),
  },
  {
    name: 'offset',
    type: { type: 'long' },
    from: (keys) => ({ kind: 'key', key: keys.offset, type: 'long' }),
  },
  {
    name: 'timestamp',
    type: { type: 'timestamptz' },
    from: (keys) => ({ kind: 'millis', key: keys.timestamp }),
  },
]

/** The columns to create. Ids are placeholders: the catalog assigns them. */
export function metadataFields(mode: MetadataMode, severalTopics: boolean): readonly NestedField[] {
  const used = members.filter((member) => severalTopics || member.name !== 'topic')
  switch (mode) {
    case 'none':
      return []
    case 'struct':
      return [
        {
          id: 0,
          name: '_kafka',
          required: false,
          type: { type: 'struct', fields: used.map((member) => field(member.name, member.type)) },
        },
      ]
    case 'columns':
      return used.map((member) => field(`_kafka_${member.name}`, member.type))
  }
}

/** The metadata columns, or members of `_kafka`, that a table lacks and never had. */
export function missingMetadata(
  metadata: TableMetadata,
  mode: MetadataMode,
  severalTopics: boolean,
): readonly SchemaChange[] {
  const { fields } = currentSchema(metadata)
  const names = columnNames(metadata)
  return metadataFields(mode, severalTopics).flatMap(({ name, type }): SchemaChange[] => {
    const column = fields.find((candidate) => candidate.name === name)
    if (column === undefined) {
      if (names.get(topLevel)?.has(name) === true) return []
      return [{ kind: 'add-column', parent: [], name, type }]
    }
    if (type.type !== 'struct' || column.type.type !== 'struct') return []
    const members = column.type.fields
    return type.fields
      .filter((member) => !members.some((existing) => existing.name === member.name))
      .filter((member) => names.get(column.id)?.has(member.name) !== true)
      .map((member) => ({
        kind: 'add-column',
        parent: [name],
        name: member.name,
        type: member.type,
      }))
  })
}

/** Metadata columns of the other settings that the table has: they are NULL under this one. */
export function unfilledMetadata({ fields }: Schema, mode: MetadataMode): readonly string[] {
  const own = new Set(metadataFields(mode, true).map(({ name }) => name))
  const all = (['struct', 'columns'] as const).flatMap((other) => metadataFields(other, true))
  return all
    .filter(({ name }) => !own.has(name) && fields.some((field) => field.name === name))
    .map(({ name }) => name)
}

/** The names of top-level columns, in lower case, that records can never fill under this setting. */
export function metadataNames(mode: MetadataMode): readonly string[] {
  return metadataFields(mode, true).map(({ name }) => name.toLowerCase())
}

/** What a stream does with the metadata columns of a table. */
export interface StreamMetadata {
  readonly coordinateKeys: CoordinateKeys
  readonly sideFields: readonly SideField[]
  /** The columns that say which record a row came from; undefined when they are not all filled. */
  readonly place: PlaceColumns | undefined
  /** Columns that the settings ask for and the table lacks. */
  readonly missing: readonly string[]
}

export interface MetadataRequest {
  readonly mode: MetadataMode
  readonly severalTopics: boolean
  /** The columns that the stream's last commit filled: they are the same under another name. */
  readonly recorded: PlaceColumns | undefined
  /** Columns with values that no stream has written, which say nothing of where a row came from. */
  readonly others: ReadonlySet<number>
}

/** What follows for rows whose columns of `missing` are not filled. */
export const notFilledReason =
  'the table lacks them: rows do not say which record they came from, and their range of the log cannot be ' +
  'replayed; a stream whose file states metadata adds them'

interface FilledColumn {
  readonly name: string
  readonly id: number
  readonly member: Member
}

/**
 * How the metadata columns that the table really has are filled. A table may have been made with other
 * settings: its own columns count, a topic's column too.
 */
export function streamMetadata(schema: Schema, request: MetadataRequest): StreamMetadata {
  const { mode, severalTopics, recorded, others } = request
  const struct = mode === 'struct' ? structOf(schema, recorded) : undefined
  const filled =
    mode === 'columns' ? filledOf(schema.fields, recorded, '_kafka_') : (struct?.filled ?? [])
  const idOf = (name: string): number | undefined =>
    filled.find(({ member }) => member.name === name)?.id
  const keys = placeKeysFor(schema, severalTopics || idOf('topic') !== undefined)
  const sources = filled.map(({ name, member }) => ({ name, from: member.from(keys) }))
  const requested = mode === 'none' ? [] : members
  return {
    coordinateKeys: keys,
    sideFields:
      struct === undefined
        ? sources.map(({ name, from }) => ({ field: name, from }))
        : [{ field: struct.name, from: { kind: 'struct', members: sources } }],
    place: others.has(idOf('offset') ?? 0) ? undefined : placeOf(idOf),
    missing: requested
      .filter(({ name }) => (severalTopics || name !== 'topic') && idOf(name) === undefined)
      .map(({ name }) => (mode === 'struct' ? `_kafka.${name}` : `_kafka_${name}`)),
  }
}

function placeOf(idOf: (name: string) => number | undefined): PlaceColumns | undefined {
  const [partition, offset] = [idOf('partition'), idOf('offset')]
  if (partition === undefined || offset === undefined) return undefined
  const [topic, timestamp] = [idOf('topic'), idOf('timestamp')]
  return {
    partition,
    offset,
    ...(topic === undefined ? {} : { topic }),
    ...(timestamp === undefined ? {} : { timestamp }),
  }
}

function structOf(
  { fields }: Schema,
  recorded: PlaceColumns | undefined,
): { readonly name: string; readonly filled: readonly FilledColumn[] } | undefined {
  const holdsRecorded = ({ type }: NestedField): boolean =>
    type.type === 'struct' && type.fields.some(({ id }) => id === recorded?.offset)
  const column = fields.find(holdsRecorded) ?? fields.find(({ name }) => name === '_kafka')
  if (column === undefined) return undefined
  if (column.type.type !== 'struct') throw notOurs(column.name)
  const filled = filledOf(column.type.fields, recorded, '')
  const other = column.type.fields.find(({ id }) => !filled.some((one) => one.id === id))
  if (other !== undefined) throw notOurs(`${column.name}.${other.name}`)
  return { name: column.name, filled }
}

/** Columns by the ids that are recorded for them, whatever they are called by now; all others by name. */
function filledOf(
  fields: readonly NestedField[],
  recorded: PlaceColumns | undefined,
  prefix: string,
): readonly FilledColumn[] {
  const ids: ReadonlyMap<string, number> = new Map(Object.entries(recorded ?? {}))
  return members.flatMap((member) => {
    const column =
      fields.find(({ id }) => id === ids.get(member.name)) ??
      fields.find(({ name }) => name === `${prefix}${member.name}`)
    if (column === undefined) return []
    checkType(column, member)
    return [{ name: column.name, id: column.id, member }]
  })
}

/** Whether the column is one that `metadataFields` makes. */
export function isMetadataColumn({ name }: Pick<NestedField, 'name'>, mode: MetadataMode): boolean {
  return metadataFields(mode, true).some((column) => column.name === name)
}

/** Key names that clash with no column, whatever the table's columns are called. */
function placeKeysFor(schema: Schema, hasTopic: boolean): CoordinateKeys {
  const taken = new Set(schema.fields.map((candidate) => candidate.name.toLowerCase()))
  const unused = (name: string): string => {
    let key = name
    while (taken.has(key.toLowerCase())) key = `$${key}`
    return key
  }
  const keys = {
    offset: unused('$o'),
    timestamp: unused('$t'),
    partition: unused('$p'),
    record: unused('$r'),
  }
  return hasTopic ? { ...keys, topic: unused('$topic') } : keys
}

function checkType(column: NestedField, member: Member): void {
  if (column.type.type !== member.type.type) throw notOurs(column.name)
}

function notOurs(column: string): ValidationError {
  return new ValidationError(
    'the table has a column of this name that is not the stream metadata; ' +
      'choose another setting of metadata (struct, columns or none)',
    { facts: { column } },
  )
}

function field(name: string, type: NestedField['type']): NestedField {
  return { id: 0, name, required: false, type }
}
