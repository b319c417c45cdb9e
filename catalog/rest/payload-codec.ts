/** Payloads of requirements and updates on the wire, each a JSON object that names its kind. */
import { type Json, type JsonObject, ValidationError } from '../../common/index.ts'
import { asArray, asString, requiredField } from '../format/json-fields.ts'

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

/** The kind that `object` names. Throws ValidationError for one that has no codec. */
export function kindOf<Kind extends string>(
  codecs: Readonly<Record<Kind, unknown>>,
  object: JsonObject,
  tag: string,
  what: string,
  where: string,
): Kind {
  const kind = requiredField(object, tag, where, asString)
  if (Object.hasOwn(codecs, kind)) return kind as Kind
  throw new ValidationError(`unknown table ${what}`, { facts: { where, [tag]: kind } })
}
