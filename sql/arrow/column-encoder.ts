/**
 * Values of a result column as the buffers of an Arrow column, exact to the digit. The builders of
 * the library are not used, because they convert through doubles and milliseconds.
 *
 * A type without an Arrow type that every reader supports (intervals, times with a zone, enums, bits, unions,
 * integers without a bound) is text as DuckDB prints it.
 */
import {
  Binary,
  Bool,
  Data,
  DateDay,
  type DataType,
  Decimal,
  Field,
  FixedSizeBinary,
  FixedSizeList,
  Float32,
  Float64,
  Int16,
  Int32,
  Int64,
  Int8,
  List,
  Map_,
  Null,
  Struct,
  TimeMicrosecond,
  TimestampMicrosecond,
  TimestampMillisecond,
  TimestampNanosecond,
  TimestampSecond,
  Uint16,
  Uint32,
  Uint64,
  Uint8,
  Utf8,
} from 'apache-arrow'
import { CorruptDataError, ValidationError } from '../../common/index.ts'
import { plainText, type SqlValue } from '../session/values.ts'
import type { ColumnType, StructMember } from './column-type.ts'
import { epochDays, epochNanos, nanosOfDay } from '../text/temporal-units.ts'

export interface ColumnEncoder {
  readonly type: DataType
  /** Metadata of the Arrow field, which names an extension type. */
  readonly metadata?: ReadonlyMap<string, string>
  data(values: readonly SqlValue[]): Data
}

export function columnEncoder(type: ColumnType): ColumnEncoder {
  switch (type.kind) {
    case 'plain':
      return (plainEncoders[type.name] ?? textEncoder)()
    case 'decimal':
      return decimalEncoder(type.precision, type.scale)
    case 'list':
      return listEncoder(columnEncoder(type.item))
    case 'array':
      return arrayEncoder(columnEncoder(type.item), type.length)
    case 'struct':
      return structEncoder(type.members)
    case 'map':
      return mapEncoder(columnEncoder(type.key), columnEncoder(type.value))
    default:
      return type satisfies never
  }
}

export function arrowField(name: string, encoder: ColumnEncoder, isNullable = true): Field {
  const { metadata, type } = encoder
  return new Field(name, type, isNullable, metadata === undefined ? null : new Map(metadata))
}

const microsPerNano = 1_000n
/** What DuckDB itself hands to Arrow readers for the infinities. */
const infinite = 2n ** 63n - 1n

const plainEncoders: Readonly<Record<string, () => ColumnEncoder>> = {
  '"NULL"': nullEncoder,
  NULL: nullEncoder,
  BOOLEAN: booleanEncoder,
  TINYINT: () => numberEncoder(new Int8(), Int8Array, asNumber),
  SMALLINT: () => numberEncoder(new Int16(), Int16Array, asNumber),
  INTEGER: () => numberEncoder(new Int32(), Int32Array, asNumber),
  BIGINT: () => bigintEncoder(new Int64(), BigInt64Array, asBigint),
  UTINYINT: () => numberEncoder(new Uint8(), Uint8Array, asNumber),
  USMALLINT: () => numberEncoder(new Uint16(), Uint16Array, asNumber),
  UINTEGER: () => numberEncoder(new Uint32(), Uint32Array, asNumber),
  UBIGINT: () => bigintEncoder(new Uint64(), BigUint64Array, asBigint),
  HUGEINT: () => decimalEncoder(38, 0),
  UHUGEINT: () => decimalEncoder(38, 0),
  FLOAT: () => numberEncoder(new Float32(), Float32Array, asNumber),
  DOUBLE: () => numberEncoder(new Float64(), Float64Array, asNumber),
  DATE: () => numberEncoder(new DateDay(), Int32Array, (value) => epochDays(asText(value))),
  TIME: () =>
    bigintEncoder(
      new TimeMicrosecond(),
      BigInt64Array,
      (value) => nanosOfDay(asText(value)) / microsPerNano,
    ),
  TIMESTAMP: () => timestampEncoder(new TimestampMicrosecond(), microsPerNano),
  'TIMESTAMP WITH TIME ZONE': () =>
    timestampEncoder(new TimestampMicrosecond('UTC'), microsPerNano),
  TIMESTAMP_S: () => timestampEncoder(new TimestampSecond(), 1_000_000_000n),
  TIMESTAMP_MS: () => timestampEncoder(new TimestampMillisecond(), 1_000_000n),
  TIMESTAMP_NS: () => timestampEncoder(new TimestampNanosecond(), 1n),
  UUID: uuidEncoder,
  BLOB: () => bytesEncoder(new Binary(), asBytes),
}

function textEncoder(): ColumnEncoder {
  return bytesEncoder(new Utf8(), (value) => Buffer.from(plainText(value), 'utf8'))
}

function nullEncoder(): ColumnEncoder {
  const type = new Null()
  return { type, data: (values) => new Data(type, 0, values.length, values.length) }
}

function booleanEncoder(): ColumnEncoder {
  const type = new Bool()
  return {
    type,
    data: (values) =>
      flat(
        type,
        values,
        bitmap(values, (value) => value === true),
      ),
  }
}

type NumberArray =
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | Float32Array
  | Float64Array

function numberEncoder(
  type: DataType,
  Numbers: new (length: number) => NumberArray,
  read: (value: SqlValue) => number,
): ColumnEncoder {
  return {
    type,
    data: (values) => {
      const numbers = new Numbers(values.length)
      for (const [index, value] of values.entries()) {
        if (value !== null) numbers[index] = read(value)
      }
      return flat(type, values, numbers)
    },
  }
}

/** Its loop is the one above, written again: a loop that stores numbers and bigints is several times slower. */
function bigintEncoder(
  type: DataType,
  Bigints: new (length: number) => BigInt64Array | BigUint64Array,
  read: (value: SqlValue) => bigint,
): ColumnEncoder {
  return {
    type,
    data: (values) => {
      const numbers = new Bigints(values.length)
      for (const [index, value] of values.entries()) {
        if (value !== null) numbers[index] = read(value)
      }
      return flat(type, values, numbers)
    },
  }
}

function timestampEncoder(type: DataType, nanosPerUnit: bigint): ColumnEncoder {
  return bigintEncoder(type, BigInt64Array, (value) => {
    const text = asText(value)
    if (text.startsWith('infinity')) return infinite
    if (text.startsWith('-infinity')) return -infinite
    return epochNanos(text) / nanosPerUnit
  })
}

/** 128 bits, the low half first; also integers of 128 bits, which have 38 digits nearly always. */
function decimalEncoder(precision: number, scale: number): ColumnEncoder {
  const type = new Decimal(scale, precision, 128)
  const limit = 10n ** BigInt(precision)
  return {
    type,
    data: (values) => {
      const halves = new BigInt64Array(values.length * 2)
      for (const [index, value] of values.entries()) {
        if (value === null) continue
        const unscaled = asUnscaled(value, scale)
        if (unscaled >= limit || unscaled <= -limit) {
          throw new ValidationError(
            'an integer has more digits than Arrow decimals: cast the column to VARCHAR',
            { facts: { value: unscaled, digits: precision } },
          )
        }
        halves[index * 2] = BigInt.asIntN(64, unscaled)
        halves[index * 2 + 1] = unscaled >> 64n
      }
      return flat(type, values, new Uint32Array(halves.buffer))
    },
  }
}

/** The canonical extension type: readers that do not know it see 16 bytes. */
function uuidEncoder(): ColumnEncoder {
  const type = new FixedSizeBinary(16)
  return {
    type,
    metadata: new Map([
      ['ARROW:extension:name', 'arrow.uuid'],
      ['ARROW:extension:metadata', ''],
    ]),
    data: (values) => {
      const bytes = new Uint8Array(values.length * 16)
      for (const [index, value] of values.entries()) {
        if (value !== null) {
          bytes.set(Buffer.from(asText(value).replaceAll('-', ''), 'hex'), index * 16)
        }
      }
      return flat(type, values, bytes)
    },
  }
}

function bytesEncoder(type: DataType, read: (value: SqlValue) => Uint8Array): ColumnEncoder {
  return {
    type,
    data: (values) => {
      const parts = values.map((value) => (value === null ? new Uint8Array() : read(value)))
      const offsets = offsetsOf(parts)
      return nested(type, values, { data: Buffer.concat(parts), offsets })
    },
  }
}

function listEncoder(item: ColumnEncoder): ColumnEncoder {
  const type = new List(arrowField('item', item))
  return {
    type,
    data: (values) => {
      const lists = values.map((value) => (value === null ? [] : asItems(value)))
      const children = [item.data(lists.flat())]
      return nested(type, values, { offsets: offsetsOf(lists), children })
    },
  }
}

function arrayEncoder(item: ColumnEncoder, length: number): ColumnEncoder {
  const type = new FixedSizeList(length, arrowField('item', item))
  const none = Array.from({ length }, () => null)
  return {
    type,
    data: (values) => {
      const items = values.flatMap((value) => (value === null ? none : asItems(value)))
      return nested(type, values, { children: [item.data(items)] })
    },
  }
}

function structEncoder(members: readonly StructMember[]): ColumnEncoder {
  const encoders = members.map(({ type }) => columnEncoder(type))
  const type = new Struct(
    encoders.map((encoder, index) => arrowField(members[index]?.name ?? '', encoder)),
  )
  return {
    type,
    data: (values) => {
      const entries = values.map((value) => (value === null ? undefined : asMembers(value)))
      const children = encoders.map((encoder, index) =>
        encoder.data(entries.map((row) => row?.[index]?.[1] ?? null)),
      )
      return nested(type, values, { children })
    },
  }
}

function mapEncoder(key: ColumnEncoder, value: ColumnEncoder): ColumnEncoder {
  const entryType = new Struct([arrowField('key', key, false), arrowField('value', value)])
  const type = new Map_(new Field('entries', entryType, false))
  return {
    type,
    data: (values) => {
      const maps = values.map((map) => (map === null ? [] : asEntries(map)))
      const entries = maps.flat()
      const pair = [key.data(entries.map(([name]) => name)), value.data(entries.map(([, v]) => v))]
      const child = new Data(entryType, 0, entries.length, 0, undefined, pair)
      return nested(type, values, { offsets: offsetsOf(maps), children: [child] })
    },
  }
}

function flat(type: DataType, values: readonly SqlValue[], data: unknown): Data {
  return nested(type, values, { data })
}

interface Parts {
  readonly data?: unknown
  readonly offsets?: Int32Array
  readonly children?: Data[]
}

/** The buffers in the order of the library: offsets, values, validity. */
function nested(type: DataType, values: readonly SqlValue[], parts: Parts): Data {
  const nullCount = values.reduce<number>((sum, value) => sum + (value === null ? 1 : 0), 0)
  const validity = nullCount === 0 ? undefined : bitmap(values, (value) => value !== null)
  const buffers = [parts.offsets, parts.data, validity] as never
  return new Data(type, 0, values.length, nullCount, buffers, parts.children)
}

function bitmap(values: readonly SqlValue[], isSet: (value: SqlValue) => boolean): Uint8Array {
  const bits = new Uint8Array(Math.ceil(values.length / 8))
  for (const [index, value] of values.entries()) {
    if (isSet(value)) bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7))
  }
  return bits
}

function offsetsOf(parts: readonly { readonly length: number }[]): Int32Array {
  const offsets = new Int32Array(parts.length + 1)
  let end = 0
  for (const [index, { length }] of parts.entries()) offsets[index + 1] = end += length
  return offsets
}

function asNumber(value: SqlValue): number {
  return typeof value === 'number' ? value : mismatch('number', value)
}

function asBigint(value: SqlValue): bigint {
  return typeof value === 'bigint' ? value : mismatch('bigint', value)
}

function asText(value: SqlValue): string {
  if (typeof value === 'string') return value
  return isKind(value, 'temporal') ? value.text : mismatch('text', value)
}

function asBytes(value: SqlValue): Uint8Array {
  return value instanceof Uint8Array ? value : mismatch('bytes', value)
}

function asItems(value: SqlValue): readonly SqlValue[] {
  return isKind(value, 'list') ? value.items : mismatch('list', value)
}

function asMembers(value: SqlValue): readonly (readonly [string, SqlValue])[] {
  return isKind(value, 'struct') ? value.entries : mismatch('struct', value)
}

function asEntries(value: SqlValue): readonly (readonly [SqlValue, SqlValue])[] {
  return isKind(value, 'map') ? value.entries : mismatch('map', value)
}

function asUnscaled(value: SqlValue, scale: number): bigint {
  if (typeof value === 'bigint') return value
  if (!isKind(value, 'decimal')) return mismatch('decimal', value)
  const [whole = '', fraction = ''] = value.text.split('.')
  return BigInt(`${whole}${fraction.padEnd(scale, '0')}`)
}

type Kinded = Exclude<SqlValue, null | boolean | number | bigint | string | Uint8Array>

function isKind<Kind extends Kinded['kind']>(
  value: SqlValue,
  kind: Kind,
): value is Extract<Kinded, { kind: Kind }> {
  return value !== null && typeof value === 'object' && 'kind' in value && value.kind === kind
}

function mismatch(expected: string, value: SqlValue): never {
  throw new CorruptDataError('a value is not of the type of its column', {
    facts: { expected, value: plainText(value) },
  })
}
