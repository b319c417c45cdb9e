/** Results in the formats that `POST /query` knows, by the names that ClickHouse gives them. */
import { type JsonObject, stringifyJson } from '../common/index.ts'
import {
  type QueryResult,
  type ResultRow,
  type SqlValue,
  type TextSink,
  jsonText,
  layersJson,
  summaryJson,
  wireValue,
  writeArrowStream,
  writeResult,
} from '../sql/index.ts'
import { writeTabSeparated } from './tab-separated.ts'

export interface FormatOptions {
  readonly queryId: string
  /** 64-bit integers as text, for readers whose numbers are doubles. */
  readonly quote64: boolean
}

/** Where an answer goes; awaits the receiver. */
export type AnswerSink = (part: string | Uint8Array) => Promise<void>

export interface QueryFormat {
  readonly contentType: string
  readonly write: (sink: AnswerSink, result: QueryResult, options: FormatOptions) => Promise<void>
  /** The last line when the query fails after rows have been sent; undefined: the answer breaks off without one. */
  readonly failure?: (message: string) => string
}

const exceptionLine = (message: string): string => `${JSON.stringify({ exception: message })}\n`

export const queryFormats: Readonly<Record<string, QueryFormat>> = {
  JSON: { contentType: 'application/json; charset=utf-8', write: writeJson },
  JSONEachRow: {
    contentType: 'application/x-ndjson; charset=utf-8',
    write: writeEachRow,
    failure: exceptionLine,
  },
  CSVWithNames: {
    contentType: 'text/csv; charset=utf-8; header=present',
    write: (sink, result) => writeResult(sink, result, { mode: 'csv', ...unbounded }),
  },
  TabSeparated: tabSeparated(false),
  TabSeparatedWithNames: tabSeparated(true),
  TSV: tabSeparated(false),
  TSVWithNames: tabSeparated(true),
  ArrowStream: {
    contentType: 'application/vnd.apache.arrow.stream',
    write: (sink, result) => writeArrowStream(sink, result),
  },
  Markdown: {
    contentType: 'text/markdown; charset=utf-8',
    write: (sink, result) => writeResult(sink, result, { mode: 'markdown', ...unbounded }),
  },
  /** Keeps every value exactly; `tide sql --server` reads this format. */
  TidewaterRows: {
    contentType: 'application/x-ndjson; charset=utf-8',
    write: writeWireRows,
    failure: exceptionLine,
  },
}

const unbounded = { rowsMax: Number.MAX_SAFE_INTEGER, widthMax: undefined }

const formatsByType: Readonly<Record<string, string>> = {
  'application/json': 'JSON',
  'application/x-ndjson': 'JSONEachRow',
  'application/vnd.apache.arrow.stream': 'ArrowStream',
  'text/csv': 'CSVWithNames',
  'text/tab-separated-values': 'TSVWithNames',
  'text/markdown': 'Markdown',
}

/** The first type of an Accept header that is a format of ours. */
export function acceptedFormat(accept: string | undefined): string | undefined {
  const types = (accept ?? '').split(',').map((type) => (type.split(';')[0] ?? '').trim())
  return types.map((type) => formatsByType[type.toLowerCase()]).find((name) => name !== undefined)
}

function tabSeparated(withNames: boolean): QueryFormat {
  const header = withNames ? 'present' : 'absent'
  return {
    contentType: `text/tab-separated-values; charset=utf-8; header=${header}`,
    write: (sink, result) => writeTabSeparated(sink, result, withNames),
  }
}

async function writeJson(
  sink: TextSink,
  result: QueryResult,
  options: FormatOptions,
): Promise<void> {
  const meta = result.columns.map(({ name, type }) => ({ name, type }))
  await sink(`{"meta":${JSON.stringify(meta)},"data":[`)
  let separator = '\n'
  for await (const batch of result.batches) {
    const rows = batch.map((row) => {
      const text = separator + rowText(result, row, options)
      separator = ',\n'
      return text
    })
    await sink(rows.join(''))
  }
  const summary = result.summary()
  const tail: JsonObject = {
    rows: summary.rowCount,
    statistics: {
      elapsed: summary.totalMs / 1000,
      bytes_read: Number(summary.tables.reduce((sum, { bytesRead }) => sum + bytesRead, 0n)),
    },
    layers: layersJson(summary.tables),
    query_id: options.queryId,
  }
  await sink(`\n],${stringifyJson(tail).slice(1)}\n`)
}

async function writeEachRow(
  sink: TextSink,
  result: QueryResult,
  options: FormatOptions,
): Promise<void> {
  for await (const batch of result.batches) {
    await sink(batch.map((row) => `${rowText(result, row, options)}\n`).join(''))
  }
}

async function writeWireRows(
  sink: TextSink,
  result: QueryResult,
  { queryId }: FormatOptions,
): Promise<void> {
  const columns = result.columns.map(({ name, type }) => ({ name, type }))
  await sink(`${stringifyJson({ columns, queryId })}\n`)
  for await (const batch of result.batches) {
    // Wire values hold no JSON numbers, so JSON.stringify writes them without loss.
    const lines = batch.map((row) => `${JSON.stringify(row.map(wireValue))}\n`)
    await sink(lines.join(''))
  }
  const summary = summaryJson(result.summary(), result.usedNamespace)
  await sink(`${stringifyJson({ summary })}\n`)
}

function rowText(result: QueryResult, row: ResultRow, { quote64 }: FormatOptions): string {
  const members = result.columns.map(({ name }, index) => {
    const value = row[index] ?? null
    return `${JSON.stringify(name)}:${jsonText(quote64 ? quoted(value) : value)}`
  })
  return `{${members.join(',')}}`
}

function quoted(value: SqlValue): SqlValue {
  if (typeof value === 'bigint') return String(value)
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return value
  if (value.kind === 'list') return { kind: 'list', items: value.items.map(quoted) }
  if (value.kind === 'struct') {
    return { kind: 'struct', entries: value.entries.map(([name, item]) => [name, quoted(item)]) }
  }
  if (value.kind !== 'map') return value
  return { kind: 'map', entries: value.entries.map(([key, item]) => [key, quoted(item)]) }
}
