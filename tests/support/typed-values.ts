/** Values of every type that a table can hold, and the SQL that makes each in DuckDB without a parser's help. */
import fc from 'fast-check'
import { formatDecimal, type PrimitiveType, type Value } from '../../catalog/format/index.ts'

const bom = '\uFEFF'
const minDate = -719_162
const maxDate = 5_000_000
const microsPerDay = 86_400_000_000n

/** Of columns; decimals of every storage width, also those without a whole digit. */
export const valueTypes: readonly PrimitiveType[] = [
  { type: 'boolean' },
  { type: 'int' },
  { type: 'long' },
  { type: 'float' },
  { type: 'double' },
  { type: 'decimal', precision: 4, scale: 4 },
  { type: 'decimal', precision: 9, scale: 2 },
  { type: 'decimal', precision: 18, scale: 18 },
  { type: 'decimal', precision: 38, scale: 0 },
  { type: 'decimal', precision: 38, scale: 38 },
  { type: 'date' },
  { type: 'time' },
  { type: 'timestamp' },
  { type: 'timestamptz' },
  { type: 'string' },
  { type: 'uuid' },
  { type: 'binary' },
]

const oddTexts = [
  '',
  bom,
  `${bom}${bom}x`,
  `a${bom}`,
  'null',
  'NULL',
  '\u0000',
  `a\u0000b`,
  ' a ',
  '"',
  "it's",
  '\\',
  'a\\,b',
  'a,b',
  'a\tb\r\nc',
  '{}',
  '[1]',
  '-0',
  'Europe/Berlin',
  '100%2F',
  '..',
  '*',
  '\u{1F600}',
  '\uFFFF',
  '日'.repeat(40),
  'é'.repeat(300),
  `${'x'.repeat(255)}é`,
  `${'x'.repeat(254)}\u{1F600}y`,
]

/** Whole code points only: DuckDB's text is UTF-8. */
export const anyText = fc.oneof(
  fc.constantFrom(...oddTexts),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ unit: 'grapheme', maxLength: 300 }),
)

const micros = fc.oneof(
  fc.bigInt({
    min: BigInt(minDate) * microsPerDay,
    max: BigInt(maxDate) * microsPerDay,
  }),
  fc.constantFrom(0n, -1n, 1n, 500_000n),
)

export function anyValue(type: PrimitiveType): fc.Arbitrary<Value> {
  switch (type.type) {
    case 'boolean':
      return fc.boolean()
    case 'int':
      return fc.oneof(fc.integer(), fc.constantFrom(-(2 ** 31), 2 ** 31 - 1))
    case 'long':
      return fc.oneof(
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.constantFrom(-(2n ** 63n), 2n ** 63n - 1n, 9007199254740993n),
      )
    case 'float':
      return fc.oneof(fc.float(), fc.constantFrom(-0, 0, Infinity, -Infinity, Number.NaN))
    case 'double':
      return fc.oneof(fc.double(), fc.constantFrom(-0, 0, Infinity, -Infinity, Number.NaN, 1e22))
    case 'decimal': {
      const limit = 10n ** BigInt(type.precision) - 1n
      return fc.oneof(
        fc.bigInt({ min: -limit, max: limit }),
        fc.constantFrom(limit, -limit, 0n, 1n, -1n),
      )
    }
    case 'date':
      return fc.oneof(fc.integer({ min: minDate, max: maxDate }), fc.constantFrom(0, -1))
    case 'time':
      return fc.bigInt({ min: 0n, max: microsPerDay - 1n })
    case 'timestamp':
    case 'timestamptz':
      return micros
    case 'string':
      return anyText
    case 'uuid':
      return fc.uuid()
    default:
      return fc.uint8Array({ maxLength: 20 })
  }
}

/** An expression of exactly this value. */
export function sqlOf(type: PrimitiveType, value: Value | null): string {
  if (value === null) return `NULL::${sqlType(type)}`
  switch (type.type) {
    case 'float':
    case 'double':
      return `'${floatText(value as number)}'::${sqlType(type)}`
    case 'decimal':
      return `'${formatDecimal(value as bigint, type.scale)}'::${sqlType(type)}`
    case 'date':
      return `(DATE '1970-01-01' + (${String(value)}))`
    case 'time':
      return `(TIME '00:00:00' + to_microseconds(${String(value)}))`
    case 'timestamp':
      return `make_timestamp((${String(value)})::BIGINT)`
    case 'timestamptz':
      return `make_timestamptz((${String(value)})::BIGINT)`
    case 'string':
      return `decode(unhex('${Buffer.from(value as string, 'utf8').toString('hex')}'))`
    case 'binary':
      return `unhex('${Buffer.from(value as Uint8Array).toString('hex')}')`
    default:
      return `'${String(value)}'::${sqlType(type)}`
  }
}

export function sqlType(type: PrimitiveType): string {
  const names: Readonly<Record<string, string>> = {
    boolean: 'BOOLEAN',
    int: 'INTEGER',
    long: 'BIGINT',
    float: 'FLOAT',
    double: 'DOUBLE',
    date: 'DATE',
    time: 'TIME',
    timestamp: 'TIMESTAMP',
    timestamptz: 'TIMESTAMPTZ',
    string: 'VARCHAR',
    uuid: 'UUID',
    binary: 'BLOB',
  }
  return type.type === 'decimal'
    ? `DECIMAL(${type.precision}, ${type.scale})`
    : (names[type.type] ?? '')
}

function floatText(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  return Object.is(value, -0) ? '-0.0' : String(value)
}
