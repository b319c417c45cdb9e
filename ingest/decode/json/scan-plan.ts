/**
 * A table schema compiled for the row scanner: which JSON keys are expected where, and what each
 * value must look like so that the engine's conversion changes nothing.
 */
import type { Coercion } from './coercion.ts'
import type { EpochColumn, EpochUnit } from './epoch-unit.ts'
import type { NestedField, PrimitiveType, Type } from '../../../catalog/format/index.ts'
import { topLevel } from '../../../catalog/table/index.ts'
import { SettingsError, UnsupportedError } from '../../../common/index.ts'
import { type KeyRules, plainKeyRules, StructKeys, type UnknownFields } from '../key-rules.ts'

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
  /** A column that the settings leave out: any value, which is not kept. */
  ignored: 18,
  /** A column that may be null and whose type no JSON value can fill. */
  unfillable: 19,
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
  /** Why no value but null fits. */
  readonly unfillable: string | undefined
  /** Of a timestamp that is a number. */
  readonly unit: EpochUnit | undefined
  /** With lenient coercion: the engine converts a text, which may be a timestamp. */
  readonly isLenientTimestamp: boolean
  readonly isLenientDecimal: boolean
}

export interface ScanPlan {
  readonly root: ScanNode
  readonly unknownFields: UnknownFields
}

/** The fields of one struct, searched by key bytes; the next field in order is tried first. */
export interface FieldTable {
  /** `"name":` as it stands in most records, in 32-bit words. */
  readonly patterns: readonly KeyPattern[]
  readonly nodes: readonly ScanNode[]
  readonly names: readonly string[]
  readonly keys: StructKeys
  readonly requiredCount: number
  /** Instance number in which field i was last seen: a repeat within one instance is a duplicate key. */
  readonly seenIn: Float64Array
}

export interface KeyPattern {
  readonly length: number
  /** Big-endian words from the start; the last one ends with the pattern and may overlap. */
  readonly words: Int32Array
}

/** Where a node stands. */
interface NodePlace {
  /** From the top. */
  readonly names: readonly string[]
  /** The field that has a name of its own. */
  readonly fieldId: number
  /** The field, the element of a list or the value of a map. */
  readonly id: number
  /** Timestamps at and below this place that are numbers, their paths from here, by declared names. */
  readonly epochs: readonly EpochColumn[]
}

export interface ScanPlanOptions {
  /** Without it the schema stays as it is. */
  readonly growth?: SchemaGrowth | undefined
  readonly rules?: KeyRules
  readonly epochColumns?: readonly EpochColumn[]
}

/**
 * Compiles the fields of a table schema that JSON records fill (side columns already left out). Throws
 * UnsupportedError for a required column that JSON cannot fill.
 */
export function compileScanPlan(
  fields: readonly NestedField[],
  coercion: Coercion,
  { growth, rules = plainKeyRules, epochColumns = [] }: ScanPlanOptions = {},
): ScanPlan {
  const compiler = new PlanCompiler(coercion, growth, rules)
  const root = { kind: NodeKind.struct, required: true, path: '', precision: 0, scale: 0 }
  return {
    root: {
      ...root,
      fields: compiler.fieldTable(fields, { names: [], id: topLevel, epochs: epochColumns }),
      element: undefined,
      changeable: undefined,
      unfillable: undefined,
      unit: undefined,
      isLenientTimestamp: false,
      isLenientDecimal: false,
    },
    unknownFields: rules.unknownFields,
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
  readonly #rules: KeyRules

  constructor(coercion: Coercion, growth: SchemaGrowth | undefined, rules: KeyRules) {
    this.#coercion = coercion
    this.#growth = growth
    this.#rules = rules
  }

  fieldTable(
    fields: readonly NestedField[],
    { names, id: structId, epochs }: Omit<NodePlace, 'fieldId'>,
  ): FieldTable {
    const keys = new StructKeys(fields, structId, names.join('.'), this.#rules)
    const nodes = fields.map((field, index) => {
      const { id, name } = field
      const own = belowStep(epochs, (step) => keys.indexOf(step) === index)
      const place = { names: [...names, name], fieldId: id, id, epochs: own }
      return this.#field(field, place, keys.isIgnored(name))
    })
    return {
      patterns: fields.map((field) => keyPattern(field.name)),
      nodes,
      names: fields.map((field) => field.name),
      keys,
      requiredCount: nodes.filter((node) => node.required).length,
      seenIn: new Float64Array(fields.length),
    }
  }

  #field({ type, required }: NestedField, place: NodePlace, isIgnored: boolean): ScanNode {
    const blank = { ...leaf(place, required), kind: NodeKind.ignored }
    if (isIgnored) {
      if (!required) return blank
      throw new SettingsError('schema.ignore_fields names a required column of the table', {
        facts: { column: blank.path },
      })
    }
    const unfillable = jsonTypeFault(type)
    if (unfillable === undefined) return this.#node(type, required, place)
    if (required) throw new UnsupportedError(unfillable, { facts: { column: blank.path } })
    return { ...blank, kind: NodeKind.unfillable, unfillable }
  }

  #node(type: Type, required: boolean, place: NodePlace): ScanNode {
    const within = (name: string, id: number): NodePlace => ({
      ...place,
      names: [...place.names, name],
      id,
      epochs: belowStep(place.epochs, (step) => step === name),
    })
    const node = leaf(place, required)
    switch (type.type) {
      case 'struct':
        return { ...node, kind: NodeKind.struct, fields: this.fieldTable(type.fields, place) }
      case 'list': {
        const at = within('element', type.elementId)
        const element = this.#node(type.element, type.elementRequired, at)
        return { ...node, kind: NodeKind.list, element }
      }
      case 'map': {
        const at = within('value', type.valueId)
        return {
          ...node,
          kind: NodeKind.map,
          element: this.#node(type.value, type.valueRequired, at),
        }
      }
      case 'fixed':
        throw new UnsupportedError(fixedFault, { facts: { column: node.path } })
      case 'decimal':
        return this.#primitive(
          type,
          { ...node, precision: type.precision, scale: type.scale },
          place,
        )
      default:
        return this.#primitive(type, node, place)
    }
  }

  #primitive(
    type: Exclude<PrimitiveType, { readonly type: 'fixed' }>,
    node: Omit<ScanNode, 'kind'>,
    place: NodePlace,
  ): ScanNode {
    const isLenient = this.#coercion === 'lenient'
    const isTimestamp = type.type === 'timestamp' || type.type === 'timestamptz'
    const unit = isTimestamp ? place.epochs.find(({ path }) => path.length === 0)?.unit : undefined
    const kind = isLenient ? NodeKind.any : NodeKind[type.type]
    return {
      ...node,
      kind: unit === undefined ? kind : NodeKind.epoch,
      changeable: isLenient ? undefined : this.#changeable(type, place),
      unit,
      isLenientTimestamp: isLenient && isTimestamp,
      isLenientDecimal: isLenient && type.type === 'decimal',
    }
  }

  #changeable(type: PrimitiveType, { names, fieldId }: NodePlace): ChangeableColumn | undefined {
    if (this.#growth?.changesTypes !== true || !changeableTypes.has(type.type)) return undefined
    return { path: names, type, isOpen: this.#growth.isOpen(fieldId) }
  }
}

const fixedFault = 'fixed columns cannot be filled from json; declare binary'

/**
 * Why no JSON value fills a column of this type. Members of structs that may be null can stay so, unless
 * `everywhere` asks for each of them.
 */
export function jsonTypeFault(type: Type, everywhere = false): string | undefined {
  switch (type.type) {
    case 'fixed':
      return fixedFault
    case 'struct':
      return type.fields
        .filter(({ required }) => required || everywhere)
        .map((field) => jsonTypeFault(field.type, everywhere))
        .find((fault) => fault !== undefined)
    case 'list':
      return jsonTypeFault(type.element, everywhere)
    case 'map':
      if (type.key.type !== 'string') return 'a map filled from json needs string keys'
      return jsonTypeFault(type.value, everywhere)
    default:
      return undefined
  }
}

function leaf({ names }: NodePlace, required: boolean): Omit<ScanNode, 'kind'> {
  return {
    required,
    path: names.join('.'),
    precision: 0,
    scale: 0,
    fields: undefined,
    element: undefined,
    changeable: undefined,
    unfillable: undefined,
    unit: undefined,
    isLenientTimestamp: false,
    isLenientDecimal: false,
  }
}

/** Those below one step of their paths, from there. */
function belowStep(
  epochs: readonly EpochColumn[],
  isStep: (name: string) => boolean,
): readonly EpochColumn[] {
  return epochs.flatMap(({ path: [step, ...path], unit }) =>
    step !== undefined && isStep(step) ? [{ path, unit }] : [],
  )
}
