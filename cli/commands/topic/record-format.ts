/**
 * Records as text: kcat's and rpk's `%` formats, and one JSON object per record.
 *
 * Where the two give a letter different meanings kcat's counts: %T is the time, %h all headers. rpk's modifiers in
 * braces are taken where they say how bytes are printed, and refused otherwise.
 */
import { type Json, stringifyJson } from '../../../common/index.ts'
import { UsageError } from '../../frame/failure.ts'
import { unescapeBytes } from './escapes.ts'

export interface ShownRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly timestampMs: bigint
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly ShownHeader[]
}

interface ShownHeader {
  readonly name: string
  readonly value: Uint8Array | null
}

export type RecordFormatter = (record: ShownRecord) => Uint8Array

export interface RecordFormatOptions {
  /** What a null key, value or header is printed as, as by kcat's -Z. */
  readonly nullText?: string
}

type Part<T> = (shown: T) => Uint8Array | string
type Encoding = (bytes: Uint8Array) => Uint8Array | string
/** A letter as it is printed by an encoding of bytes; numbers are printed as they are. */
type Letters<T> = Readonly<Record<string, (encoding: Encoding | undefined) => Part<T>>>

const encodings: Readonly<Record<string, Encoding>> = {
  hex: (bytes) => Buffer.from(bytes).toString('hex'),
  base64: (bytes) => Buffer.from(bytes).toString('base64'),
  base64raw: (bytes) => Buffer.from(bytes).toString('base64').replace(/=+$/, ''),
}

/** Throws UsageError for an unknown letter or modifier. Bytes of keys, values and headers stay as they are. */
export function compileRecordFormat(
  format: string,
  options: RecordFormatOptions = {},
): RecordFormatter {
  const parts = compile(format, recordLetters(options.nullText ?? ''), options)
  return (record) => print(parts, record)
}

function recordLetters(nullText: string): Letters<ShownRecord> {
  let count = 0
  const valueLetter = bytesLetter<ShownRecord>((record) => record.value, nullText)
  const valueSize = numberLetter<ShownRecord>((record) => record.value?.length ?? -1)
  const time = numberLetter<ShownRecord>((record) => record.timestampMs)
  return {
    t: bytesLetter((record) => Buffer.from(record.topic), ''),
    p: numberLetter((record) => record.partition),
    o: numberLetter((record) => record.offset),
    T: time,
    d: time,
    k: bytesLetter((record) => record.key, nullText),
    K: numberLetter((record) => record.key?.length ?? -1),
    s: valueLetter,
    v: valueLetter,
    S: valueSize,
    V: valueSize,
    R: noEncoding((record) => bigEndian(record.value?.length ?? -1)),
    h: noEncoding(allHeaders),
    H: numberLetter((record) => record.headers.length),
    i: noEncoding(() => String(++count)),
    ...literals(),
  }
}

const headerLetters = (nullText: string): Letters<ShownHeader> => ({
  k: bytesLetter(({ name }) => Buffer.from(name), ''),
  K: numberLetter(({ name }) => Buffer.byteLength(name)),
  v: bytesLetter(({ value }) => value, nullText),
  V: numberLetter(({ value }) => value?.length ?? -1),
  ...literals(),
})

function literals<T>(): Letters<T> {
  return {
    '%': noEncoding(() => '%'),
    '{': noEncoding(() => '{'),
    '}': noEncoding(() => '}'),
  }
}

function bytesLetter<T>(
  read: (shown: T) => Uint8Array | null,
  nullText: string,
): Letters<T>[string] {
  return (encoding) => (shown) => {
    const bytes = read(shown)
    if (bytes === null) return nullText
    return encoding === undefined ? bytes : encoding(bytes)
  }
}

function numberLetter<T>(read: (shown: T) => number | bigint): Letters<T>[string] {
  return noEncoding((shown) => String(read(shown)))
}

function noEncoding<T>(part: Part<T>): Letters<T>[string] {
  return (encoding) => {
    if (encoding === undefined) return part
    throw new UsageError('only %k, %v, %s, %t take {hex}, {base64} or {base64raw}')
  }
}

function compile<T>(
  format: string,
  letters: Letters<T>,
  options: RecordFormatOptions,
): readonly Part<T>[] {
  const parts: Part<T>[] = []
  // A modifier may hold letters with modifiers of their own: %h{%k=%v{hex}}.
  const piece = /%(.)(?:\{((?:%.(?:\{[^{}]*\})?|[^{}%])*)\})?|[^%]+|%$/gs
  for (const [text, letter, modifier] of format.matchAll(piece)) {
    if (letter === undefined) {
      if (text === '%') throw unknownLetter(text)
      parts.push(constant(unescapeBytes(text, '-f')))
    } else if (modifier !== undefined && '%{}'.includes(letter)) {
      parts.push(
        constant(Buffer.concat([Buffer.from(letter), unescapeBytes(`{${modifier}}`, '-f')])),
      )
    } else if (letter === 'h' && modifier !== undefined) {
      parts.push(eachHeader(modifier, options) as Part<T>)
    } else {
      const part = letters[letter]
      if (part === undefined) throw unknownLetter(`%${letter}`)
      parts.push(part(modifier === undefined ? undefined : encodingOf(text, modifier)))
    }
  }
  return parts
}

function eachHeader(format: string, options: RecordFormatOptions): Part<ShownRecord> {
  const parts = compile(format, headerLetters(options.nullText ?? ''), options)
  return (record) => Buffer.concat(record.headers.map((header) => print(parts, header)))
}

function encodingOf(piece: string, modifier: string): Encoding {
  const encoding = encodings[modifier]
  if (encoding !== undefined) return encoding
  throw new UsageError(
    `unknown modifier in "${piece}" ({hex}, {base64}, {base64raw}; %h{%k=%v} for headers; %{ for a brace)`,
  )
}

function unknownLetter(piece: string): UsageError {
  return new UsageError(
    `unknown format "${piece}" (%t topic, %p partition, %o offset, %T time, %k key, %s or %v value, %h headers, %H their number, %i count, %S %K sizes, %R size in four bytes, %% percent)`,
  )
}

function constant(bytes: Uint8Array): () => Uint8Array {
  return () => bytes
}

function print<T>(parts: readonly Part<T>[], shown: T): Buffer {
  return Buffer.concat(
    parts.map((part) => {
      const piece = part(shown)
      return typeof piece === 'string' ? Buffer.from(piece) : piece
    }),
  )
}

/** As kcat prints them: name=value,name=NULL. */
function allHeaders({ headers }: ShownRecord): Buffer {
  return Buffer.concat(
    headers.flatMap(({ name, value }, index) => [
      Buffer.from(`${index === 0 ? '' : ','}${name}=`),
      value ?? Buffer.from('NULL'),
    ]),
  )
}

function bigEndian(size: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(size)
  return bytes
}

/** One line: text where bytes are UTF-8, else base64 with `<name>_encoding` beside it. */
export const jsonRecord: RecordFormatter = (record) => {
  const json: Json = {
    topic: record.topic,
    partition: record.partition,
    offset: record.offset,
    timestamp: record.timestampMs,
    ...bytesField('key', record.key),
    ...bytesField('value', record.value),
    headers: record.headers.map(({ name, value }) => ({
      key: name,
      ...bytesField('value', value),
    })),
  }
  return Buffer.from(`${stringifyJson(json)}\n`)
}

function bytesField(name: string, bytes: Uint8Array | null): Readonly<Record<string, Json>> {
  if (bytes === null) return { [name]: null }
  const text = utf8Text(bytes)
  if (text !== undefined) return { [name]: text }
  return { [name]: Buffer.from(bytes).toString('base64'), [`${name}_encoding`]: 'base64' }
}

function utf8Text(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
