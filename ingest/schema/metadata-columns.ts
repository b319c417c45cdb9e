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

/**
 * How the metadata columns that the table really has are filled. A table may have been made with
 * other settings: its own columns count.
 */
export function metadataSideFields(
  schema: Schema,
  mode: MetadataMode,
  keys: CoordinateKeys,
): readonly SideField[] {
  if (mode === 'none') return []
  if (mode === 'columns') {
    return members.flatMap((member) => {
      const name = `_kafka_${member.name}`
      const column = schema.fields.find((candidate) => candidate.name === name)
      if (column === undefined) return []
      checkType(column, member)
      return [{ field: name, from: member.from(keys) }]
    })
  }
  const column = schema.fields.find((candidate) => candidate.name === '_kafka')
  if (column === undefined) return []
  if (column.type.type !== 'struct') throw notOurs('_kafka')
  const filled = column.type.fields.map((child) => {
    const member = members.find((candidate) => candidate.name === child.name)
    if (member === undefined) throw notOurs(`_kafka.${child.name}`)
    checkType(child, member)
    return { name: child.name, from: member.from(keys) }
  })
  return [{ field: '_kafka', from: { kind: 'struct', members: filled } }]
}

/** Whether the column is one that `metadataFields` makes. */
export function isMetadataColumn({ name }: Pick<NestedField, 'name'>, mode: MetadataMode): boolean {
  return metadataFields(mode, true).some((column) => column.name === name)
}

/** Key names that clash with no column, whatever the table's columns are called. */
export function placeKeysFor(schema: Schema, severalTopics: boolean): CoordinateKeys {
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
  return severalTopics ? { ...keys, topic: unused('$topic') } : keys
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
