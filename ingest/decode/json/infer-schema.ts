/**
 * A schema from a bounded sample of JSON records: what each key held, merged over the sample.
 *
 * The type chosen keeps the sampled values exactly. Where no type keeps them all (a number here, a text
 * there), the kind of the most values decides and records with the others will be dead letters: one
 * bad record in a sample must not make every good one a dead letter. `notes` report it.
 */
import type { NestedField, Type } from '../../../catalog/format/index.ts'
import { isJsonObject, type Json } from '../../../common/index.ts'
import { columnNameFault, DottedNames, joinPath } from '../column-names.ts'
import { isDate, isTimestamp } from './scalar-checks.ts'

/** The values seen at one position of the records. */
export interface Shape {
  /** Counts by kind of JSON value. */
  readonly kinds: Map<string, number>
  readonly members: Map<string, Shape>
  element: Shape | undefined
}

export interface InferredSchema {
  /** Ids are placeholders (0): the catalog assigns them. */
  readonly fields: readonly NestedField[]
  /** One line for each choice that a user may want to override. */
  readonly notes: readonly string[]
}

/** Objects with more keys than this are data, not structure: they become a map. */
const structMembersMax = 200
/**
 * Deeper keys get no column, and their records are dead letters: reading lists in lists from Parquet costs
 * DuckDB about twice the time for each level (measured with 1.5.5), so one record could make a table unreadable.
 */
const inferredDepthMax = 16

/** Kinds of one family have a type that holds them all; of equally frequent families the first wins. */
const families: readonly (readonly string[])[] = [
  ['string', 'date', 'timestamp', 'timestamptz'],
  ['long', 'double', 'big integer'],
  ['boolean'],
  ['object'],
  ['array'],
]

export function newShape(): Shape {
  return { kinds: new Map(), members: new Map(), element: undefined }
}

/** Adds one value, parsed by `parseJsonTokens`, to the shape. */
export function observe(shape: Shape, value: Json, depth = 0): void {
  const kind = kindOf(value)
  shape.kinds.set(kind, (shape.kinds.get(kind) ?? 0) + 1)
  if (depth > inferredDepthMax) return
  if (Array.isArray(value)) {
    shape.element ??= newShape()
    for (const item of value as readonly Json[]) observe(shape.element, item, depth + 1)
  } else if (isJsonObject(value)) {
    for (const [key, member] of Object.entries(value)) {
      let child = shape.members.get(key)
      if (child === undefined) {
        child = newShape()
        shape.members.set(key, child)
      }
      observe(child, member, depth + 1)
    }
  }
}

/** The columns for records of this shape. */
export function inferFields(shape: Shape): InferredSchema {
  const notes: string[] = []
  const taken = new DottedNames()
  const fields = structFields(shape, '', notes, 0).flatMap((field) => {
    const type = taken.claim(field.type, field.name, (note) => notes.push(note))
    return type === undefined ? [] : [{ ...field, type }]
  })
  return { fields, notes }
}

/** The type of one position, or undefined when nothing but nulls was seen or it lies too deep. */
export function inferType(
  shape: Shape,
  path: string,
  notes: string[],
  depth = 0,
): Type | undefined {
  const kinds = prevailingKinds(shape)
  if (kinds.length === 0 || depth > inferredDepthMax) return undefined
  // The notes of the parts come after the note of the whole.
  const partNotes: string[] = []
  const type = typeOf(kinds, shape, { path, notes: partNotes, depth })
  const seen = [...shape.kinds].filter(([kind]) => kind !== 'null')
  if (kinds.length < seen.length) {
    notes.push(
      `${path}: ${type.type}, because most of its values are; it holds ${listKinds(seen)}, and records ` +
        'with the others will be dead letters unless schema.fields says otherwise',
    )
  } else if (type.type === 'string' && !kinds.includes('string')) {
    notes.push(`${path}: string, because it holds ${listKinds(seen)}`)
  } else if (type.type === 'string' && kinds.length > 1) {
    notes.push(`${path}: string, because only some of its values are times: ${listKinds(seen)}`)
  }
  notes.push(...partNotes)
  return type
}

interface Position {
  readonly path: string
  readonly notes: string[]
  readonly depth: number
}

/** `kinds` are of one family. */
function typeOf(kinds: readonly string[], shape: Shape, position: Position): Type {
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

/** The family that holds the most values; every sampled value outside it will be refused. */
function prevailingKinds(shape: Shape): readonly string[] {
  let prevailing: readonly string[] = []
  let countMax = 0
  for (const family of families) {
    const kinds = family.filter((kind) => shape.kinds.has(kind))
    const count = kinds.reduce((sum, kind) => sum + (shape.kinds.get(kind) ?? 0), 0)
    if (count <= countMax) continue
    countMax = count
    prevailing = kinds
  }
  return prevailing
}

function listKinds(kinds: readonly (readonly [string, number])[]): string {
  return kinds.map(([kind, count]) => `${kind} (${count})`).join(', ')
}

function objectType(shape: Shape, { path, notes, depth }: Position): Type {
  if (shape.members.size > structMembersMax) return mapOf(shape, { path, notes, depth })
  const fields = structFields(shape, path, notes, depth + 1)
  if (fields.length > 0) return { type: 'struct', fields }
  // A struct must have a field. Without a column, every record with this key would be refused.
  notes.push(`${path}: map of strings, because its objects hold nothing so far`)
  return mapOfType({ type: 'string' })
}

function listType(shape: Shape, { path, notes, depth }: Position): Type {
  const items = shape.element ?? newShape()
  let element = inferType(items, `${path}.element`, notes, depth + 1)
  if (element === undefined) {
    notes.push(`${path}: list of strings, because its arrays hold nothing so far`)
    element = { type: 'string' }
  }
  return { type: 'list', elementId: 0, elementRequired: false, element }
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
      const why =
        depth > inferredDepthMax ? 'it lies too deep' : 'it holds nothing but nulls so far'
      notes.push(`${childPath}: left out, because ${why}`)
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

function mapOf(shape: Shape, { path, notes, depth }: Position): Type {
  const values = newShape()
  for (const member of shape.members.values()) absorb(values, member)
  notes.push(`${path}: map, because it has more than ${structMembersMax} different keys`)
  return mapOfType(inferType(values, `${path}.value`, notes, depth + 1) ?? { type: 'string' })
}

function mapOfType(value: Type): Type {
  return { type: 'map', keyId: 0, key: { type: 'string' }, valueId: 0, valueRequired: false, value }
}

function absorb(into: Shape, from: Shape): void {
  for (const [kind, count] of from.kinds) into.kinds.set(kind, (into.kinds.get(kind) ?? 0) + count)
  for (const [name, member] of from.members) {
    let child = into.members.get(name)
    if (child === undefined) {
      child = newShape()
      into.members.set(name, child)
    }
    absorb(child, member)
  }
  if (from.element !== undefined) {
    into.element ??= newShape()
    absorb(into.element, from.element)
  }
}

function kindOf(value: Json): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  switch (typeof value) {
    case 'boolean':
      return 'boolean'
    case 'number':
      return 'double'
    case 'bigint':
      return BigInt.asIntN(64, value) === value ? 'long' : 'big integer'
    case 'string':
      return stringKind(value)
    default:
      return 'object'
  }
}

function stringKind(text: string): string {
  if (text.length < 10 || text.length > 35) return 'string'
  const bytes = Buffer.from(text, 'utf8')
  if (isDate(bytes, 0, bytes.length)) return 'date'
  if (isTimestamp(bytes, 0, bytes.length, true) === undefined) return 'timestamptz'
  if (isTimestamp(bytes, 0, bytes.length, false) === undefined) return 'timestamp'
  return 'string'
}
