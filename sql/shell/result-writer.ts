/** Results as text, in the formats of DuckDB's shell. */
import type { QueryResult, ResultColumn, ResultRow } from '../session/query-result.ts'
import { jsonMembers, plainText, type SqlValue } from '../session/values.ts'
import { boxTable } from './box-table.ts'
import { displayWidth, pad, visibleText } from './display-text.ts'

export const outputModes = ['table', 'json', 'jsonlines', 'csv', 'markdown', 'line'] as const

export type OutputMode = (typeof outputModes)[number]

/** Where text goes; awaits the receiver. */
export type TextSink = (text: string) => Promise<void>

export interface WriteOptions {
  readonly mode: OutputMode
  /** Rows shown in a box; the others are left out in the middle. */
  readonly rowsMax: number
  readonly widthMax: number | undefined
}

/** Reads the result to its end and writes it. */
export async function writeResult(
  sink: TextSink,
  result: QueryResult,
  options: WriteOptions,
): Promise<void> {
  try {
    await writers[options.mode](sink, result, options)
  } finally {
    await result.close()
  }
}

type Writer = (sink: TextSink, result: QueryResult, options: WriteOptions) => Promise<void>

const writers: Readonly<Record<OutputMode, Writer>> = {
  table: writeTable,
  json: writeJson,
  jsonlines: writeJsonLines,
  csv: writeCsv,
  markdown: writeMarkdown,
  line: writeLine,
}

async function writeTable(
  sink: TextSink,
  result: QueryResult,
  options: WriteOptions,
): Promise<void> {
  if (isPlan(result.columns)) {
    await writePlan(sink, result)
    return
  }
  const rowsHalf = Math.max(1, options.rowsMax >> 1)
  const head: string[][] = []
  let tail: string[][] = []
  let rowCount = 0
  for await (const batch of result.batches) {
    for (const row of batch) {
      const cells = row.map(cellText)
      if (head.length < rowsHalf) head.push(cells)
      else tail.push(cells)
    }
    rowCount += batch.length
    tail = tail.slice(-rowsHalf)
  }
  const columns = result.columns.map(({ name, type }) => ({ name: visibleText(name), type }))
  await sink(boxTable({ columns, head, tail, rowCount, widthMax: options.widthMax }))
}

async function writePlan(sink: TextSink, result: QueryResult): Promise<void> {
  for await (const batch of result.batches) {
    for (const row of batch) await sink(`${plainText(row[1] ?? null)}\n`)
  }
}

/** EXPLAIN's plan already is a drawing, so it is printed as it is. */
function isPlan(columns: readonly ResultColumn[]): boolean {
  return columns.length === 2 && columns[0]?.name === 'explain_key'
}

async function writeJson(sink: TextSink, result: QueryResult): Promise<void> {
  let separator = '['
  for await (const batch of result.batches) {
    const lines = batch.map((row) => {
      const text = separator + rowJson(result.columns, row)
      separator = ',\n'
      return text
    })
    await sink(lines.join(''))
  }
  await sink(separator === '[' ? '[]\n' : ']\n')
}

async function writeJsonLines(sink: TextSink, result: QueryResult): Promise<void> {
  for await (const batch of result.batches) {
    await sink(batch.map((row) => `${rowJson(result.columns, row)}\n`).join(''))
  }
}

async function writeCsv(sink: TextSink, result: QueryResult): Promise<void> {
  await sink(`${result.columns.map(({ name }) => csvText(name)).join(',')}\n`)
  for await (const batch of result.batches) {
    await sink(batch.map((row) => `${row.map(csvCell).join(',')}\n`).join(''))
  }
}

async function writeMarkdown(sink: TextSink, result: QueryResult): Promise<void> {
  const cellOf = (text: string): string => visibleText(text).replaceAll('|', '\\|')
  const names = result.columns.map(({ name }) => cellOf(name))
  const rows: string[][] = []
  for await (const batch of result.batches) {
    for (const row of batch) rows.push(row.map((value) => cellOf(plainText(value))))
  }
  const widths = names.map((name, column) =>
    rows.reduce((most, row) => Math.max(most, displayWidth(row[column] ?? '')), displayWidth(name)),
  )
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => pad(cell, widths[column] ?? 0, 'left')).join(' | ')} |\n`
  await sink(line(names))
  await sink(`|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|\n`)
  await sink(rows.map(line).join(''))
}

async function writeLine(sink: TextSink, result: QueryResult): Promise<void> {
  const names = result.columns.map(({ name }) => visibleText(name))
  const width = names.reduce((most, name) => Math.max(most, displayWidth(name)), 0)
  let isFirst = true
  for await (const batch of result.batches) {
    for (const row of batch) {
      const lines = row.map(
        (value, column) => `${pad(names[column] ?? '', width, 'right')} = ${cellText(value)}\n`,
      )
      await sink((isFirst ? '' : '\n') + lines.join(''))
      isFirst = false
    }
  }
}

function rowJson(columns: readonly ResultColumn[], row: ResultRow): string {
  return jsonMembers(columns.map(({ name }, index) => [name, row[index] ?? null]))
}

function cellText(value: SqlValue): string {
  return visibleText(plainText(value))
}

/** NULL is nothing between the commas, the empty string is "". */
function csvCell(value: SqlValue): string {
  return value === null ? '' : csvText(plainText(value))
}

/** A byte order mark is in quotes, because readers drop one that begins the file. */
function csvText(text: string): string {
  return text === '' || /[",\n\r]|^\uFEFF/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
