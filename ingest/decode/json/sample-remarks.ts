/** What a person should look at before taking over the columns that a sample has chosen. */
import type { FieldRemark } from '../row-decoder.ts'
import { inferType } from './infer-schema.ts'
import { mergedMembers, type Shape, structMembersMax, type ValueKind } from './shape.ts'

/** A type that so few values chose is worth a look. */
const fewValues = 10
const fewNumbers = 100
const unitsByDigits: Readonly<Record<number, string>> = {
  10: 'seconds since 1970? then: timestamptz unix_s',
  13: 'milliseconds since 1970? then: timestamptz unix_ms',
  16: 'microseconds since 1970? then: timestamptz unix_us',
}

export function sampleRemarks(shape: Shape): readonly FieldRemark[] {
  return [...shape.members].flatMap(([name, member]) => remarksAt(member, [name]))
}

function remarksAt(shape: Shape, path: readonly string[]): readonly FieldRemark[] {
  const type = inferType(shape, '', [])
  if (type === undefined) return [{ path, text: 'no value so far', isOpen: true }]
  switch (type.type) {
    case 'struct':
      return [...shape.members].flatMap(([name, member]) => remarksAt(member, [...path, name]))
    case 'map':
      return [
        { path, text: `a map, because it has more than ${structMembersMax} different keys` },
        ...remarksAt(mergedMembers(shape), [...path, 'value']),
      ]
    case 'list':
      return shape.element === undefined ? [] : remarksAt(shape.element, [...path, 'element'])
    default:
      return scalarRemarks(shape, type.type, path)
  }
}

function scalarRemarks(
  { epochDigits, kinds }: Shape,
  type: string,
  path: readonly string[],
): readonly FieldRemark[] {
  const seen = [...kinds].filter(([kind]) => kind !== 'null')
  const values = seen.reduce((sum, [, count]) => sum + count, 0)
  const unit = type === 'long' ? unitsByDigits[epochDigits ?? 0] : undefined
  const texts: string[] = []
  if (seen.length > 1) texts.push(`holds ${listKinds(seen)}`)
  const seenTimes = `seen ${values === 1 ? 'once' : `${values} times`}`
  if (unit !== undefined) texts.push(unit)
  else if (type === 'long' && values < fewNumbers) texts.push(`whole numbers only, ${seenTimes}`)
  else if (type === 'date' && values < fewNumbers) texts.push(`dates only, ${seenTimes}`)
  else if (values < fewValues) texts.push(seenTimes)
  return texts.length === 0 ? [] : [{ path, text: texts.join('; ') }]
}

function listKinds(kinds: readonly (readonly [ValueKind, number])[]): string {
  return kinds.map(([kind, count]) => `${kind} (${count})`).join(', ')
}
