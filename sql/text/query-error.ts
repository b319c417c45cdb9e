/** Turns DuckDB's message about a query into an error about the text that the user wrote. */
import {
  UnavailableError,
  UnsupportedError,
  ValidationError,
  errorMessage,
  parseJsonObject,
} from '../../common/index.ts'
import { utf16Position, type SplicedText } from './spliced-text.ts'

/** `errors_as_json` must be on for the connection. `clean` takes our own names out of the message. */
export function queryError(
  error: unknown,
  source: SplicedText,
  original: string,
  clean: (message: string) => string,
): Error {
  return toError(error, clean, (position) =>
    renderPosition(original, source.originalPosition(utf16Position(source.text, position))),
  )
}

/** The same for an error before the query runs: the failed text is ours, so no position is shown. */
export function planningError(error: unknown, clean: (message: string) => string): Error {
  return toError(error, clean, () => '')
}

function toError(
  error: unknown,
  clean: (message: string) => string,
  render: (position: number) => string,
): Error {
  // Not every error of the driver is JSON; those are passed on as they are.
  const facts = parseJsonObject(errorMessage(error))
  if (facts === undefined) return error instanceof Error ? error : new Error(errorMessage(error))
  const kind = String(facts['exception_type'] ?? '').toLowerCase()
  const message = clean(String(facts['exception_message'] ?? ''))
  const position = Number(facts['position'] ?? Number.NaN)
  const where = Number.isInteger(position) ? render(position) : ''
  const text = `${kind === '' ? 'query' : kind} error: ${message}${where}`
  if (kind === 'io' || kind === 'http') return new UnavailableError(text, { cause: error })
  // Only a cancellation interrupts a query.
  if (kind === 'interrupt') return new UnavailableError('the query was cancelled')
  if (kind === 'not implemented') return new UnsupportedError(text, { cause: error })
  return new ValidationError(text, { cause: error })
}

/** The line that contains a position, with a mark under it; long lines are cut around the mark. */
export function renderPosition(text: string, position: number): string {
  const before = text.slice(0, position)
  const lineNumber = before.split('\n').length
  const lineStart = before.lastIndexOf('\n') + 1
  const newline = text.indexOf('\n', position)
  const line = text.slice(lineStart, newline < 0 ? text.length : newline)
  const column = position - lineStart
  const from = Math.max(0, Math.min(column - 40, line.length - 100))
  const shown = line.slice(from, from + 100)
  const prefix = `line ${lineNumber}: ${from > 0 ? '...' : ''}`
  const suffix = from + 100 < line.length ? '...' : ''
  return `\n${prefix}${shown}${suffix}\n${' '.repeat(prefix.length + column - from)}^`
}
