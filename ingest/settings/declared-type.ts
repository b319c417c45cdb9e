/**
 * Column types as text (`decimal(9,2)`, `list<struct<a: int>>`) or in the shape of Iceberg's own type
 * JSON, without field ids: those are the catalog's to give.
 */
import { SettingsError, didYouMean } from '../../common/index.ts'
import { isRawMap, type RawMap, type RawValue } from '../../settings/index.ts'

const simpleTypeNames = [
  'boolean',
  'int',
  'long',
  'float',
  'double',
  'date',
  'time',
  'timestamp',
  'timestamptz',
  'string',
  'uuid',
  'binary',
] as const

export type DeclaredType =
  | { readonly type: (typeof simpleTypeNames)[number] }
  | { readonly type: 'fixed'; readonly length: number }
  | { readonly type: 'decimal'; readonly precision: number; readonly scale: number }
  | { readonly type: 'struct'; readonly fields: readonly DeclaredField[] }
  | { readonly type: 'list'; readonly element: DeclaredType; readonly elementRequired: boolean }
  | {
      readonly type: 'map'
      readonly key: DeclaredType
      readonly value: DeclaredType
      readonly valueRequired: boolean
    }

export interface DeclaredField {
  readonly name: string
  readonly type: DeclaredType
  readonly required: boolean
  readonly doc?: string
}

/** What other systems call the same thing; named in the message, not taken silently. */
const foreignNames: Readonly<Record<string, string>> = {
  bigint: 'long',
  int64: 'long',
  int32: 'int',
  integer: 'int',
  number: 'double or decimal(p,s)',
  bool: 'boolean',
  varchar: 'string',
  text: 'string',
  bytes: 'binary',
  blob: 'binary',
  real: 'float',
  float64: 'double',
  datetime: 'timestamp',
  array: 'list',
  object: 'struct',
  numeric: 'decimal',
}
const laterNames = ['timestamp_ns', 'timestamptz_ns', 'variant', 'geometry', 'geography', 'unknown']
const depthMax = 32

/** The type that a `type:` key holds: text, or a map in the shape of Iceberg's type JSON. */
export function parseDeclaredType(value: RawValue, depth = 0): DeclaredType {
  if (depth > depthMax) throw new SettingsError(`types are nested deeper than ${depthMax} levels`)
  if (typeof value === 'string') return new TypeTextParser(value).parse()
  if (!isRawMap(value)) throw new SettingsError('a type is text such as decimal(9,2), or a map')
  const kind = value['type']
  if (kind === 'struct') {
    onlyKeys(value, ['type', 'fields'])
    const fields = value['fields']
    if (!Array.isArray(fields)) throw new SettingsError('a struct needs a list of fields')
    return { type: 'struct', fields: parseDeclaredFields(fields as readonly RawValue[], depth + 1) }
  }
  if (kind === 'list') {
    onlyKeys(value, ['type', 'element', 'element-required'])
    return {
      type: 'list',
      element: parseDeclaredType(member(value, 'element'), depth + 1),
      elementRequired: flag(value['element-required'], 'element-required'),
    }
  }
  if (kind === 'map') {
    onlyKeys(value, ['type', 'key', 'value', 'value-required'])
    return {
      type: 'map',
      key: parseDeclaredType(member(value, 'key'), depth + 1),
      value: parseDeclaredType(member(value, 'value'), depth + 1),
      valueRequired: flag(value['value-required'], 'value-required'),
    }
  }
  if (typeof kind === 'string' && Object.keys(value).length === 1) return parseDeclaredType(kind)
  throw new SettingsError('a nested type is {type: struct|list|map, ...} as in Iceberg type json')
}

function parseDeclaredFields(items: readonly RawValue[], depth: number): readonly DeclaredField[] {
  const fields = items.map((item): DeclaredField => {
    if (!isRawMap(item)) throw new SettingsError('a field is {name, type, required, doc}')
    onlyKeys(item, ['name', 'type', 'required', 'doc'])
    const name = member(item, 'name')
    if (typeof name !== 'string') throw new SettingsError('a field name is plain text')
    const doc = item['doc']
    return {
      name,
      type: parseDeclaredType(member(item, 'type'), depth),
      required: flag(item['required'], 'required'),
      ...(typeof doc === 'string' ? { doc } : {}),
    }
  })
  refuseDuplicates(fields)
  return fields
}

function refuseDuplicates(fields: readonly DeclaredField[]): void {
  const seen = new Set<string>()
  for (const { name } of fields) {
    if (seen.has(name)) throw new SettingsError(`field "${name}" is declared twice`)
    seen.add(name)
  }
}

function member(map: RawMap, key: string): RawValue {
  const value = map[key]
  if (value === undefined) throw new SettingsError(`"${key}" is missing`)
  return value
}

function flag(value: RawValue | undefined, key: string): boolean {
  if (value === undefined || value === 'false') return false
  if (value === 'true') return true
  throw new SettingsError(`${key} is true or false`)
}

function onlyKeys(map: RawMap, known: readonly string[]): void {
  for (const key of Object.keys(map)) {
    if (!known.includes(key)) {
      throw new SettingsError(`unknown key "${key}" in a type${didYouMean(key, known)}`)
    }
  }
}

/** Recursive descent over the text form. */
class TypeTextParser {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  parse(): DeclaredType {
    const type = this.#type(0)
    this.#space()
    if (this.#at < this.#text.length) this.#fail(`"${this.#text.slice(this.#at)}" is left over`)
    return type
  }

  #type(depth: number): DeclaredType {
    if (depth > depthMax) this.#fail(`nested deeper than ${depthMax} levels`)
    const name = this.#word().toLowerCase()
    switch (name) {
      case 'decimal':
        return this.#decimal()
      case 'fixed':
        return { type: 'fixed', length: this.#fixedLength() }
      case 'list': {
        this.#expect('<')
        const element = this.#type(depth + 1)
        this.#expect('>')
        return { type: 'list', element, elementRequired: false }
      }
      case 'map': {
        this.#expect('<')
        const key = this.#type(depth + 1)
        this.#expect(',')
        const value = this.#type(depth + 1)
        this.#expect('>')
        return { type: 'map', key, value, valueRequired: false }
      }
      case 'struct':
        return this.#struct(depth)
      default:
        return this.#simple(name)
    }
  }

  #simple(name: string): DeclaredType {
    const known = simpleTypeNames.find((simple) => simple === name)
    if (known !== undefined) return { type: known }
    if (laterNames.includes(name)) throw new SettingsError(`type ${name} is not in this release`)
    const foreign = foreignNames[name]
    const names = [...simpleTypeNames, 'decimal', 'fixed', 'list', 'map', 'struct']
    const hint = foreign === undefined ? didYouMean(name, names) : `, did you mean ${foreign}`
    throw new SettingsError(`unknown type "${name}"${hint}`)
  }

  #decimal(): DeclaredType {
    this.#expect('(')
    const precision = this.#integer()
    this.#expect(',')
    const scale = this.#integer()
    this.#expect(')')
    if (precision < 1 || precision > 38) this.#fail('precision is 1 to 38')
    if (scale > precision) this.#fail('scale is at most the precision')
    return { type: 'decimal', precision, scale }
  }

  #fixedLength(): number {
    const open = this.#peek() === '(' ? '(' : '['
    this.#expect(open)
    const length = this.#integer()
    this.#expect(open === '(' ? ')' : ']')
    if (length < 1) this.#fail('a fixed has at least 1 byte')
    return length
  }

  #struct(depth: number): DeclaredType {
    const fields: DeclaredField[] = []
    this.#expect('<')
    do {
      const name = this.#fieldName()
      this.#expect(':')
      fields.push({ name, type: this.#type(depth + 1), required: false })
    } while (this.#take(','))
    this.#expect('>')
    refuseDuplicates(fields)
    return { type: 'struct', fields }
  }

  #fieldName(): string {
    this.#space()
    const quoted = /^"([^"]+)"|^`([^`]+)`/.exec(this.#text.slice(this.#at))
    if (quoted === null) return this.#word()
    this.#at += quoted[0].length
    return quoted[1] ?? quoted[2] ?? ''
  }

  #word(): string {
    this.#space()
    const word = /^[\p{L}_][\p{L}\p{N}_]*/u.exec(this.#text.slice(this.#at))?.[0]
    if (word === undefined) this.#fail(`a name is missing at "${this.#text.slice(this.#at)}"`)
    this.#at += word.length
    return word
  }

  #integer(): number {
    this.#space()
    const digits = /^\d{1,9}/.exec(this.#text.slice(this.#at))?.[0]
    if (digits === undefined) this.#fail(`a number is missing at "${this.#text.slice(this.#at)}"`)
    this.#at += digits.length
    return Number(digits)
  }

  #expect(symbol: string): void {
    if (!this.#take(symbol)) {
      const rest = this.#text.slice(this.#at)
      this.#fail(
        rest === '' ? `"${symbol}" is missing at the end` : `"${symbol}" expected before "${rest}"`,
      )
    }
  }

  #take(symbol: string): boolean {
    if (this.#peek() !== symbol) return false
    this.#at++
    return true
  }

  #peek(): string | undefined {
    this.#space()
    return this.#text[this.#at]
  }

  #space(): void {
    while (this.#text[this.#at] === ' ') this.#at++
  }

  #fail(reason: string): never {
    throw new SettingsError(`not a type: "${this.#text}": ${reason}`)
  }
}

/** The text form of a type, as `parseDeclaredType` reads it. */
export function formatDeclaredType(type: DeclaredType): string {
  if (type.type === 'decimal') return `decimal(${type.precision},${type.scale})`
  if (type.type === 'fixed') return `fixed(${type.length})`
  if (type.type === 'list') return `list<${formatDeclaredType(type.element)}>`
  if (type.type === 'map') {
    return `map<${formatDeclaredType(type.key)}, ${formatDeclaredType(type.value)}>`
  }
  if (type.type !== 'struct') return type.type
  const fields = type.fields.map(({ name, type }) => `"${name}": ${formatDeclaredType(type)}`)
  return `struct<${fields.join(', ')}>`
}
