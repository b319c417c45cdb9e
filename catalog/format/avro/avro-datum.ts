/**
 * Avro data of any schema as plain values: a record is an array of its members in schema order,
 * `long` a bigint, `bytes` and `fixed` byte arrays, a union its value alone.
 */
import { assert } from '../../../common/index.ts'
import type { Value } from '../types.ts'
import type { AvroDecoder, AvroEncoder } from './avro-binary.ts'
import type { AvroPrimitiveKind, AvroType } from './avro-schema.ts'

export type AvroDatum = null | Value | readonly AvroDatum[] | ReadonlyMap<string, AvroDatum>

/** Writes and reads the values of one type; made once for a file, since its type is the same for every record. */
export interface DatumCodec {
  /** The datum must fit the type; only unions of null and one other type are written. */
  readonly write: (encoder: AvroEncoder, datum: AvroDatum) => void
  readonly read: (decoder: AvroDecoder) => AvroDatum
}

/** By type: a named type that a schema uses many times is one object and has one codec. */
const codecs = new WeakMap<AvroType, DatumCodec>()

export function datumCodec(type: AvroType): DatumCodec {
  const existing = codecs.get(type)
  if (existing !== undefined) return existing
  const codec = makeCodec(type)
  codecs.set(type, codec)
  return codec
}

function makeCodec(type: AvroType): DatumCodec {
  switch (type.kind) {
    case 'fixed':
      return fixedCodec(type.size)
    case 'enum':
      return enumCodec(type.symbols)
    case 'array':
      return arrayCodec(datumCodec(type.items))
    case 'map':
      return mapCodec(datumCodec(type.values))
    case 'record':
      return recordCodec(type.fields.map((field) => datumCodec(field.type)))
    case 'union':
      return unionCodec(type.branches)
    default:
      return primitives[type.kind]
  }
}

const primitives: { readonly [Kind in AvroPrimitiveKind]: DatumCodec } = {
  null: { write: () => undefined, read: () => null },
  boolean: { write: (to, datum) => to.boolean(datum as boolean), read: (from) => from.boolean() },
  int: { write: (to, datum) => to.int(datum as number), read: (from) => from.int() },
  long: { write: (to, datum) => to.long(datum as bigint), read: (from) => from.long() },
  float: { write: (to, datum) => to.float(datum as number), read: (from) => from.float() },
  double: { write: (to, datum) => to.double(datum as number), read: (from) => from.double() },
  bytes: { write: (to, datum) => to.bytes(datum as Uint8Array), read: (from) => from.bytes() },
  string: { write: (to, datum) => to.string(datum as string), read: (from) => from.string() },
}

function fixedCodec(size: number): DatumCodec {
  return {
    write: (encoder, datum) => {
      assert((datum as Uint8Array).length === size, 'fixed value has its size')
      encoder.raw(datum as Uint8Array)
    },
    read: (decoder) => decoder.raw(size),
  }
}

function enumCodec(symbols: readonly string[]): DatumCodec {
  return {
    write: (encoder, datum) => encoder.int(symbols.indexOf(datum as string)),
    read: (decoder) => symbols[decoder.int()] ?? null,
  }
}

function arrayCodec(item: DatumCodec): DatumCodec {
  return {
    write: (encoder, datum) => {
      const items = datum as readonly AvroDatum[]
      if (items.length > 0) {
        encoder.int(items.length)
        for (const one of items) item.write(encoder, one)
      }
      encoder.int(0)
    },
    read: (decoder) => {
      const items: AvroDatum[] = []
      decoder.blocks(() => items.push(item.read(decoder)))
      return items
    },
  }
}

function mapCodec(value: DatumCodec): DatumCodec {
  return {
    write: () => assert(false, 'manifests hold no avro maps'),
    read: (decoder) => {
      const entries = new Map<string, AvroDatum>()
      decoder.blocks(() => entries.set(decoder.string(), value.read(decoder)))
      return entries
    },
  }
}

function recordCodec(members: readonly DatumCodec[]): DatumCodec {
  return {
    write: (encoder, datum) => {
      const values = datum as readonly AvroDatum[]
      members.forEach((member, index) => member.write(encoder, values[index] ?? null))
    },
    read: (decoder) => members.map((member) => member.read(decoder)),
  }
}

function unionCodec(types: readonly AvroType[]): DatumCodec {
  const branches = types.map((type) => ({ isNull: type.kind === 'null', codec: datumCodec(type) }))
  return {
    write: (encoder, datum) => {
      const index = branches.findIndex(({ isNull }) => isNull === (datum === null))
      const branch = branches[index]
      assert(branch !== undefined, 'union has a branch for the value')
      encoder.int(index)
      branch.codec.write(encoder, datum)
    },
    read: (decoder) => {
      const branch = branches[decoder.int()]
      if (branch === undefined) throw decoder.corrupt('a union names a branch it does not have')
      return branch.codec.read(decoder)
    },
  }
}
