/** What the columns of a new table could be, from the first records of its topic. */
import type { RecordBatch } from '../../record-batch/record-batch.ts'
import type { FieldRemark, RecordSample, SampledColumns } from '../row-decoder.ts'
import { inferFields } from './infer-schema.ts'
import type { KeyRules } from '../key-rules.ts'
import { sampleRemarks } from './sample-remarks.ts'
import { absorb, newShape, type Shape, structMembersMax } from './shape.ts'
import { ShapeCursor } from './shape-cursor.ts'

/** Serializers of a schema registry write this byte and the four of a schema's id before each value. */
const registryMagicByte = 0
const registryPrefixBytes = 5

/** Records that are not objects become dead letters, so they do not influence the columns. */
export class JsonSample implements RecordSample {
  readonly #recordsMax: number
  readonly #rules: KeyRules
  readonly #shape = newShape()
  readonly #cursor = new ShapeCursor(structMembersMax)
  #readable = 0
  #nulls = 0
  #framed = 0
  #others = 0

  constructor(recordsMax: number, rules: KeyRules) {
    this.#recordsMax = recordsMax
    this.#rules = rules
  }

  add({ count, data, valueStarts, valueEnds }: RecordBatch): void {
    for (let index = 0; index < count && this.#sampled < this.#recordsMax; index++) {
      const start = valueStarts[index] ?? -1
      const end = valueEnds[index] ?? start
      if (start < 0) this.#nulls++
      else if (this.#cursor.observeRecord(this.#shape, data, start, end)) this.#readable++
      else if (data[start] === registryMagicByte && end - start > registryPrefixBytes)
        this.#framed++
      else this.#others++
    }
  }

  columns(): SampledColumns {
    return {
      sampledCount: this.#sampled,
      readableCount: this.#readable,
      unreadable: this.#unreadable,
      ...inferFields(withFoldedKeys(this.#shape, this.#rules), this.#rules),
    }
  }

  remarks(): readonly FieldRemark[] {
    return sampleRemarks(this.#shape)
  }

  get #sampled(): number {
    return this.#readable + this.#nulls + this.#framed + this.#others
  }

  get #unreadable(): string | undefined {
    const parts = [
      ...(this.#nulls === 0 ? [] : [`${this.#nulls} with a null value (tombstones)`]),
      ...(this.#framed === 0
        ? []
        : [
            `${this.#framed} in the framed format of a schema registry (a zero byte and a schema id come ` +
              'first), which this release does not decode: schema: {mode: key_value} keeps their bytes',
          ]),
      ...(this.#others === 0 ? [] : [`${this.#others} that are no json object`]),
    ]
    return parts.length === 0 ? undefined : parts.join('; ')
  }
}

/** With `field_case: insensitive` keys that differ only in case are one, in the spelling that came first. */
function withFoldedKeys(shape: Shape, rules: KeyRules): Shape {
  if (rules.fieldCase === 'exact') return shape
  const members = new Map<string, Shape>()
  const spellings = new Map<string, string>()
  for (const [name, member] of shape.members) {
    const lower = name.toLowerCase()
    const spelling = spellings.get(lower) ?? name
    spellings.set(lower, spelling)
    const into = members.get(spelling) ?? newShape()
    absorb(into, withFoldedKeys(member, rules))
    members.set(spelling, into)
  }
  const { element, values } = shape
  return {
    ...shape,
    members,
    values: values && withFoldedKeys(values, rules),
    element: element && withFoldedKeys(element, rules),
  }
}
