/** Results on stdout, in the format that `-o` asks for: people read a table, programs the rest. */
import { type Json, didYouMean, stringifyJson } from '../../common/index.ts'
import { UsageError } from './failure.ts'

export const outputFormats = ['table', 'wide', 'json', 'jsonl', 'csv', 'markdown'] as const
export type OutputFormat = (typeof outputFormats)[number]

export interface Column {
  readonly key: string
  /** Default: the key in capitals. */
  readonly title?: string
  /** Default: a column of numbers to the right, any other to the left. */
  readonly align?: 'right'
}

export type Row = Readonly<Record<string, Json>>

/** Rows of one kind. */
export interface Report {
  /** A column that has nothing special is named by its key. */
  readonly columns: readonly (string | Column)[]
  /** Columns that `-o wide` and every format for programs show, and `table` does not. */
  readonly wide?: readonly string[]
  readonly rows: readonly Row[]
  /** What a person reads instead of an empty table. */
  readonly empty?: string
}

/** `text` is PyIceberg's word for the table. */
export function parseOutputFormat(word: string): OutputFormat {
  const name = word === 'text' ? 'table' : word === 'md' ? 'markdown' : word
  const format = outputFormats.find((candidate) => candidate === name)
  if (format !== undefined) return format
  throw new UsageError(
    `unknown output format "${word}"${didYouMean(word, outputFormats)} (${outputFormats.join(', ')})`,
  )
}

export async function formatReport(
  { columns: declared, wide = [], rows, empty }: Report,
  format: OutputFormat,
): Promise<string> {
  const columns = declared.map((column) => (typeof column === 'string' ? { key: column } : column))
  const objects = (): readonly Row[] => rows.map((row) => picked(row, columns))
  if (format === 'json') return `${stringifyJson(objects(), 2)}\n`
  if (format === 'jsonl')
    return objects()
      .map((row) => `${stringifyJson(row)}\n`)
      .join('')
  if (format === 'csv') return formatCsv(columns, rows)
  if (format === 'markdown') return formatMarkdown(columns, rows)
  if (rows.length === 0 && empty !== undefined) return `${empty}\n`
  const shown = columns.filter(({ key }) => format === 'wide' || !wide.includes(key))
  return formatTable(shown, rows)
}

/** One thing with named facts: a two-column table for people, one object for programs. */
export async function formatRecord(record: Row, format: OutputFormat): Promise<string> {
  if (format === 'json') return `${stringifyJson(record, 2)}\n`
  if (format === 'jsonl') return `${stringifyJson(record)}\n`
  const rows = Object.entries(record).map(([key, value]) => ({ key, value: cellText(value) }))
  return formatReport({ columns: ['key', 'value'], rows }, format)
}

function picked(row: Row, columns: readonly Column[]): Row {
  return Object.fromEntries(columns.map(({ key }) => [key, row[key] ?? null]))
}

async function formatTable(columns: readonly Column[], rows: readonly Row[]): Promise<string> {
  const { default: Table } = await import('cli-table3')
  const table = new Table({
    head: columns.map(titleOf),
    colAligns: columns.map((column) => alignOf(column, rows)),
    chars: noBorders,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
  })
  for (const row of rows) table.push(columns.map(({ key }) => cellText(row[key])))
  return `${table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')}\n`
}

const noBorders = Object.fromEntries(
  ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right']
    .concat(['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid', 'middle'])
    .map((part) => [part, '']),
)

function formatCsv(columns: readonly Column[], rows: readonly Row[]): string {
  const lines = [
    columns.map(({ key }) => key),
    ...rows.map((row) => columns.map(({ key }) => rawText(row[key], ''))),
  ]
  return lines.map((cells) => `${cells.map(csvCell).join(',')}\n`).join('')
}

function csvCell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function formatMarkdown(columns: readonly Column[], rows: readonly Row[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |\n`
  return [
    line(columns.map(({ key }) => key)),
    line(columns.map((column) => (alignOf(column, rows) === 'right' ? '---:' : '---'))),
    ...rows.map((row) => line(columns.map(({ key }) => cellText(row[key])))),
  ].join('')
}

function alignOf({ key, align }: Column, rows: readonly Row[]): 'left' | 'right' {
  if (align !== undefined) return align
  const values = rows.map((row) => row[key] ?? null).filter((value) => value !== null)
  const areNumbers = values.every((value) => ['number', 'bigint'].includes(typeof value))
  return values.length > 0 && areNumbers ? 'right' : 'left'
}

function titleOf(column: Column): string {
  return column.title ?? column.key.toUpperCase().replaceAll('_', '-')
}

function rawText(value: Json | undefined, empty: string): string {
  if (value === null || value === undefined) return empty
  return typeof value === 'string' ? value : stringifyJson(value)
}

/** A terminal must not obey what a topic or a table name holds. */
function cellText(value: Json | undefined): string {
  return rawText(value, '-').replaceAll(
    controlCharacters,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}

// oxlint-disable-next-line no-control-regex -- these very characters are hidden
const controlCharacters = /[\u0000-\u0009\u000B-\u001F\u007F-\u009F]/g
