/**
 * A schema from a bounded sample of JSON records: what each key held, merged over the sample.
 *
 * The type chosen keeps the sampled values exactly. Where no type keeps them all (a number here, a text
 * there), the kind of the most values decides and records with the others will be dead letters: one
 * bad record in a sample must not make every good one a dead letter. `notes` report it.
 */
import type { NestedField, Type } from '../../../catalog/format/index.ts'
import { columnNameFault, DottedNames, joinPath, type NameRules } from '../column-names.ts'
import { plainKeyRules } from '../key-rules.ts'
import { mergedMembers, type Shape, structMembersMax, type ValueKind } from './shape.ts'
import { inferredDepthMax } from './shape-cursor.ts'

export interface InferredSchema {
  /** Ids are placeholders (0): the catalog assigns them. */
  readonly fields: readonly NestedField[]
  /** One line for each choice that a user may want to override. */
  readonly notes: readonly string[]
}

/** Kinds of one family have a type that holds them all; of equally frequent families the first wins. */
const families: readonly (readonly ValueKind[])[] = [
  ['string', 'date', 'timestamp', 'timestamptz'],
  ['long', 'double', 'big integer'],
  ['boolean'],
  ['object'],
  ['array'],
]

/** The columns for records of this shape. */
export function inferFields(shape: Shape, rules: NameRules = plainKeyRules): InferredSchema {
  const notes: string[] = []
  const taken = new DottedNames(rules)
  const fields = structFields(shape, '', notes, 0).flatMap((field) => {
    const type = taken.claim(field.type, field.name, (path, why) => {
      notes.push(`${path}: left out, because ${why}`)
    })
    return type === undefined ? [] : [{ ...field, type }]
  })
  return { fields, notes }
}

/**
 * The type of one position. Undefined where it is still open: nothing but nulls, empty arrays and empty
 * objects was seen, or it lies too deep.
 */
export function inferType(
  shape: Shape,
  path: string,
  notes: string[],
  depth = 0,
): Type | undefined {
  if (depth > inferredDepthMax) return undefined
  for (const kinds of familiesByCount(shape)) {
    // The notes of the parts come after the note of the whole.
    const partNotes: string[] = []
    const type = typeOf(kinds, shape, { path, notes: partNotes, depth })
    // Arrays and objects that hold nothing say as little as nulls do.
    if (type === undefined) continue
    notes.push(...choiceNotes(type, kinds, shape, path), ...partNotes)
    return type
  }
  return undefined
}

function choiceNotes(
  type: Type,
  kinds: readonly ValueKind[],
  shape: Shape,
  path: string,
): readonly string[] {
  const seen = [...shape.kinds].filter(([kind]) => kind !== 'null')
  const held = `${path}: ${type.type}, because`
  if (kinds.length < seen.length) {
    return [
      `${held} most of its values are; it holds ${listKinds(seen)}, and records ` +
        'with the others will be dead letters unless schema.fields says otherwise',
    ]
  }
  if (type.type !== 'string' || kinds.length === 1) return []
  return kinds.includes('string')
    ? [`${held} only some of its values are times: ${listKinds(seen)}`]
    : [`${held} it holds ${listKinds(seen)}`]
}

interface Position {
  readonly path: string
  readonly notes: string[]
  readonly depth: number
}

/** `kinds` are of one family. */
function typeOf(kinds: readonly ValueKind[], shape: Shape, position: Position): Type | undefined {
  const { path, notes } = position
  const [only] = kinds
  if (only === 'object') return objectType(shape, position)
  if (only === 'array') return listType(shape, position)
  if (kinds.includes('double')) {
    if (kinds.includes('big integer')) {
      notes.push(`${path}: double; integers that it cannot hold exactly will be dead letters`)
    }
    return { type: 'double' }
  }
  if (kinds.includes('big integer')) {
    notes.push(`${path}: decimal(38,0), because it holds integers beyond 64 bits`)
    return { type: 'decimal', precision: 38, scale: 0 }
  }
  switch (kinds.length === 1 ? only : 'string') {
    case 'boolean':
      return { type: 'boolean' }
    case 'long':
      return { type: 'long' }
    case 'date':
      return { type: 'date' }
    case 'timestamp':
      return { type: 'timestamp' }
    case 'timestamptz':
      return { type: 'timestamptz' }
    default:
      return { type: 'string' }
  }
}

/** The kinds seen, by family, the family of the most values first: every sampled value outside it will be refused. */
function familiesByCount(shape: Shape): readonly (readonly ValueKind[])[] {
  const countOf = (kinds: readonly ValueKind[]): number =>
    kinds.reduce((sum, kind) => sum + (shape.kinds.get(kind) ?? 0), 0)
  return families
    .map((family) => family.filter((kind) => shape.kinds.has(kind)))
    .filter((kinds) => kinds.length > 0)
    .sort((left, right) => countOf(right) - countOf(left))
}

function listKinds(kinds: readonly (readonly [string, number])[]): string {
  return kinds.map(([kind, count]) => `${kind} (${count})`).join(', ')
}

function objectType(shape: Shape, { path, notes, depth }: Position): Type | undefined {
  if (shape.values !== undefined || shape.members.size > structMembersMax) {
    const value = inferType(mergedMembers(shape), `${path}.value`, notes, depth + 1)
    if (value === undefined) return undefined
    notes.unshift(`${path}: map, because it has more than ${structMembersMax} different keys`)
    return {
      type: 'map',
      keyId: 0,
      key: { type: 'string' },
      valueId: 0,
      valueRequired: false,
      value,
    }
  }
  const fields = structFields(shape, path, notes, depth + 1)
  return fields.length === 0 ? undefined : { type: 'struct', fields }
}

function listType(shape: Shape, { path, notes, depth }: Position): Type | undefined {
  const { element: items } = shape
  const element = items && inferType(items, `${path}.element`, notes, depth + 1)
  return element && { type: 'list', elementId: 0, elementRequired: false, element }
}

function structFields(shape: Shape, path: string, notes: string[], depth: number): NestedField[] {
  const fields: NestedField[] = []
  const lower = new Set<string>()
  for (const [name, child] of shape.members) {
    const childPath = joinPath(path, name)
    const fault = columnNameFault(name)
    if (fault !== undefined) {
      notes.push(
        `${JSON.stringify(childPath)}: left out, because no column can have this name: ${fault}`,
      )
      continue
    }
    const type = inferType(child, childPath, notes, depth)
    if (type === undefined) {
      notes.push(
        isTooDeep(child, depth)
          ? `${childPath}: left out, because it lies too deep`
          : `${childPath}: no column yet, because nothing in it has a value so far`,
      )
      continue
    }
    if (lower.has(name.toLowerCase())) {
      notes.push(`${childPath}: left out, because another key differs only in upper and lower case`)
      continue
    }
    lower.add(name.toLowerCase())
    fields.push({ id: 0, name, required: false, type })
  }
  return fields
}

/** Whether a value was seen that lies below all levels that get columns. */
function isTooDeep({ kinds, element, members, values }: Shape, depth: number): boolean {
  if (depth > inferredDepthMax) return [...kinds.keys()].some((kind) => kind !== 'null')
  const parts = [element, values, ...members.values()]
  return parts.some((part) => part !== undefined && isTooDeep(part, depth + 1))
}
