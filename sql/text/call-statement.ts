/**
 * `CALL system.procedure(arguments)` as Spark writes it, read from tokens: DuckDB's own CALL runs
 * functions of its own and has no named arguments. Arguments are literals (`call-literal.ts`).
 */
import { ValidationError } from '../../common/index.ts'
import { type CallLiteral, CallLiteralReader } from './call-literal.ts'
import { renderPosition } from './query-error.ts'
import { isSymbol, nameOf, type TokenizedText } from './tokens.ts'

export interface CallStatement {
  /** Of the procedure, without the `system.` before it; in lower case. */
  readonly name: string
  /** UTF-16 position of the name in the statement. */
  readonly start: number
  readonly arguments: readonly CallArgument[]
}

export interface CallArgument {
  /** In lower case; undefined for an argument given by position. */
  readonly name: string | undefined
  readonly start: number
  readonly value: CallLiteral
}

/** The statement begins with CALL. Throws ValidationError with the position. */
export function readCall({ text: sql, tokens }: TokenizedText): CallStatement {
  const reader = new CallLiteralReader(sql, tokens, 1)
  const { name, start } = readName(reader)
  reader.expect('(')
  const callArguments: CallArgument[] = []
  while (!reader.takes(')')) {
    if (callArguments.length > 0) reader.expect(',')
    callArguments.push(readArgument(reader))
  }
  reader.takes(';')
  reader.expectEnd()
  checkStyle(sql, callArguments)
  return { name, start, arguments: callArguments }
}

function readName(reader: CallLiteralReader): Pick<CallStatement, 'name' | 'start'> {
  const { start } = reader
  const parts = [nameOf(reader.name())]
  while (reader.takes('.')) parts.push(nameOf(reader.name()))
  const [namespace, name, ...more] = parts.map((part) => part.toLowerCase())
  if (namespace === 'system' && name !== undefined && more.length === 0) return { name, start }
  throw reader.error(
    `a procedure is called as system.name; write CALL system.${parts.at(-1) ?? ''}(...)`,
    start,
  )
}

function readArgument(reader: CallLiteralReader): CallArgument {
  const { start } = reader
  const isNamed = isSymbol(reader.ahead(1), '=') && isSymbol(reader.ahead(2), '>')
  if (!isNamed) return { name: undefined, start, value: reader.literal() }
  const name = nameOf(reader.name()).toLowerCase()
  reader.expect('=')
  reader.expect('>')
  return { name, start, value: reader.literal() }
}

/** As in Spark: all arguments by name or all by position, and none twice. */
function checkStyle(sql: string, callArguments: readonly CallArgument[]): void {
  const names = new Set<string>()
  const isNamed = callArguments[0]?.name !== undefined
  for (const { name, start } of callArguments) {
    if ((name !== undefined) !== isNamed) {
      throw new ValidationError(
        `named and positional arguments cannot be mixed: give all by name${renderPosition(sql, start)}`,
      )
    }
    if (name === undefined) continue
    if (names.has(name)) {
      throw new ValidationError(`argument ${name} is given twice${renderPosition(sql, start)}`)
    }
    names.add(name)
  }
}
