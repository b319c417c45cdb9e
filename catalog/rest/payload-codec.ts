/** Payloads of requirements and updates on the wire, each a JSON object that names its kind. */
import { type Json, type JsonObject, ValidationError } from '../../common/index.ts'
import { asArray, asObject, asString, requiredField } from '../format/json-fields.ts'

/** Reads a member; `where` is its path, for errors. */
type Read<T> = (json: Json | undefined, where: string) => T

export interface PayloadCodec<Payload> {
  toJson(payload: Payload): JsonObject
  fromJson(json: JsonObject, where: string): Payload
}

/** Of a payload with one member: its name here and on the wire. */
export function member<Name extends string, T>(
  name: Name,
  wireName: string,
  read: Read<T>,
  write: (value: T) => Json,
): PayloadCodec<Readonly<Record<Name, T>>> {
  return {
    toJson: (payload) => ({ [wireName]: write(payload[name]) }),
    fromJson: (json, where) =>
      ({ [name]: read(json[wireName], `${where}.${wireName}`) }) as Readonly<Record<Name, T>>,
  }
}

/** The same where the value is JSON already. */
export function plainMember<Name extends string, T extends Json>(
  name: Name,
  wireName: string,
  read: Read<T>,
): PayloadCodec<Readonly<Record<Name, T>>> {
  return member(name, wireName, read, (value) => value)
}

export function listOf<T>(read: Read<T>): Read<readonly T[]> {
  return (json, where) => asArray(json, where).map((item) => read(item, where))
}

/** Of each kind in a union, what is written and read besides the member that names the kind. */
type KindCodecs<Union extends Readonly<Record<Tag, string>>, Tag extends string> = {
  readonly [Kind in Union[Tag]]: KindCodec<Extract<Union, Readonly<Record<Tag, Kind>>>, Tag>
}

interface KindCodec<Value, Tag extends string> {
  toJson(value: Value): JsonObject
  fromJson(json: JsonObject, where: string): Omit<Value, Tag>
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
      const object = asObject(json, where)
      const kind = requiredField(object, tag, where, asString)
      const codec = Object.hasOwn(byKind, kind) ? byKind[kind] : undefined
      if (codec !== undefined) return { [tag]: kind, ...codec.fromJson(object, where) } as Union
      throw new ValidationError(`unknown ${what}`, { facts: { where, [tag]: kind } })
    },
  }
}
