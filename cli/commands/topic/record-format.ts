/** Records as text: kcat's and rpk's `%` formats, and one JSON object per record. */
import { type Json, stringifyJson } from '../../../common/index.ts'
import { UsageError } from '../../frame/failure.ts'

export interface ShownRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly timestampMs: bigint
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly { readonly name: string; readonly value: Uint8Array | null }[]
}

export type RecordFormatter = (record: ShownRecord) => Uint8Array

type Part = (record: ShownRecord) => Uint8Array | string

const parts: Readonly<Record<string, Part>> = {
  t: (record) => record.topic,
  p: (record) => String(record.partition),
  o: (record) => String(record.offset),
  T: (record) => String(record.timestampMs),
  d: (record) => String(record.timestampMs),
  k: (record) => record.key ?? '',
  K: (record) => String(record.key?.length ?? -1),
  s: (record) => record.value ?? '',
  v: (record) => record.value ?? '',
  S: (record) => String(record.value?.length ?? -1),
  V: (record) => String(record.value?.length ?? -1),
  h: (record) =>
    record.headers.map(({ name, value }) => `${name}=${utf8Text(value) ?? 'NULL'}`).join(','),
  '%': () => '%',
}

const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  '0': '\0',
  '\\': '\\',
}

/** Throws UsageError for an unknown `%` letter. Bytes of keys and values stay as they are. */
export function compileRecordFormat(format: string): RecordFormatter {
  const pieces: Part[] = []
  for (const [piece] of format.matchAll(/%.|\\x[0-9a-fA-F]{2}|\\.|[^%\\]+|[%\\]$/gs)) {
    pieces.push(compilePiece(piece))
  }
  return (record) =>
    Buffer.concat(
      pieces.map((piece) => {
        const shown = piece(record)
        return typeof shown === 'string' ? Buffer.from(shown) : shown
      }),
    )
}

function compilePiece(piece: string): Part {
  if (piece.startsWith('%')) {
    const part = parts[piece.slice(1)]
    if (part !== undefined) return part
    throw new UsageError(
      `unknown format "${piece}" (%t topic, %p partition, %o offset, %T time, %k key, %s or %v value, %h headers, %S %K sizes)`,
    )
  }
  if (!piece.startsWith('\\')) return () => piece
  if (piece.length === 4) {
    const byte = Uint8Array.of(Number.parseInt(piece.slice(2), 16))
    return () => byte
  }
  const plain = escapes[piece.slice(1)] ?? piece
  return () => plain
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

function utf8Text(bytes: Uint8Array | null): string | undefined {
  if (bytes === null) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
