/** Rows between tabs, with ClickHouse's escapes: a value never holds a bare tab or line break, NULL is \N. */
import { plainText, type QueryResult, type SqlValue, type TextSink } from '../sql/index.ts'

export async function writeTabSeparated(
  sink: TextSink,
  result: QueryResult,
  withNames: boolean,
): Promise<void> {
  if (withNames) await sink(`${result.columns.map(({ name }) => escaped(name)).join('\t')}\n`)
  for await (const batch of result.batches) {
    await sink(batch.map((row) => `${row.map(cell).join('\t')}\n`).join(''))
  }
}

function cell(value: SqlValue): string {
  return value === null ? '\\N' : escaped(plainText(value))
}

const escapes: Readonly<Record<string, string>> = {
  '\b': '\\b',
  '\f': '\\f',
  '\r': '\\r',
  '\n': '\\n',
  '\t': '\\t',
  '\0': '\\0',
  "'": "\\'",
  '\\': '\\\\',
}

function escaped(text: string): string {
  return text.replaceAll(/[\b\f\r\n\t\0'\\]/g, (character) => escapes[character] ?? character)
}
