/** What each key of sampled JSON records held, merged over all of them. Bounded, whatever the records hold. */

/** The kinds of JSON values that inference tells apart. */
export type ValueKind =
  | 'null'
  | 'boolean'
  | 'long'
  | 'double'
  | 'big integer'
  | 'string'
  | 'date'
  | 'timestamp'
  | 'timestamptz'
  | 'object'
  | 'array'

/** The values seen at one position of the records. */
export interface Shape {
  readonly kinds: Map<ValueKind, number>
  readonly members: Map<string, Shape>
  /** The members of objects with too many different keys, merged into one; then `members` is empty. */
  values: Shape | undefined
  element: Shape | undefined
  /** The digits of its integers, where all are as long as the seconds, milliseconds or microseconds of our years; else 0. */
  epochDigits: number | undefined
}

/** Objects with more keys than this are data, not structure: they become a map. */
export const structMembersMax = 200

export function newShape(): Shape {
  return {
    kinds: new Map(),
    members: new Map(),
    values: undefined,
    element: undefined,
    epochDigits: undefined,
  }
}

export function countKind({ kinds }: Shape, kind: ValueKind): void {
  kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
}

/** Notes an integer of so many digits; `isLate` when the first of them is a 1. */
export function noteInteger(shape: Shape, digits: number, isLate: boolean): void {
  const epoch = isLate && epochDigits.includes(digits) ? digits : 0
  const before = shape.epochDigits ?? epoch
  shape.epochDigits = before === epoch ? epoch : 0
}

const epochDigits: readonly number[] = [10, 13, 16]

/** The members of an object as one. */
export function mergedMembers(shape: Shape): Shape {
  const values = shape.values ?? newShape()
  for (const member of shape.members.values()) absorb(values, member)
  return values
}

/** Keeps the members of an object with too many different keys as one only. */
export function mergeMembers(shape: Shape): Shape {
  shape.values = mergedMembers(shape)
  shape.members.clear()
  return shape.values
}

/** Adds what `from` held. Members beyond `membersMax` are merged. */
export function absorb(into: Shape, from: Shape, membersMax = structMembersMax): void {
  if (from.epochDigits !== undefined) {
    into.epochDigits =
      (into.epochDigits ?? from.epochDigits) === from.epochDigits ? from.epochDigits : 0
  }
  for (const [kind, count] of from.kinds) into.kinds.set(kind, (into.kinds.get(kind) ?? 0) + count)
  if (from.values !== undefined) absorb(mergeMembers(into), from.values, membersMax)
  for (const [name, member] of from.members) {
    if (into.values !== undefined) {
      absorb(into.values, member, membersMax)
      continue
    }
    let child = into.members.get(name)
    if (child === undefined) {
      child = newShape()
      into.members.set(name, child)
    }
    absorb(child, member, membersMax)
    if (into.members.size > membersMax) mergeMembers(into)
  }
  if (from.element !== undefined) {
    into.element ??= newShape()
    absorb(into.element, from.element, membersMax)
  }
}
