/**
 * Records as real producers write them and as they should not: for declared columns of random types, values in every
 * spelling that JSON has, values that do not fit, broken JSON, and the ends of the 64-bit range.
 */
import type { Random } from '../../common/index.ts'
import type { EmbeddedRecord } from '../../ingest/source/embedded-log/embedded-log.ts'

export interface RandomColumn {
  readonly name: string
  readonly type: string
}

/** What a column of the type takes, and what looks like it; each as a JSON token. */
const tokens: Readonly<Record<string, readonly string[]>> = {
  boolean: ['true', 'false', '1', '"true"', '"t"'],
  int: [
    '0',
    '-0',
    '2147483647',
    '-2147483648',
    '2147483648',
    '1.0',
    '1e3',
    '"7"',
    '7.5',
    '12345678901234567890',
  ],
  long: [
    '0',
    '9223372036854775807',
    '-9223372036854775808',
    '9223372036854775808',
    '9007199254740993',
    '1E2',
    '"42"',
    '1.5',
  ],
  float: ['0.5', '-0.0', '1e38', '3.5e38', '1e-46', '16777217', '0.1', '"1.5"', '1e999', '-1e-400'],
  double: [
    '0.1',
    '-0.0',
    '1e308',
    '1e309',
    '5e-324',
    '1e-400',
    '9007199254740993',
    '18446744073709551616',
    '"2.5"',
  ],
  'decimal(9, 2)': [
    '1.25',
    '-1.2',
    '1234567.89',
    '12345678.9',
    '0.005',
    '"3.50"',
    '1e3',
    '-0.00',
    '.5',
    '7',
  ],
  'decimal(38, 38)': ['0.5', '-0.12345678901234567890123456789012345678', '1', '"0.125"', '0'],
  'decimal(38, 0)': [
    '99999999999999999999999999999999999999',
    '-1',
    '100000000000000000000000000000000000000',
    '"5"',
  ],
  string: [
    '"a"',
    '""',
    '"\\ufeffbom"',
    '"\ufeffbom"',
    '"\\u0041\\n\\t\\"\\\\\\/"',
    '"\\ud83d\\ude00"',
    '"😀"',
    '"\\ud800"',
    '5',
    '"NULL"',
    '"a\\u0000b"',
    '"日本語のとても長い文字列"',
    '"\'; DROP"',
    '"1e3"',
    '" "',
  ],
  date: [
    '"2024-02-29"',
    '"2023-02-29"',
    '"0001-01-01"',
    '"9999-12-31"',
    '"1969-12-31"',
    '""',
    '"2024-1-1"',
    '19000',
    '"infinity"',
  ],
  time: [
    '"10:00:00"',
    '"23:59:59.999999"',
    '"10:00"',
    '"24:00:00"',
    '"10:00:00.1234567"',
    '"10:00:00.1230000"',
    '36000',
  ],
  timestamp: [
    '"2024-06-20T10:00:00"',
    '"2024-06-20 10:00:00.123456"',
    '"2024-06-20T10:00:00.123456000"',
    '"2024-06-20T10:00:00.1234567"',
    '"1969-12-31T23:59:59.999999"',
    '"2024-06-20T10:00"',
    '"2024-06-20T10:00:00Z"',
    '"0001-01-01T00:00:00"',
    '"2024-06-20"',
    '1718877600000',
  ],
  timestamptz: [
    '"2024-06-20T10:00:00Z"',
    '"2024-06-20T10:00:00.5+02:00"',
    '"2024-06-20 10:00:00+0530"',
    '"2024-06-20T10:00:00-08"',
    '"2024-06-20T10:00:00.123456000Z"',
    '"2024-06-20T10:00Z"',
    '"2024-06-20T10:00:00"',
    '"0001-01-01T00:00:00+01:00"',
    '"9999-12-31T23:59:59-01:00"',
    '1718877600000',
    '"2024-06-20T10:00:00z"',
  ],
  uuid: [
    '"123e4567-e89b-12d3-a456-426614174000"',
    '"123E4567-E89B-12D3-A456-426614174000"',
    '"123e4567e89b12d3a456426614174000"',
    '""',
  ],
  binary: ['"aGk="', '"aGk"', '""', '"deadbeef"', '"!"'],
}

export const columnTypes: readonly string[] = Object.keys(tokens)

const broken: readonly string[] = [
  '',
  ' ',
  '[]',
  '[{"a":1}]',
  '"text"',
  '1',
  'null',
  'true',
  '{',
  '{"a":',
  '{"a":1,}',
  "{'a':1}",
  '{"a":01}',
  '{"a":NaN}',
  '{}{}',
  '\ufeff{}',
  '{"a":"\u0001"}',
  '{"a":1} x',
  '{"a":+1}',
  '{"a":.5}',
  '{"a":1',
  '{"\\ud800":1}',
]
const timestamps: readonly bigint[] = [
  -1n,
  0n,
  1n,
  -62_135_596_800_000n,
  253_402_300_799_999n,
  253_402_300_800_000n,
  1_718_877_600_000_000_000n,
  9_223_372_036_854_775n,
  9_223_372_036_854_775_807n,
  -9_223_372_036_854_775_808n,
  1_718_877_600_000n,
]

export function randomColumns(random: Random): readonly RandomColumn[] {
  const count = 1 + below(random, 6)
  return Array.from({ length: count }, (_, index) => ({
    name: `c${index}`,
    type: columnTypes[below(random, columnTypes.length)] ?? 'string',
  }))
}

export function randomRecord(random: Random, columns: readonly RandomColumn[]): EmbeddedRecord {
  const timestamp = random.fraction() < 0.15 ? pick(random, timestamps) : 1_718_877_600_000n
  return {
    key: random.fraction() < 0.5 ? null : pick(random, ['k', '', '\u0000', '鍵', '{"a":1}']),
    value: randomValue(random, columns),
    timestampMs: timestamp,
    ...(random.fraction() < 0.8 ? {} : { headers: [{ name: 'h', value: randomBytes(random, 5) }] }),
  }
}

function randomValue(random: Random, columns: readonly RandomColumn[]): Uint8Array | string | null {
  const kind = random.fraction()
  if (kind < 0.02) return null
  if (kind < 0.05) return pick(random, broken)
  if (kind < 0.06) return randomBytes(random, 1 + below(random, 40))
  const text = randomObject(random, columns)
  if (kind < 0.08) return text.slice(0, below(random, text.length))
  if (kind < 0.1) return invalidUtf8(random, text)
  return text
}

function randomObject(random: Random, columns: readonly RandomColumn[]): string {
  const oddity = random.fraction() < 0.5 ? 0 : 0.25
  const members = columns.flatMap(({ name, type }) => {
    const choice = random.fraction()
    if (choice < 0.1) return []
    if (choice < 0.15) return [member(random, name, 'null')]
    if (choice < 0.15 + oddity / 4)
      return [
        member(random, name, pick(random, ['{}', '[]', '[1]', '{"x":1}', '"?"', '1', 'true'])),
      ]
    return [member(random, name, randomToken(random, type, oddity))]
  })
  if (random.fraction() < 0.03) members.push(member(random, `u${below(random, 3)}`, '1'))
  if (random.fraction() < 0.02 && members[0] !== undefined) members.push(members[0])
  if (random.fraction() < 0.01) members.push(member(random, 'c0', `"${'x'.repeat(20_000)}"`))
  for (let at = members.length - 1; at > 0; at--) {
    const other = below(random, at + 1)
    const held = members[at] as string
    members[at] = members[other] as string
    members[other] = held
  }
  const space = random.fraction() < 0.2 ? pick(random, [' ', '\n', '\t', '\r\n', '  ']) : ''
  return `{${space}${members.join(`${space},${space}`)}${space}}`
}

/** The first tokens of a type are its good ones; with an oddity of 0 a value is drawn from a plain one mostly. */
function randomToken(random: Random, type: string, oddity: number): string {
  const all = tokens[type] ?? ['null']
  return oddity === 0 ? (all[below(random, 2)] ?? 'null') : pick(random, all)
}

function member(random: Random, name: string, token: string): string {
  const isEscaped = random.fraction() < 0.1
  const hex = name.charCodeAt(0).toString(16).padStart(4, '0')
  return `"${isEscaped ? `\\u${hex}${name.slice(1)}` : name}":${token}`
}

function invalidUtf8(random: Random, text: string): Uint8Array {
  const bytes = Buffer.from(text)
  if (bytes.length > 0) bytes[below(random, bytes.length)] = 0x80 + below(random, 128)
  return bytes
}

function randomBytes(random: Random, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, () => below(random, 256))
}

function pick<T>(random: Random, values: readonly T[]): T {
  return values[below(random, values.length)] as T
}

function below(random: Random, count: number): number {
  return Math.floor(random.fraction() * count)
}
