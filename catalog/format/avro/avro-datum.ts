/**
 * Avro data of any schema as plain values: a record is an array of its members in schema order,
 * `long` a bigint, `bytes` and `fixed` byte arrays, a union its value alone.
 */
import { assert } from '../../../common/index.ts'
import type { AvroDecoder, AvroEncoder } from './avro-binary.ts'
import type { AvroType } from './avro-schema.ts'

export type AvroDatum =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly AvroDatum[]
  | ReadonlyMap<string, AvroDatum>

/** `datum` must fit `type`; only unions of null and one other type are written. */
export function encodeDatum(encoder: AvroEncoder, type: AvroType, datum: AvroDatum): void {
  switch (type.kind) {
    case 'null':
      return
    case 'boolean':
      return encoder.boolean(datum as boolean)
    case 'int':
      return encoder.int(datum as number)
    case 'long':
      return encoder.long(datum as bigint)
    case 'float':
      return encoder.float(datum as number)
    case 'double':
      return encoder.double(datum as number)
    case 'bytes':
      return encoder.bytes(datum as Uint8Array)
    case 'string':
      return encoder.string(datum as string)
    case 'fixed':
      assert((datum as Uint8Array).length === type.size, 'fixed value has its size')
      return encoder.raw(datum as Uint8Array)
    case 'enum':
      return encoder.int(type.symbols.indexOf(datum as string))
    case 'array':
      return encodeArray(encoder, type.items, datum as readonly AvroDatum[])
    case 'record':
      type.fields.forEach((field, index) =>
        encodeDatum(encoder, field.type, (datum as readonly AvroDatum[])[index] ?? null),
      )
      return
    case 'union': {
      const branch = type.branches.findIndex((kind) => (kind.kind === 'null') === (datum === null))
      const branchType = type.branches[branch]
      assert(branchType !== undefined, 'union has a branch for the value')
      encoder.int(branch)
      return encodeDatum(encoder, branchType, datum)
    }
    case 'map':
      assert(false, 'manifests hold no avro maps')
  }
}

export function decodeDatum(decoder: AvroDecoder, type: AvroType): AvroDatum {
  switch (type.kind) {
    case 'null':
      return null
    case 'boolean':
      return decoder.boolean()
    case 'int':
      return decoder.int()
    case 'long':
      return decoder.long()
    case 'float':
      return decoder.float()
    case 'double':
      return decoder.double()
    case 'bytes':
      return decoder.bytes()
    case 'string':
      return decoder.string()
    case 'fixed':
      return decoder.raw(type.size)
    case 'enum':
      return type.symbols[decoder.int()] ?? null
    case 'array': {
      const items: AvroDatum[] = []
      decoder.blocks(() => items.push(decodeDatum(decoder, type.items)))
      return items
    }
    case 'map': {
      const entries = new Map<string, AvroDatum>()
      decoder.blocks(() => entries.set(decoder.string(), decodeDatum(decoder, type.values)))
      return entries
    }
    case 'record':
      return type.fields.map((field) => decodeDatum(decoder, field.type))
    case 'union': {
      const branch = type.branches[decoder.int()]
      if (branch === undefined) throw decoder.corrupt('a union names a branch it does not have')
      return decodeDatum(decoder, branch)
    }
  }
}

function encodeArray(encoder: AvroEncoder, type: AvroType, items: readonly AvroDatum[]): void {
  if (items.length > 0) {
    encoder.int(items.length)
    for (const item of items) encodeDatum(encoder, type, item)
  }
  encoder.int(0)
}
