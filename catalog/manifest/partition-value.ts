/** Partition values between their Avro form in manifests and `Value`. */
import { CorruptDataError } from '../../common/index.ts'
import { formatUuid } from '../../common/index.ts'
import { decodeDecimal, encodeValue } from '../format/single-value.ts'
import type { PrimitiveType, Value } from '../format/types.ts'
import type { AvroDatum } from '../format/avro/avro-datum.ts'
import { decimalBytes } from './manifest-schema.ts'

export function partitionValueToAvro(type: PrimitiveType, value: Value | null): AvroDatum {
  if (value === null) return null
  if (type.type === 'uuid') return encodeValue(type, value)
  if (type.type === 'decimal') return signExtended(value as bigint, decimalBytes(type.precision))
  return value
}

/** Takes what other engines write: narrower integers, a `day` as an int, a uuid as text. */
export function partitionValueFromAvro(
  type: PrimitiveType,
  datum: AvroDatum,
  where: string,
): Value | null {
  if (datum === null) return null
  const value = convert(type, datum)
  if (value !== undefined) return value
  throw new CorruptDataError('partition value does not fit the type of its field', {
    facts: { where, type: type.type, value: String(datum).slice(0, 80) },
  })
}

function convert(type: PrimitiveType, datum: NonNullable<AvroDatum>): Value | undefined {
  const whole = typeof datum === 'number' || typeof datum === 'bigint'
  switch (type.type) {
    case 'boolean':
      return typeof datum === 'boolean' ? datum : undefined
    case 'int':
    case 'date':
    case 'float':
    case 'double':
      return whole ? Number(datum) : undefined
    case 'long':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      return whole ? BigInt(datum) : undefined
    case 'decimal':
      return datum instanceof Uint8Array ? decodeDecimal(datum) : undefined
    case 'uuid':
      if (typeof datum === 'string') return datum.toLowerCase()
      return datum instanceof Uint8Array ? formatUuid(datum) : undefined
    case 'string':
      return typeof datum === 'string' || whole ? String(datum) : undefined
    case 'fixed':
    case 'binary':
      return datum instanceof Uint8Array ? datum : undefined
  }
}

function signExtended(unscaled: bigint, bytes: number): Uint8Array {
  const hex = BigInt.asUintN(8 * bytes, unscaled).toString(16)
  return Buffer.from(hex.padStart(2 * bytes, '0'), 'hex')
}
