/**
 * A table schema compiled for the row scanner: which JSON keys are expected where, and what each
 * value must look like so that the engine's conversion changes nothing.
 */
import type { Coercion } from './coercion.ts'
import type { EpochColumn, EpochUnit } from './epoch-unit.ts'
import type { NestedField, PrimitiveType, Type } from '../../../catalog/format/index.ts'
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
  /** A timestamp as a number. */
  epoch: 17,
} as const

/** How records may change the schema. */
export interface SchemaGrowth {
  /** Whether values that do not fit may change a type; false where the settings declare the types. */
  readonly changesTypes: boolean
  /** Whether few values chose the type of this column, so that another type may still replace it. */
  readonly isOpen: (fieldId: number) => boolean
}

/** A column whose type may change for a value that does not fit. */
export interface ChangeableColumn {
  /** Names from the top; `element` and `value` step into lists and maps. */
  readonly path: readonly string[]
  readonly type: PrimitiveType
  /** Also to a type that Iceberg does not widen this one to. */
  readonly isOpen: boolean
}

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
  readonly changeable: ChangeableColumn | undefined
  /** Of a timestamp that is a number. */
  readonly unit: EpochUnit | undefined
  /** With lenient coercion: the engine converts a text, which may be a timestamp. */
  readonly isLenientTimestamp: boolean
}

export interface ScanPlan {
  readonly root: ScanNode
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

/** Where a node stands: its names from the top, and the field that has a name of its own. */
interface NodePlace {
  readonly names: readonly string[]
  readonly fieldId: number
}

/**
 * Compiles the fields of a table schema that JSON records fill (side columns already left out). Without
 * `growth` the schema stays as it is.
 */
export function compileScanPlan(
  fields: readonly NestedField[],
  coercion: Coercion,
  growth?: SchemaGrowth,
  epochColumns: readonly EpochColumn[] = [],
): ScanPlan {
  const compiler = new PlanCompiler(coercion, growth, epochColumns)
  const root = { kind: NodeKind.struct, required: true, path: '', precision: 0, scale: 0 }
  return {
    root: {
      ...root,
      fields: compiler.fieldTable(fields, []),
      element: undefined,
      changeable: undefined,
      unit: undefined,
      isLenientTimestamp: false,
    },
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

const changeableTypes: ReadonlySet<Type['type']> = new Set([
  'int',
  'long',
  'float',
  'decimal',
  'date',
])

class PlanCompiler {
  readonly #coercion: Coercion
  readonly #growth: SchemaGrowth | undefined
  readonly #units: ReadonlyMap<string, EpochUnit>

  constructor(
    coercion: Coercion,
    growth: SchemaGrowth | undefined,
    epochColumns: readonly EpochColumn[],
  ) {
    this.#coercion = coercion
    this.#growth = growth
    this.#units = new Map(epochColumns.map(({ path, unit }) => [JSON.stringify(path), unit]))
  }

  fieldTable(fields: readonly NestedField[], names: readonly string[]): FieldTable {
    const nodes = fields.map(({ id, name, type, required }) =>
      this.#node(type, required, { names: [...names, name], fieldId: id }),
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

  #node(type: Type, required: boolean, place: NodePlace): ScanNode {
    const path = place.names.join('.')
    const within = (name: string): NodePlace => ({ ...place, names: [...place.names, name] })
    const node = {
      required,
      path,
      precision: type.type === 'decimal' ? type.precision : 0,
      scale: type.type === 'decimal' ? type.scale : 0,
      fields: undefined,
      element: undefined,
      changeable: undefined,
      unit: undefined,
      isLenientTimestamp: false,
    }
    switch (type.type) {
      case 'struct':
        return {
          ...node,
          kind: NodeKind.struct,
          fields: this.fieldTable(type.fields, place.names),
        }
      case 'list': {
        const element = this.#node(type.element, type.elementRequired, within('element'))
        return { ...node, kind: NodeKind.list, element }
      }
      case 'map': {
        if (type.key.type !== 'string') {
          throw new UnsupportedError('a map filled from json needs string keys', {
            facts: { column: path, key: type.key.type },
          })
        }
        const element = this.#node(type.value, type.valueRequired, within('value'))
        return { ...node, kind: NodeKind.map, element }
      }
      case 'fixed':
        throw new UnsupportedError('fixed columns cannot be filled from json; declare binary', {
          facts: { column: path },
        })
      default:
        return { ...node, ...this.#leaf(type, place) }
    }
  }

  #leaf(
    type: PrimitiveType & { readonly type: keyof typeof NodeKind },
    place: NodePlace,
  ): Pick<ScanNode, 'changeable' | 'isLenientTimestamp' | 'kind' | 'unit'> {
    const isLenient = this.#coercion === 'lenient'
    const isTimestamp = type.type === 'timestamp' || type.type === 'timestamptz'
    const unit = isTimestamp ? this.#units.get(JSON.stringify(place.names)) : undefined
    const kind = isLenient ? NodeKind.any : NodeKind[type.type]
    return {
      kind: unit === undefined ? kind : NodeKind.epoch,
      changeable: isLenient ? undefined : this.#changeable(type, place),
      unit,
      isLenientTimestamp: isLenient && isTimestamp,
    }
  }

  #changeable(type: PrimitiveType, { names, fieldId }: NodePlace): ChangeableColumn | undefined {
    if (this.#growth?.changesTypes !== true || !changeableTypes.has(type.type)) return undefined
    return { path: names, type, isOpen: this.#growth.isOpen(fieldId) }
  }
}
