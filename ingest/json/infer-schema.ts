/**
 * A schema from a bounded sample of JSON records: what each key held, merged over the sample.
 *
 * Only types that keep every sampled value exactly are chosen; a key whose values disagree becomes a
 * string and the others will be dead letters, which `notes` says out loud.
 */
import type { NestedField, Type } from '../../catalog/index.ts'
import { isJsonObject, type Json } from '../../common/index.ts'
import { isDate, isTimestamp } from './scalar-checks.ts'

/** What was seen of one value position. */
export interface Shape {
  /** Counts by kind of JSON value. */
  readonly kinds: Map<string, number>
  readonly members: Map<string, Shape>
  element: Shape | undefined
}

export interface InferredSchema {
  /** Ids are placeholders (0): the catalog assigns them. */
  readonly fields: readonly NestedField[]
  /** One line for each choice that a person may want to overrule. */
  readonly notes: readonly string[]
}

/** Objects with more keys than this are data, not structure: they become a map. */
const structMembersMax = 200
/** Deeper structure is kept as text. */
const inferredDepthMax = 16

export function newShape(): Shape {
  return { kinds: new Map(), members: new Map(), element: undefined }
}

/** Adds one value, parsed by `parseJsonTokens`, to what was seen. */
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
  return { fields: structFields(shape, '', notes, 0), notes }
}

/** The type of one position, or undefined when nothing but nulls (or empty arrays) was seen. */
export function inferType(
  shape: Shape,
  path: string,
  notes: string[],
  depth = 0,
): Type | undefined {
  const kinds = [...shape.kinds.keys()].filter((kind) => kind !== 'null')
  if (kinds.length === 0) return undefined
  if (depth > inferredDepthMax) return undefined
  const only = kinds.length === 1 ? kinds[0] : merged(kinds)
  switch (only) {
    case 'object': {
      if (shape.members.size === 0) return undefined
      if (shape.members.size > structMembersMax) return mapOf(shape, path, notes, depth)
      return { type: 'struct', fields: structFields(shape, path, notes, depth + 1) }
    }
    case 'array': {
      const element =
        shape.element === undefined
          ? undefined
          : inferType(shape.element, `${path}.element`, notes, depth + 1)
      if (element === undefined) return undefined
      return { type: 'list', elementId: 0, elementRequired: false, element }
    }
    case 'boolean':
    case 'long':
    case 'double':
    case 'date':
    case 'timestamp':
    case 'timestamptz':
    case 'string':
      return { type: only }
    case 'big integer':
      notes.push(`${path}: decimal(38,0), because it holds integers beyond 64 bits`)
      return { type: 'decimal', precision: 38, scale: 0 }
    default:
      notes.push(
        `${path}: string, because it holds ${[...shape.kinds].map(([kind, count]) => `${kind} (${count})`).join(', ')}; ` +
          'the other kinds will be dead letters unless schema.fields says otherwise',
      )
      return { type: 'string' }
  }
}

function structFields(shape: Shape, path: string, notes: string[], depth: number): NestedField[] {
  const fields: NestedField[] = []
  const lower = new Set<string>()
  for (const [name, child] of shape.members) {
    const childPath = path === '' ? name : `${path}.${name}`
    const type = inferType(child, childPath, notes, depth)
    if (type === undefined) {
      notes.push(`${childPath}: left out, because it holds nothing but nulls so far`)
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

function mapOf(shape: Shape, path: string, notes: string[], depth: number): Type | undefined {
  const values = newShape()
  for (const member of shape.members.values()) absorb(values, member)
  const value = inferType(values, `${path}.value`, notes, depth + 1)
  if (value === undefined) return undefined
  notes.push(`${path}: map, because it has more than ${structMembersMax} different keys`)
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

/** The one kind that holds all of these exactly, if there is one. */
function merged(kinds: readonly string[]): string | undefined {
  const all = (...allowed: string[]): boolean => kinds.every((kind) => allowed.includes(kind))
  if (all('long', 'double')) return 'double'
  if (all('long', 'big integer')) return 'big integer'
  if (all('string', 'date', 'timestamp', 'timestamptz')) return 'string'
  return undefined
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
