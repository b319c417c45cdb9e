/** What a shell remembers between statements, and running one of them. */
import type { StreamingState } from '../../catalog/scan/index.ts'
import { formatNamespace, type Namespace } from '../../catalog/format/index.ts'
import { errorMessage } from '../../common/index.ts'
import type { QueryEngine } from '../engine/query-engine.ts'
import type { QuerySummary } from '../session/query-result.ts'
import { visibleText } from './display-text.ts'
import { writeResult, type OutputMode, type TextSink } from './result-writer.ts'

export interface SessionOptions {
  readonly engine: QueryEngine
  /** Takes results. */
  readonly output: TextSink
  /** Takes errors, timings and prompts. */
  readonly messages: TextSink
  readonly mode: OutputMode
  /** Columns of the terminal at this moment; undefined: not a terminal. */
  readonly width?: () => number | undefined
  readonly rowsMax?: number
  readonly timer?: boolean
  readonly bail?: boolean
  readonly defaultNamespace?: Namespace
  /** Ends the script: cancels the statement that runs, and no other follows. */
  readonly signal?: AbortSignal
}

export interface Session {
  readonly engine: QueryEngine
  output: TextSink
  readonly standardOutput: TextSink
  readonly messages: TextSink
  mode: OutputMode
  rowsMax: number
  timer: boolean
  bail: boolean
  defaultNamespace: Namespace | undefined
  readonly width: () => number | undefined
  /** Statements and commands that failed. */
  failures: number
  /** Set by `.quit`, and by a failure under `-bail`. */
  ended: boolean
  readonly signal: AbortSignal | undefined
}

export function createSession(options: SessionOptions): Session {
  return {
    engine: options.engine,
    output: options.output,
    standardOutput: options.output,
    messages: options.messages,
    mode: options.mode,
    rowsMax: options.rowsMax ?? 40,
    timer: options.timer ?? false,
    bail: options.bail ?? false,
    defaultNamespace: options.defaultNamespace,
    width: options.width ?? (() => undefined),
    failures: 0,
    ended: false,
    signal: options.signal,
  }
}

/** True when no statement is to follow. */
export function isOver({ ended, signal }: Session): boolean {
  return ended || signal?.aborted === true
}

/** Runs one statement and writes its result; what goes wrong is a message and a count. */
export async function runStatement(
  session: Session,
  sql: string,
  signal?: AbortSignal,
): Promise<void> {
  const signals = [session.signal, signal].filter((each) => each !== undefined)
  try {
    const result = await session.engine.query(sql, {
      ...(session.defaultNamespace === undefined
        ? {}
        : { defaultNamespace: session.defaultNamespace }),
      ...(signals.length === 0 ? {} : { signal: AbortSignal.any(signals) }),
    })
    if (result.usedNamespace !== undefined) {
      session.defaultNamespace = result.usedNamespace
      return
    }
    await writeResult(session.output, result, {
      mode: session.mode,
      rowsMax: session.rowsMax,
      widthMax: session.width(),
    })
    for (const note of result.notes ?? []) await session.messages(`${visibleText(note)}\n`)
    const summary = result.summary()
    if (session.mode === 'table') await session.output(footer(summary))
    if (session.timer) await session.messages(timing(summary))
  } catch (error) {
    await reportFailure(session, error)
  }
}

export async function reportFailure(session: Session, error: unknown): Promise<void> {
  // The failure is the end that was asked for.
  if (session.signal?.aborted === true) return
  session.failures++
  if (session.bail) session.ended = true
  // Lines are ours (position marks), anything else in the message may be the table's.
  const lines = errorMessage(error).split('\n').map(visibleText)
  await session.messages(`error: ${lines.join('\n')}\n`)
}

/** `3 rows · web.events@812 2 of 14 files 3.1 MB · 0.045 s`, and how far the live rows go. */
export function footer(summary: QuerySummary): string {
  const tables = summary.tables.map(
    ({ name, snapshotId, filesRead, filesTotal, bytesRead, live }) =>
      `${visibleText(name)}@${snapshotId ?? 'empty'} ${filesRead} of ${filesTotal} files ${sizeText(bytesRead)}` +
      (live === undefined ? '' : liveText(live)),
  )
  const parts = [
    `${summary.rowCount} ${summary.rowCount === 1 ? 'row' : 'rows'}`,
    ...tables,
    `${(summary.totalMs / 1000).toFixed(3)} s`,
  ]
  return `${parts.join(' · ')}\n`
}

/** ` and live to orders/0@812, 0.3 s old`: the offsets are the first ones that the answer does not include. */
function liveText({ gaps = [], newestRowAgeMs, offsets = {} }: StreamingState): string {
  const places = Object.entries(offsets).map(([name, offset]) => `${visibleText(name)}@${offset}`)
  const age = newestRowAgeMs === undefined ? [] : [`${(newestRowAgeMs / 1000).toFixed(1)} s old`]
  const ends = gaps.map((name) => `gap after it in ${visibleText(name)}`)
  const parts = [places.join(' '), ...age, ...ends].filter((part) => part !== '')
  return ` and live to ${parts.join(', ')}`
}

export function promptOf(session: Session): string {
  const namespace = session.defaultNamespace
  return namespace === undefined ? 'tide> ' : `tide ${formatNamespace(namespace)}> `
}

function timing(summary: QuerySummary): string {
  const seconds = (ms: number): string => (ms / 1000).toFixed(3)
  const fetched =
    summary.bytesFetched > 0 ? `, fetched ${sizeText(BigInt(summary.bytesFetched))}` : ''
  return `run time: ${seconds(summary.totalMs)} s, of it planning ${seconds(summary.planningMs)} s${fetched}\n`
}

function sizeText(bytes: bigint): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = Number(bytes)
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] ?? ''}`
}
