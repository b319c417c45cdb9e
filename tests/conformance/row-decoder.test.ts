/** The decoders of this release, each by the one suite. */
import fc from 'fast-check'
import type { NestedField, Type } from '../../catalog/format/index.ts'
import { jsonFormat } from '../../ingest/decode/json/json-format.ts'
import { keyValueFormat, type RawType } from '../../ingest/decode/key-value/key-value-format.ts'
import type { RawRecord } from '../support/record-batches.ts'
import { describeRowDecoder } from './describe-row-decoder.ts'

const field = (name: string, type: Type): NestedField => ({ id: 0, name, required: false, type })
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))
const hexOf = (bytes: Uint8Array | null): string =>
  bytes === null ? 'null' : Buffer.from(bytes).toString('hex').toUpperCase()

interface JsonValues {
  readonly s: string | null
  readonly n: bigint | null
  readonly b: Uint8Array | null
  readonly f: boolean | null
}

const jsonValues: fc.Arbitrary<JsonValues> = fc.record({
  s: fc.option(fc.string({ unit: 'grapheme' })),
  n: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  b: fc.option(fc.uint8Array({ maxLength: 30 })),
  f: fc.option(fc.boolean()),
})

function jsonText({ s, n, b, f }: JsonValues): string {
  const base64 = b === null ? null : Buffer.from(b).toString('base64')
  return `{"s":${JSON.stringify(s)},"n":${n},"b":${JSON.stringify(base64)},"f":${f}}`
}

const jsonGood: fc.Arbitrary<RawRecord> = jsonValues.map((values) => ({
  key: bytesOf('k'),
  value: bytesOf(jsonText(values)),
}))
const jsonBad = fc
  .oneof(
    fc.constantFrom(
      '',
      'null',
      '[]',
      '{"s":1}',
      '{"n":1.5}',
      '{"n":9223372036854775808}',
      '{"f":0}',
    ),
    fc.constantFrom('{"s":"a","n":"1"}', '{"s":"kept","b":"no base64"}', '{"unknown":1,"s":"x"}'),
    jsonValues.map((values) => jsonText(values).slice(0, -1)),
    jsonValues.map((values) => `${jsonText(values)} x`),
  )
  .map((text) => ({ key: null, value: text === '' ? null : bytesOf(text) }))

function jsonExpected({ value }: RawRecord): string {
  // JSON.parse() would round the integer.
  const text = Buffer.from(value ?? []).toString()
  const members = JSON.parse(text.replace(/"n":(-?\d+)/, '"n":"$1"')) as Record<string, unknown>
  const b = members['b'] === null ? null : Buffer.from(String(members['b']), 'base64')
  const s = members['s'] === null ? null : Buffer.from(String(members['s']))
  return [hexOf(s), members['n'], hexOf(b), members['f']].map(String).join('|')
}

const jsonFields = [
  field('s', { type: 'string' }),
  field('n', { type: 'long' }),
  field('b', { type: 'binary' }),
  field('f', { type: 'boolean' }),
]
const nullable = (sql: string): string => `coalesce(${sql}, 'null')`
const json = {
  format: jsonFormat({
    columns: jsonFields,
    coercion: 'strict',
    addsColumns: false,
    epochColumns: [],
    tombstones: 'dead_letter',
  }),
  fields: jsonFields,
  rowText: `concat_ws('|', ${nullable('hex(encode(s))')}, ${nullable('n::VARCHAR')}, ${nullable('hex(b)')}, ${nullable('f::VARCHAR')})`,
  good: jsonGood,
  expected: jsonExpected,
  bad: jsonBad,
}
describeRowDecoder('json as columns', json)

const list: Type = {
  type: 'list',
  elementId: 0,
  elementRequired: false,
  element: { type: 'long' },
}
describeRowDecoder('json as text', { ...json, fields: [...jsonFields, field('l', list)] })

const anyBytes = fc.oneof(fc.uint8Array(), fc.uint8Array({ minLength: 500, maxLength: 600 }))
const anyText = fc.string({ unit: 'binary' }).map((text) => bytesOf(text))
/** Lone and cut-off sequences, overlong forms, surrogates, and beyond U+10FFFF. */
const noText = fc
  .tuple(
    fc.constantFrom('80', 'ff', 'c3', 'c080', 'eda080', 'f4908080', 'e282', 'f0808080'),
    fc.string(),
  )
  .map(([hex, text]) => new Uint8Array(Buffer.concat([Buffer.from(text), Buffer.from(hex, 'hex')])))

function rawSubject(type: RawType) {
  const format = keyValueFormat({ key: type, value: type })
  const raw = fc.option(type === 'binary' ? anyBytes : anyText)
  const hex = (column: string): string =>
    nullable(type === 'binary' ? `hex(${column})` : `hex(encode(${column}))`)
  return {
    format,
    fields: format.columns ?? [],
    rowText: `concat_ws('|', ${hex('key')}, ${hex('value')})`,
    good: fc.record({ key: raw, value: raw }),
    expected: ({ key, value }: RawRecord) => `${hexOf(key)}|${hexOf(value)}`,
    bad: fc.oneof(fc.record({ key: raw, value: noText }), fc.record({ key: noText, value: raw })),
  }
}

describeRowDecoder('key_value as text', rawSubject('string'))

/** Of bytes nothing is refused but a null where the table requires a value. */
const required = rawSubject('binary').fields.map((column) => ({ ...column, required: true }))
describeRowDecoder('key_value as bytes', {
  ...rawSubject('binary'),
  fields: required,
  good: fc.record({ key: anyBytes, value: anyBytes }),
  bad: fc.oneof(
    fc.record({ key: anyBytes, value: fc.constant(null) }),
    fc.record({ key: fc.constant(null), value: anyBytes }),
  ),
})
const { bad: _, ...anyRecord } = { ...rawSubject('binary') }
describeRowDecoder('key_value as bytes, nulls too', anyRecord)
