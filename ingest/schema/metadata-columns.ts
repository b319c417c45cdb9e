/**
 * The columns that say where in the log a row came from (setting `metadata`): one struct `_kafka`,
 * or plain `_kafka_*` columns, or none. They are what lets anyone check exactly-once from outside.
 */
import type { CoordinateKeys } from '../spool/coordinate-keys.ts'
import type { NestedField, Schema } from '../../catalog/format/index.ts'
import type { SideField, SideSource } from '../../catalog/index.ts'
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
