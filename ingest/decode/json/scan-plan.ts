/**
 * A table schema compiled for the row scanner: which JSON keys are expected where, and what each
 * value must look like so that the engine's conversion changes nothing.
 */
import type { Coercion } from './coercion.ts'
import type { NestedField, Type } from '../../../catalog/format/index.ts'
import { UnsupportedError } from '../../../common/index.ts'

/** What a JSON value must be. Dense numbers, because the scanner switches on them for each value. */
export const NodeKind = {
  boolean: 0,
  int: 1,
  long: 2,
  float: 3,
  double: 4,
  decimal: 5,
  string: 6,
  uuid: 7,
  date: 8,
  time: 9,
  timestamp: 10,
  timestamptz: 11,
  binary: 12,
  struct: 13,
  list: 14,
  map: 15,
  /** Lenient coercion: any JSON value, converted by the rules of the engine. */
  any: 16,
} as const

export interface ScanNode {
  readonly kind: number
  readonly required: boolean
  /** Dotted path from the top of the record, for reasons. */
  readonly path: string
  readonly precision: number
  readonly scale: number
  readonly fields: FieldTable | undefined
  /** Element of a list, value of a map. */
  readonly element: ScanNode | undefined
}

/** The fields of one struct, searched by key bytes; the next field in order is tried first. */
export interface FieldTable {
  /** `"name":` as it stands in most records, in 32-bit words. */
  readonly patterns: readonly KeyPattern[]
  readonly nodes: readonly ScanNode[]
  readonly indexByName: ReadonlyMap<string, number>
  readonly lowerCaseNames: ReadonlySet<string>
  readonly requiredCount: number
  /** Instance number in which field i was last seen: a repeat within one instance is a duplicate key. */
  readonly seenIn: Float64Array
}

export interface KeyPattern {
  readonly length: number
  /** Big-endian words from the start; the last one ends with the pattern and may overlap. */
  readonly words: Int32Array
}

/** Compiles the fields of a table schema that JSON records fill (side columns already left out). */
export function compileScanPlan(fields: readonly NestedField[], coercion: Coercion): ScanNode {
  return {
    kind: NodeKind.struct,
    required: true,
    path: '',
    precision: 0,
    scale: 0,
    fields: fieldTable(fields, '', coercion),
    element: undefined,
  }
}

function fieldTable(fields: readonly NestedField[], path: string, coercion: Coercion): FieldTable {
  const nodes = fields.map((field) =>
    compileNode(
      field.type,
      field.required,
      path === '' ? field.name : `${path}.${field.name}`,
      coercion,
    ),
  )
  return {
    patterns: fields.map((field) => keyPattern(field.name)),
    nodes,
    indexByName: new Map(fields.map((field, index) => [field.name, index])),
    lowerCaseNames: new Set(fields.map((field) => field.name.toLowerCase())),
    requiredCount: nodes.filter((node) => node.required).length,
    seenIn: new Float64Array(fields.length),
  }
}

/** A name shorter than a word takes the slow path. */
function keyPattern(name: string): KeyPattern {
  const bytes = Buffer.from(`${JSON.stringify(name)}:`, 'utf8')
  const { length } = bytes
  if (length < 4) return { length: Number.MAX_SAFE_INTEGER, words: new Int32Array(0) }
  const words = new Int32Array(Math.ceil(length / 4))
  for (let index = 0; index < words.length; index++) {
    words[index] = bytes.readInt32BE(Math.min(index * 4, length - 4))
  }
  return { length, words }
}

function compileNode(type: Type, required: boolean, path: string, coercion: Coercion): ScanNode {
  const node = {
    required,
    path,
    precision: type.type === 'decimal' ? type.precision : 0,
    scale: type.type === 'decimal' ? type.scale : 0,
    fields: undefined,
    element: undefined,
  }
  switch (type.type) {
    case 'struct':
      return { ...node, kind: NodeKind.struct, fields: fieldTable(type.fields, path, coercion) }
    case 'list': {
      const element = compileNode(type.element, type.elementRequired, `${path}.element`, coercion)
      return { ...node, kind: NodeKind.list, element }
    }
    case 'map': {
      if (type.key.type !== 'string') {
        throw new UnsupportedError('a map filled from json needs string keys', {
          facts: { column: path, key: type.key.type },
        })
      }
      const element = compileNode(type.value, type.valueRequired, `${path}.value`, coercion)
      return { ...node, kind: NodeKind.map, element }
    }
    case 'fixed':
      throw new UnsupportedError('fixed columns cannot be filled from json; declare binary', {
        facts: { column: path },
      })
    default:
      return { ...node, kind: coercion === 'lenient' ? NodeKind.any : NodeKind[type.type] }
  }
}
