/**
 * The type grammar: `long`, `decimal(9, 2)`, `fixed[16]`, `list<struct<a: int, "b c": string>>`.
 *
 * Ids of nested fields are 0, and are assigned when a schema is made of the type; members that the text
 * declares are optional and have no doc.
 */
import { didYouMean } from '../../common/index.ts'
import { formatName, TextScanner } from './text-scanner.ts'
import type { NestedField, PrimitiveType, SimpleTypeName, Type } from './types.ts'

const simpleTypes: Readonly<Record<SimpleTypeName, true>> = {
  boolean: true,
  int: true,
  long: true,
  float: true,
  double: true,
  date: true,
  time: true,
  timestamp: true,
  timestamptz: true,
  string: true,
  uuid: true,
  binary: true,
}

/** Names of other systems with the Iceberg type to suggest; they are refused, because some have several equivalents. */
const foreignNames: ReadonlyMap<string, string> = new Map([
  ['bigint', 'long'],
  ['int64', 'long'],
  ['int32', 'int'],
  ['integer', 'int'],
  ['number', 'double or decimal(p,s)'],
  ['bool', 'boolean'],
  ['varchar', 'string'],
  ['text', 'string'],
  ['bytes', 'binary'],
  ['blob', 'binary'],
  ['real', 'float'],
  ['float64', 'double'],
  ['datetime', 'timestamp'],
  ['array', 'list'],
  ['object', 'struct'],
  ['numeric', 'decimal'],
])
const laterNames = ['timestamp_ns', 'timestamptz_ns', 'variant', 'geometry', 'geography', 'unknown']
const depthMax = 32

/** Throws ValidationError with the place and the likely type. */
export function parseType(text: string): Type {
  const scanner = new TextScanner(text, 'a type')
  const type = readType(scanner, 0)
  scanner.expectEnd()
  return type
}

export function isPrimitive(type: Type): type is PrimitiveType {
  return type.type !== 'struct' && type.type !== 'list' && type.type !== 'map'
}

/** The text that `parseType` reads; for a primitive type it is the one of Iceberg's metadata. */
export function formatType(type: Type): string {
  if (type.type === 'fixed') return `fixed[${type.length}]`
  if (type.type === 'decimal') return `decimal(${type.precision}, ${type.scale})`
  if (type.type === 'list') return `list<${formatType(type.element)}>`
  if (type.type === 'map') return `map<${formatType(type.key)}, ${formatType(type.value)}>`
  if (type.type !== 'struct') return type.type
  const members = type.fields.map((field) => `${formatName(field.name)}: ${formatType(field.type)}`)
  return `struct<${members.join(', ')}>`
}

function readType(scanner: TextScanner, depth: number): Type {
  if (depth > depthMax) scanner.fail(`nested deeper than ${depthMax} levels`)
  const name = (scanner.word() ?? scanner.fail('the name of a type is missing')).toLowerCase()
  switch (name) {
    case 'decimal':
      return readDecimal(scanner)
    case 'fixed':
      return readFixed(scanner)
    case 'list': {
      scanner.expect('<')
      const element = readType(scanner, depth + 1)
      scanner.expect('>')
      return { type: 'list', elementId: 0, element, elementRequired: false }
    }
    case 'map': {
      scanner.expect('<')
      const key = readType(scanner, depth + 1)
      scanner.expect(',')
      const value = readType(scanner, depth + 1)
      scanner.expect('>')
      return { type: 'map', keyId: 0, key, valueId: 0, value, valueRequired: false }
    }
    case 'struct':
      return readStruct(scanner, depth)
    default:
      return readSimple(scanner, name)
  }
}

function readSimple(scanner: TextScanner, name: string): Type {
  if (Object.hasOwn(simpleTypes, name)) return { type: name as SimpleTypeName }
  if (laterNames.includes(name)) scanner.fail(`type ${name} is not in this release`)
  const foreign = foreignNames.get(name)
  const names = [...Object.keys(simpleTypes), 'decimal', 'fixed', 'list', 'map', 'struct']
  const hint = foreign === undefined ? didYouMean(name, names) : `, did you mean ${foreign}`
  return scanner.fail(`unknown type "${name}"${hint}`)
}

function readDecimal(scanner: TextScanner): Type {
  scanner.expect('(')
  const precision = readInteger(scanner)
  scanner.expect(',')
  const scale = readInteger(scanner)
  scanner.expect(')')
  if (precision < 1 || precision > 38) scanner.fail('precision is 1 to 38')
  if (scale > precision) scanner.fail('scale is at most the precision')
  return { type: 'decimal', precision, scale }
}

function readFixed(scanner: TextScanner): Type {
  const isRound = scanner.take('(')
  if (!isRound) scanner.expect('[')
  const length = readInteger(scanner)
  scanner.expect(isRound ? ')' : ']')
  if (length < 1) scanner.fail('a fixed has at least 1 byte')
  return { type: 'fixed', length }
}

function readStruct(scanner: TextScanner, depth: number): Type {
  const fields: NestedField[] = []
  scanner.expect('<')
  do {
    const name = scanner.quotedName() ?? scanner.word() ?? scanner.fail('a field name is missing')
    scanner.expect(':')
    if (fields.some((field) => field.name === name)) {
      scanner.fail(`field "${name}" is declared twice`)
    }
    fields.push({ id: 0, name, type: readType(scanner, depth + 1), required: false })
  } while (scanner.take(','))
  scanner.expect('>')
  return { type: 'struct', fields }
}

function readInteger(scanner: TextScanner): number {
  const digits = scanner.match(/\d{1,9}/y)?.[0]
  return digits === undefined ? scanner.fail('a number is missing') : Number(digits)
}
