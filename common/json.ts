/**
 * JSON that keeps 64-bit integers exact in both directions (iceberg-facts 1).
 *
 * `JSON.parse` rounds integers above 2^53 and `JSON.stringify` throws on a bigint, so every document
 * that can hold a 64-bit number goes through here. Integers that a double holds exactly come back as
 * `number`, all others as `bigint`; codecs that know a field to be 64-bit widen it with `asBigint`.
 */
import { isSafeNumber, parse as losslessParse, stringify as losslessStringify } from 'lossless-json'
import { CorruptDataError, errorMessage } from './errors.ts'

export type Json =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly Json[]
  | { readonly [key: string]: Json }

export type JsonObject = { readonly [key: string]: Json }

/** Parses a document; `where` (a file, a URL) is named in the error. */
export function parseJson(text: string, where = 'json'): Json {
  try {
    // Below 9 * 10^15 a double is exact, so almost every document takes the native path.
    if (!/\d{17}|9\d{15}/.test(text)) return JSON.parse(text) as Json
    return losslessParse(text, undefined, {
      parseNumber: (digits) =>
        /^-?\d+$/.test(digits) && !isSafeNumber(digits) ? BigInt(digits) : Number(digits),
    }) as Json
  } catch (error) {
    throw new CorruptDataError(`not valid json: ${errorMessage(error)}`, {
      facts: { where },
      cause: error,
    })
  }
}

/** Writes a document; bigints become integer literals, `undefined` members are left out. */
export function stringifyJson(value: unknown, space?: number): string {
  const text = losslessStringify(value, undefined, space)
  if (text === undefined) throw new TypeError('value has no json form')
  return text
}

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Of text from elsewhere, such as an answer that a proxy may have made: undefined unless it is a JSON object. */
export function parseJsonObject(text: string): JsonObject | undefined {
  try {
    const json = parseJson(text)
    return isJsonObject(json) ? json : undefined
  } catch {
    return undefined
  }
}

/** Widens a parsed integer; anything else is a corrupt document. */
export function asBigint(value: Json | undefined, where: string): bigint {
  if (typeof value === 'bigint') return value
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value)
  throw new CorruptDataError('expected an integer', { facts: { where, value: describe(value) } })
}

function describe(value: Json | undefined): string {
  return value === undefined ? 'nothing' : stringifyJson(value).slice(0, 80)
}
