/**
 * ClickHouse's placeholders `{name:Type}`: each becomes a parameter of a prepared statement, cast to its
 * type. A value never becomes part of the text, so it can mean nothing but itself.
 */
import { ValidationError, didYouMean } from '../../common/index.ts'
import { splice, type Replacement, type SplicedText } from './spliced-text.ts'
import { isSymbol, type Token, type TokenizedText } from './tokens.ts'

/** By name; null is NULL. */
export type ParameterValues = Readonly<Record<string, string | null>>

export interface FilledText extends SplicedText {
  readonly values: ParameterValues
}

/** `texts` by name, as a client sent them. A text without placeholders for them is refused. */
export function fillPlaceholders(
  { text: sql, tokens }: TokenizedText,
  texts: Readonly<Record<string, string>> = {},
): FilledText {
  const values: Record<string, string | null> = {}
  if (Object.keys(texts).length === 0) return { ...splice(sql, []), values }
  const replacements: Replacement[] = []
  for (let index = 0; index < tokens.length; index++) {
    const placeholder = readPlaceholder(tokens, index)
    const text = placeholder === undefined ? undefined : own(texts, placeholder.name)
    if (placeholder === undefined || text === undefined) continue
    const { last, name } = placeholder
    const type = placeholderType(placeholder.typeName)
    // `{name: 1}` is DuckDB's struct.
    if (type === undefined) continue
    values[name] = checkedValue(name, type, text)
    const start = tokens[index]?.start ?? 0
    replacements.push({ start, end: last.end, text: `CAST($${name} AS ${type.duckdb})` })
  }
  for (const name of Object.keys(texts)) {
    if (Object.hasOwn(values, name)) continue
    throw new ValidationError(`the query has no placeholder {${name}:Type}`, {
      facts: { parameter: `param_${name}` },
    })
  }
  return { ...splice(sql, replacements), values }
}

interface Placeholder {
  readonly name: string
  readonly typeName: string
  readonly last: Token
}

interface PlaceholderType {
  /** As it was written. */
  readonly name: string
  readonly duckdb: string
  readonly isNullable: boolean
}

function readPlaceholder(tokens: readonly Token[], index: number): Placeholder | undefined {
  const [open, name, colon] = tokens.slice(index, index + 3)
  if (!isSymbol(open, '{') || name?.kind !== 'word' || !isSymbol(colon, ':')) return undefined
  const close = tokens.findIndex((token, at) => at > index + 2 && isSymbol(token, '}'))
  const last = tokens[close]
  if (last === undefined) return undefined
  const written = tokens.slice(index + 3, close).map(({ text }) => text)
  return { name: name.text, typeName: written.join(''), last }
}

const plainTypes: Readonly<Record<string, string>> = {
  Int8: 'TINYINT',
  Int16: 'SMALLINT',
  Int32: 'INTEGER',
  Int64: 'BIGINT',
  Int128: 'HUGEINT',
  UInt8: 'UTINYINT',
  UInt16: 'USMALLINT',
  UInt32: 'UINTEGER',
  UInt64: 'UBIGINT',
  UInt128: 'UHUGEINT',
  Float32: 'FLOAT',
  Float64: 'DOUBLE',
  Bool: 'BOOLEAN',
  String: 'VARCHAR',
  UUID: 'UUID',
  Date: 'DATE',
  Date32: 'DATE',
  DateTime: 'TIMESTAMP',
  DateTime64: 'TIMESTAMP',
}

function placeholderType(name: string): PlaceholderType | undefined {
  const inner = /^Nullable\((.*)\)$/.exec(name)?.[1]
  const bare = inner ?? name
  const [, precision, scale] = /^Decimal\((\d{1,2}),(\d{1,2})\)$/.exec(bare) ?? []
  const duckdb =
    precision === undefined
      ? (own(plainTypes, bare) ?? own(plainTypes, bare.replace(/\(\d\)$/, '')))
      : `DECIMAL(${precision},${scale ?? '0'})`
  if (duckdb !== undefined) return { name, duckdb, isNullable: inner !== undefined }
  if (!/^[A-Z]\w*/.test(bare)) return undefined
  throw new ValidationError(
    `a placeholder has the unknown type ${name}${didYouMean(bare, Object.keys(plainTypes))}`,
    { facts: { types: Object.keys(plainTypes).join(' ') } },
  )
}

/** DuckDB would round 1.5 to the integer 2. */
function checkedValue(name: string, type: PlaceholderType, text: string): string | null {
  if (type.isNullable && text === '\\N') return null
  const isInteger = /^Nullable\(U?Int|^U?Int/.test(type.name)
  if (!isInteger || /^[+-]?\d+$/.test(text)) return text
  throw new ValidationError(`param_${name} is no ${type.name}`, { facts: { value: text } })
}

function own<Value>(record: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined
}
