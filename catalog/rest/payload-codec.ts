/** Payloads of requirements and updates on the wire, each a JSON object that names its kind. */
import { type Json, type JsonObject, ValidationError } from '../../common/index.ts'
import { asString, JsonFields, type JsonReader } from '../format/json-fields.ts'

export interface PayloadCodec<Payload> {
  toJson(payload: Payload): JsonObject
  fromJson(fields: JsonFields): Payload
}

/** Of a payload with one member: its name here and on the wire. */
export function member<Name extends string, T>(
  name: Name,
  wireName: string,
  read: JsonReader<T>,
  write: (value: T) => Json,
): PayloadCodec<Readonly<Record<Name, T>>> {
  return {
    toJson: (payload) => ({ [wireName]: write(payload[name]) }),
    fromJson: (fields) =>
      ({ [name]: fields.required(wireName, read) }) as Readonly<Record<Name, T>>,
  }
}

/** The same where the value is JSON already. */
export function plainMember<Name extends string, T extends Json>(
  name: Name,
  wireName: string,
  read: JsonReader<T>,
): PayloadCodec<Readonly<Record<Name, T>>> {
  return member(name, wireName, read, (value) => value)
}

/** Of each kind in a union, what is written and read besides the member that names the kind. */
type KindCodecs<Union extends Readonly<Record<Tag, string>>, Tag extends string> = {
  readonly [Kind in Union[Tag]]: KindCodec<Extract<Union, Readonly<Record<Tag, Kind>>>, Tag>
}

interface KindCodec<Value, Tag extends string> {
  toJson(value: Value): JsonObject
  fromJson(fields: JsonFields): Omit<Value, Tag>
}

interface UnionCodec<Union> {
  readonly toJson: (value: Union) => JsonObject
  /** Throws ValidationError for a kind that has no codec. */
  readonly fromJson: (json: Json | undefined, where: string) => Union
}

/** `codecs` is total, so a new kind does not compile until it is written and read. */
export function unionCodec<Union extends Readonly<Record<Tag, string>>, Tag extends string>(
  what: string,
  tag: Tag,
  codecs: KindCodecs<Union, Tag>,
): UnionCodec<Union> {
  // The compiler cannot relate the kind of a value to the codec under that kind.
  const byKind = codecs as Readonly<Record<string, KindCodec<Union, Tag>>>
  return {
    toJson: (value) => ({ [tag]: value[tag], ...byKind[value[tag]]?.toJson(value) }),
    fromJson: (json, where) => {
      const fields = new JsonFields(json, where)
      const kind = fields.required(tag, asString)
      const codec = Object.hasOwn(byKind, kind) ? byKind[kind] : undefined
      if (codec !== undefined) return { [tag]: kind, ...codec.fromJson(fields) } as Union
      throw new ValidationError(`unknown ${what}`, { facts: { where, [tag]: kind } })
    },
  }
}
