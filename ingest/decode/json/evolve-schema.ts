/**
 * Adds to a schema the fields of records that it lacks, at any depth. Nothing is dropped,
 * renamed or retyped: such changes are never automatic.
 */
import type { NestedField, Schema, Type } from '../../../catalog/format/index.ts'
import { topLevel } from '../../../catalog/table/index.ts'
import { DottedNames } from '../column-names.ts'
import { type KeyRules, plainKeyRules, StructKeys } from '../key-rules.ts'
import type { AddedColumn, SchemaAdditions } from '../row-decoder.ts'
import { inferType } from './infer-schema.ts'
import { absorb, newShape, type Shape } from './shape.ts'

/** `shape` describes whole records, their members not merged. */
export function evolveSchema(
  schema: Schema,
  shape: Shape,
  rules = plainKeyRules,
): Pick<SchemaAdditions, 'added' | 'notes' | 'refused'> {
  const growth = new SchemaGrower(schema, rules)
  growth.grow(shape)
  return growth
}

/** Where the members of a struct stand. */
interface StructPlace {
  readonly path: readonly string[]
  /** As `KeyRules` names structs. */
  readonly structId: number
  readonly depth: number
}

class SchemaGrower {
  readonly added: AddedColumn[] = []
  readonly notes: string[] = []
  readonly refused = new Map<string, string>()
  readonly #schema: Schema
  readonly #rules: KeyRules
  readonly #taken: DottedNames

  constructor(schema: Schema, rules: KeyRules) {
    this.#schema = schema
    this.#rules = rules
    this.#taken = new DottedNames(rules)
    this.#taken.add(schema.fields)
  }

  grow({ members }: Shape): void {
    this.#fields(this.#schema.fields, members, { path: [], structId: topLevel, depth: 0 })
  }

  #fields(
    fields: readonly NestedField[],
    members: ReadonlyMap<string, Shape>,
    place: StructPlace,
  ): readonly NestedField[] {
    const keys = new StructKeys(fields, place.structId, place.path.join('.'), this.#rules)
    const { filled, others } = this.#sort(keys, members)
    const grown = fields.map((field, index) => {
      const seen = filled.get(index)
      if (seen === undefined) return field
      const path = [...place.path, field.name]
      return {
        ...field,
        type: this.#type(field.type, seen, { ...place, path, structId: field.id }),
      }
    })
    const names = new Set<string>()
    for (const [name, seen] of others) {
      if (names.has(name.toLowerCase()) || keys.refusal(name) !== undefined) continue
      const type = this.#newType(name, seen, place, grown.length)
      if (type === undefined) continue
      names.add(name.toLowerCase())
      grown.push({ id: 0, name, required: false, type })
      this.added.push({ kind: 'add-column', parent: place.path, name, type })
    }
    return grown
  }

  /** The values that fill fields, by index, and those of keys that fill none. */
  #sort(
    keys: StructKeys,
    members: ReadonlyMap<string, Shape>,
  ): { readonly filled: ReadonlyMap<number, Shape>; readonly others: ReadonlyMap<string, Shape> } {
    const filled = new Map<number, Shape>()
    const others = new Map<string, Shape>()
    const spellings = new Map<string, string>()
    for (const [name, seen] of members) {
      if (keys.isIgnored(name)) continue
      const index = keys.indexOf(name)
      if (index >= 0) filled.set(index, both(filled.get(index), seen))
      else {
        const folded = this.#rules.fieldCase === 'exact' ? name : name.toLowerCase()
        const spelling = spellings.get(folded) ?? name
        spellings.set(folded, spelling)
        others.set(spelling, both(others.get(spelling), seen))
      }
    }
    return { filled, others }
  }

  #newType(name: string, seen: Shape, place: StructPlace, count: number): Type | undefined {
    const { structFieldsMax } = this.#rules
    const path = [...place.path, name].join('.')
    if (place.path.length > 0 && count >= structFieldsMax) {
      this.refused.set(
        path,
        `${place.path.join('.')} has ${count} members, and schema.max_struct_fields is ${structFieldsMax}: so many ` +
          'different keys are data; declare it in schema.fields as map<string, …>, or raise the limit',
      )
      return undefined
    }
    const whole = inferType(seen, path, this.notes, place.depth)
    return whole && this.#taken.claim(whole, path, (at, why) => this.refused.set(at, why))
  }

  /** The type with what was added, so that the next value of a map does not add it again. */
  #type(type: Type, seen: Shape, place: StructPlace): Type {
    const { path, depth } = place
    if (type.type === 'struct') {
      const fields = this.#fields(type.fields, seen.members, { ...place, depth: depth + 1 })
      return { ...type, fields }
    }
    if (type.type === 'list' && seen.element !== undefined) {
      const within = { path: [...path, 'element'], structId: type.elementId, depth: depth + 1 }
      return { ...type, element: this.#type(type.element, seen.element, within) }
    }
    if (type.type === 'map') {
      const within = { path: [...path, 'value'], structId: type.valueId, depth: depth + 1 }
      let value = type.value
      const members = [
        ...seen.members.values(),
        ...(seen.values === undefined ? [] : [seen.values]),
      ]
      for (const member of members) value = this.#type(value, member, within)
      return { ...type, value }
    }
    return type
  }
}

function both(before: Shape | undefined, seen: Shape): Shape {
  if (before === undefined) return seen
  const merged = newShape()
  absorb(merged, before, Number.POSITIVE_INFINITY)
  absorb(merged, seen, Number.POSITIVE_INFINITY)
  return merged
}
