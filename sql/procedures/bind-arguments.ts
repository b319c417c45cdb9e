/** The literals of a CALL as the values that a procedure takes, by name; literals that do not fit are refused. */
import { ValidationError, didYouMean } from '../../common/index.ts'
import type { CallLiteral } from '../text/call-literal.ts'
import type { CallArgument, CallStatement } from '../text/call-statement.ts'
import { renderPosition } from '../text/query-error.ts'
import type { ArgumentType, ArgumentTypes, Procedure, ProcedureArgument } from './procedure.ts'

/** A value before tables are looked up: of a table still the name. */
export type BoundValue = ArgumentTypes[Exclude<ArgumentType, 'table'>] | undefined

export interface BoundArgument {
  readonly type: ArgumentType
  readonly value: BoundValue
  /** Position of the literal, or of the procedure's name where no argument was given. */
  readonly start: number
}

/** In the procedure's order. Throws ValidationError with the position in `sql`. */
export function bindArguments(
  sql: string,
  procedure: Procedure,
  call: CallStatement,
): ReadonlyMap<string, BoundArgument> {
  const given = argumentsByName(sql, procedure, call.arguments)
  const bound = new Map<string, BoundArgument>()
  for (const [name, argument] of Object.entries(procedure.arguments)) {
    const value = bindOne(sql, procedure, name, given.get(name))
    if (value === undefined && argument.isRequired) {
      throw new ValidationError(
        `${procedure.name} needs the argument ${name}${renderPosition(sql, call.start)}`,
      )
    }
    const start = given.get(name)?.value.start ?? call.start
    bound.set(name, { type: argument.type, value: value ?? fallbackOf(argument), start })
  }
  return bound
}

function argumentsByName(
  sql: string,
  procedure: Procedure,
  given: readonly CallArgument[],
): ReadonlyMap<string, CallArgument> {
  const names = Object.keys(procedure.arguments)
  const byName = new Map<string, CallArgument>()
  for (const [position, argument] of given.entries()) {
    const name = argument.name ?? names[position]
    if (name === undefined) {
      throw new ValidationError(
        `${procedure.name} takes at most ${names.length} arguments${renderPosition(sql, argument.start)}`,
      )
    }
    if (!names.includes(name)) {
      throw new ValidationError(
        `${procedure.name} has no argument ${name}${didYouMean(name, names)} (it has ${names.join(', ')})` +
          renderPosition(sql, argument.start),
      )
    }
    byName.set(name, argument)
  }
  return byName
}

/** NULL is the same as an argument that is not given. */
function bindOne(
  sql: string,
  procedure: Procedure,
  name: string,
  given: CallArgument | undefined,
): BoundValue {
  const argument = procedure.arguments[name]
  if (given === undefined || argument === undefined || given.value.kind === 'null') return undefined
  const { refusal, type } = argument
  if (refusal !== undefined) {
    throw new ValidationError(
      `${procedure.name} does not act on the argument ${name}: ${refusal}${renderPosition(sql, given.start)}`,
    )
  }
  const value = conversions[type].convert(given.value)
  if (value !== undefined) return value
  throw new ValidationError(
    `argument ${name} of ${procedure.name} must be ${conversions[type].expected}${renderPosition(sql, given.value.start)}`,
  )
}

function fallbackOf({ fallback, type }: ProcedureArgument): BoundValue {
  return type === 'table' ? undefined : (fallback as BoundValue)
}

interface Conversion {
  /** Undefined for a literal of another type. */
  readonly convert: (literal: CallLiteral) => BoundValue
  readonly expected: string
}

const conversions: Readonly<Record<ArgumentType, Conversion>> = {
  table: { convert: stringOf, expected: "the name of a table as a string, such as 'db.t'" },
  string: { convert: stringOf, expected: "a string, such as 'text'" },
  long: { convert: (literal) => wholeNumber(literal, 64), expected: 'a whole number of 64 bits' },
  int: {
    convert: (literal) => {
      const value = wholeNumber(literal, 32)
      return value === undefined ? undefined : Number(value)
    },
    expected: 'a whole number of 32 bits',
  },
  boolean: {
    convert: (literal) => (literal.kind === 'boolean' ? literal.value : undefined),
    expected: 'true or false',
  },
  timestamp: {
    convert: (literal) => (literal.kind === 'timestamp' ? literal.micros : undefined),
    expected: "a timestamp, such as TIMESTAMP '2026-01-31 12:00:00'",
  },
  longs: { convert: longsOf, expected: 'an array of whole numbers, such as ARRAY(1, 2)' },
  map: { convert: mapOf, expected: "a map of texts, such as MAP('key', 'value')" },
}

function stringOf(literal: CallLiteral): string | undefined {
  return literal.kind === 'string' ? literal.text : undefined
}

function wholeNumber(literal: CallLiteral, bits: 32 | 64): bigint | undefined {
  if (literal.kind !== 'number' || !/^-?\d{1,19}$/.test(literal.text)) return undefined
  const value = BigInt(literal.text)
  return BigInt.asIntN(bits, value) === value ? value : undefined
}

function longsOf(literal: CallLiteral): readonly bigint[] | undefined {
  if (literal.kind !== 'list') return undefined
  const values = literal.items.map((item) => wholeNumber(item, 64))
  return values.every((value) => value !== undefined) ? values : undefined
}

/** Numbers and booleans become their text, as Spark casts them. */
function mapOf(literal: CallLiteral): Readonly<Record<string, string>> | undefined {
  if (literal.kind !== 'map') return undefined
  const entries = literal.entries.map(([key, value]) => [stringOf(key), entryText(value)])
  const isText = entries.every((entry) => entry.every((part) => part !== undefined))
  return isText ? (Object.fromEntries(entries) as Record<string, string>) : undefined
}

function entryText(literal: CallLiteral): string | undefined {
  if (literal.kind === 'string' || literal.kind === 'number') return literal.text
  return literal.kind === 'boolean' ? String(literal.value) : undefined
}
