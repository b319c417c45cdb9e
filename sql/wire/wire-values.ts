/**
 * Values as JSON that reads back as the very same value: what a shell on another machine needs to
 * show a result as the engine's own shell would.
 *
 * Text, booleans, NULL and finite numbers are written directly; any value that JSON cannot distinguish
 * from these is an object of one member that names its kind.
 */
import { CorruptDataError, isJsonObject, type Json, type JsonObject } from '../../common/index.ts'
import type { SqlValue } from '../session/values.ts'

export function wireValue(value: SqlValue): Json {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'bigint') return { i: String(value) }
  if (typeof value === 'number') return { n: Object.is(value, -0) ? '-0' : String(value) }
  if (value instanceof Uint8Array) return { b: Buffer.from(value).toString('base64') }
  switch (value.kind) {
    case 'decimal':
      return { d: value.text }
    case 'temporal':
      return { t: [value.text, value.iso] }
    case 'list':
      return value.items.map(wireValue)
    case 'struct':
      return { s: value.entries.map(([name, member]) => [name, wireValue(member)]) }
    case 'map':
      return { m: value.entries.map(([key, member]) => [wireValue(key), wireValue(member)]) }
    default:
      return value satisfies never
  }
}

export function readWireValue(json: Json): SqlValue {
  if (json === null || typeof json === 'string' || typeof json === 'boolean') return json
  if (Array.isArray(json)) {
    return { kind: 'list', items: (json as readonly Json[]).map(readWireValue) }
  }
  if (!isJsonObject(json)) throw new CorruptDataError('a value of the answer has an unknown kind')
  const [kind = ''] = Object.keys(json)
  const read = Object.hasOwn(readers, kind) ? readers[kind] : undefined
  if (read === undefined) {
    throw new CorruptDataError('a value of the answer has an unknown kind', { facts: { kind } })
  }
  return read(json)
}

const readers: Readonly<Record<string, (json: JsonObject) => SqlValue>> = {
  i: (json) => BigInt(String(json['i'])),
  n: (json) => Number(json['n']),
  b: (json) => new Uint8Array(Buffer.from(String(json['b']), 'base64')),
  d: (json) => ({ kind: 'decimal', text: String(json['d']) }),
  t: (json) => {
    const [text, iso] = itemsOf(json['t'])
    return { kind: 'temporal', text: String(text), iso: String(iso) }
  },
  s: (json) => ({
    kind: 'struct',
    entries: itemsOf(json['s']).map((entry) => {
      const [name, member] = itemsOf(entry)
      return [String(name), readWireValue(member ?? null)]
    }),
  }),
  m: (json) => ({
    kind: 'map',
    entries: itemsOf(json['m']).map((entry) => {
      const [key, member] = itemsOf(entry)
      return [readWireValue(key ?? null), readWireValue(member ?? null)]
    }),
  }),
}

function itemsOf(json: Json | undefined): readonly Json[] {
  if (Array.isArray(json)) return json as readonly Json[]
  throw new CorruptDataError('a value of the answer is not whole')
}
