/**
 * Avro schemas for the manifest codecs, with named types resolved and field ids.
 *
 * Only what the Avro specification allows is accepted; recursive types are refused, because no
 * manifest has one and a hostile file could exhaust the stack with it.
 */
import {
  CorruptDataError,
  isJsonObject,
  type Json,
  type JsonObject,
} from '../../../common/index.ts'

const primitiveKinds = [
  'null',
  'boolean',
  'int',
  'long',
  'float',
  'double',
  'bytes',
  'string',
] as const

export type AvroPrimitiveKind = (typeof primitiveKinds)[number]

export interface AvroField {
  readonly name: string
  /** Iceberg's id of the field; undefined where the writer left it out. */
  readonly fieldId: number | undefined
  readonly type: AvroType
}

export interface AvroRecord {
  readonly kind: 'record'
  readonly fields: readonly AvroField[]
}

export type AvroType =
  | { readonly kind: AvroPrimitiveKind }
  | { readonly kind: 'fixed'; readonly size: number }
  | { readonly kind: 'enum'; readonly symbols: readonly string[] }
  | { readonly kind: 'array'; readonly items: AvroType }
  | { readonly kind: 'map'; readonly values: AvroType }
  | { readonly kind: 'union'; readonly branches: readonly AvroType[] }
  | AvroRecord

const depthMax = 100

export function parseAvroSchema(json: Json, where: string): AvroType {
  return new SchemaParser(where).parse(json, '')
}

class SchemaParser {
  readonly #where: string
  readonly #named = new Map<string, AvroType>()
  #depth = 0

  constructor(where: string) {
    this.#where = where
  }

  parse(json: Json, namespace: string): AvroType {
    if (++this.#depth > depthMax) throw this.#invalid(`more than ${depthMax} levels of nesting`)
    try {
      return this.#parse(json, namespace)
    } finally {
      this.#depth--
    }
  }

  #parse(json: Json, namespace: string): AvroType {
    if (typeof json === 'string') return this.#reference(json, namespace)
    if (Array.isArray(json)) {
      const branches = (json as readonly Json[]).map((branch) => this.parse(branch, namespace))
      return { kind: 'union', branches }
    }
    if (!isJsonObject(json)) throw this.#invalid('a type is neither text, list nor object')
    return this.#complex(json, namespace)
  }

  #complex(json: JsonObject, namespace: string): AvroType {
    const kind = json['type']
    if (kind === 'array') {
      return { kind, items: this.parse(json['items'] ?? null, namespace) }
    }
    if (kind === 'map') {
      return { kind, values: this.parse(json['values'] ?? null, namespace) }
    }
    if (kind === 'record' || kind === 'fixed' || kind === 'enum') {
      return this.#namedType(kind, json, namespace)
    }
    if (kind === undefined) throw this.#invalid('a type has no member "type"')
    return this.parse(kind, namespace)
  }

  #namedType(kind: 'record' | 'fixed' | 'enum', json: JsonObject, outer: string): AvroType {
    const fullName = qualify(
      this.#text(json['name']),
      this.#optionalText(json['namespace']) ?? outer,
    )
    const type = this.#definition(kind, json, fullName.split('.').slice(0, -1).join('.'))
    if (this.#named.has(fullName)) throw this.#invalid(`type ${fullName} is defined twice`)
    this.#named.set(fullName, type)
    return type
  }

  #definition(kind: 'record' | 'fixed' | 'enum', json: JsonObject, namespace: string): AvroType {
    if (kind === 'fixed') {
      const size = json['size']
      if (typeof size !== 'number' || size < 0) throw this.#invalid('a fixed has no size')
      return { kind, size }
    }
    const list = json[kind === 'record' ? 'fields' : 'symbols']
    if (!Array.isArray(list)) throw this.#invalid(`a ${kind} lacks its list`)
    const items = list as readonly Json[]
    if (kind === 'enum') return { kind, symbols: items.map((item) => this.#text(item)) }
    return { kind, fields: items.map((item) => this.#field(item, namespace)) }
  }

  #field(json: Json, namespace: string): AvroField {
    if (!isJsonObject(json)) throw this.#invalid('a field is no object')
    const id = json['field-id']
    return {
      name: this.#text(json['name']),
      fieldId: typeof id === 'number' ? id : undefined,
      type: this.parse(json['type'] ?? null, namespace),
    }
  }

  #reference(name: string, namespace: string): AvroType {
    const primitive = primitiveKinds.find((kind) => kind === name)
    if (primitive !== undefined) return { kind: primitive }
    const named = this.#named.get(qualify(name, namespace)) ?? this.#named.get(name)
    if (named === undefined) throw this.#invalid(`type ${name} is not defined before its use`)
    return named
  }

  #text(json: Json | undefined): string {
    if (typeof json === 'string') return json
    throw this.#invalid('a name is no text')
  }

  #optionalText(json: Json | undefined): string | undefined {
    return json === undefined ? undefined : this.#text(json)
  }

  #invalid(problem: string): CorruptDataError {
    return new CorruptDataError(`invalid avro schema: ${problem}`, {
      facts: { where: this.#where },
    })
  }
}

function qualify(name: string, namespace: string): string {
  return name.includes('.') || namespace === '' ? name : `${namespace}.${name}`
}
