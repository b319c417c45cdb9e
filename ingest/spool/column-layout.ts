/**
 * Which columns a columnar spool has, and how each holds its values.
 *
 * Values that are nearly converted once they are checked are stored in their type. Values of rarer types stay
 * the text that they are in JSON, which the engine casts exactly, because the decoder has checked them.
 */
import type { NestedField } from '../../catalog/format/index.ts'
import type { CoordinateKeys } from './coordinate-keys.ts'

/** Dense numbers, because the buffer switches on them for each value. */
export const ColumnKind = {
  boolean: 0,
  int: 1,
  long: 2,
  float: 3,
  double: 4,
  timestamp: 5,
  timestamptz: 6,
  /** UTF-8. */
  text: 7,
  /** The characters of a number token, or of a string without its quotes: for the engine to cast. */
  token: 8,
  /** Bytes, as they are. */
  binary: 9,
} as const

export interface ColumnDefinition {
  readonly name: string
  readonly kind: number
}

export interface ColumnLayout {
  /** In the order in which the decoder addresses them. */
  readonly fields: readonly ColumnDefinition[]
  readonly coordinates: CoordinateKeys
}

/** Undefined when a column is nested: such rows have to stay text. */
export function columnLayout(
  fields: readonly NestedField[],
  coordinates: CoordinateKeys,
): ColumnLayout | undefined {
  const definitions: ColumnDefinition[] = []
  for (const { name, type } of fields) {
    const kind = kindOf(type.type)
    if (kind === undefined) return undefined
    definitions.push({ name, kind })
  }
  return { fields: definitions, coordinates }
}

function kindOf(type: NestedField['type']['type']): number | undefined {
  switch (type) {
    case 'boolean':
    case 'int':
    case 'long':
    case 'float':
    case 'double':
    case 'timestamp':
    case 'timestamptz':
    case 'binary':
      return ColumnKind[type]
    case 'string':
      return ColumnKind.text
    case 'decimal':
    case 'date':
    case 'time':
    case 'uuid':
      return ColumnKind.token
    default:
      return undefined
  }
}
