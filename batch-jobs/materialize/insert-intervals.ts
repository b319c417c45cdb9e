/**
 * `materialized: incremental` with event time: whole intervals are deleted and inserted again in one commit,
 * so that computing one twice has the same result as computing it once (docs/spec/batch-jobs.md, B3).
 * `remove-rows.ts` decides how rows are removed from files that also hold other rows.
 *
 * The model's query gets one or more adjacent intervals at a time as `{{ start }}` and `{{ end }}`. Rows
 * outside are filtered out, so a query without those words is slower, but its result is the same.
 */
import { type NestedField, formatIdentifier } from '../../catalog/format/index.ts'
import type { Table } from '../../catalog/index.ts'
import type { FileScanTask } from '../../catalog/scan/index.ts'
import { NotFoundError, ValidationError } from '../../common/index.ts'
import type { IntervalConfig } from '../settings/model-settings.ts'
import { quoteIdentifier, quoteLiteral, quoteTable } from '../../sql/index.ts'
import { doneAfter, dueSpans } from '../intervals/freshness.ts'
import { coarsen, covers, formatSpan, overlaps, type Span, sqlTime } from '../intervals/interval.ts'
import { stalenessOf, timedStates, timedTables, upstreamTables } from '../intervals/staleness.ts'
import { sameSource, sourceStateOf } from '../intervals/model-state.ts'
import { eventTimeField, timesOf } from '../intervals/source-changes.ts'
import { activeFiles, activeTasks, modelSql, type ModelRun } from './model-run.ts'
import { positionedRows, positionSql, removeRows } from './remove-rows.ts'
import type { ComputedRows, NothingToDo, RowChanges } from './strategy.ts'

/** Each span costs a query: with more spans than this, fresh intervals between due ones are computed too. */
const spansMax = 32

export async function insertIntervals(
  run: ModelRun,
  config: IntervalConfig,
): Promise<ComputedRows | NothingToDo> {
  const { model, stage, tools, pins, previous, rendering, flags, table: pinned } = run
  const timed = await timedTables(rendering.project, model, (each) => pins.load(each))
  const staleness = await stalenessOf(tools, timed, flags.fullRefresh ? undefined : previous)
  const requested = dueSpans({
    config,
    staleness,
    nowMs: run.startedMs,
    isAnyChanged: await isAnyChanged(run),
    fullRefresh: flags.fullRefresh,
    ...(flags.window === undefined ? {} : { window: flags.window }),
  })
  const due = coarsen(requested, spansMax)
  if (due.length === 0) return nothingDue(run)

  const rowsAffected = await loadSpans(run, config, due)
  const columns = await stage.columns('span_0')
  checkEventTime(model.file, config, columns)
  const isReplaced = flags.fullRefresh && flags.window === undefined
  return {
    status: 'computed',
    columns,
    isReplaced,
    changes: async () => {
      const { removal, selectKept } =
        isReplaced || pinned === undefined
          ? { removal: { removed: await activeFiles(run) }, selectKept: [] }
          : await keepOthers(run, pinned, config, due)
      const selects = due.map((_, index) => `SELECT * FROM span_${index}`)
      return {
        status: 'changed',
        select: [...selects, ...selectKept].join(' UNION ALL BY NAME '),
        removal,
        state: { done: doneAfter(config.batchSize, staleness, due, timedStates(timed)) },
        computed: due,
        message: `${rowsAffected} rows of ${due.map(formatSpan).join(', ')}${changedText(run)}`,
        rowsAffected,
      }
    },
  }
}

/** The condition for the event time to lie in the span, which may be open at its end. */
export function timeCondition(column: string, { startMs, endMs }: Span): string {
  const name = quoteIdentifier(column)
  const begins = `${name} >= ${quoteLiteral(sqlTime(startMs))}`
  return endMs === Number.POSITIVE_INFINITY
    ? begins
    : `${begins} AND ${name} < ${quoteLiteral(sqlTime(endMs))}`
}

/** Loads the rows of each span as a temporary table of its own; returns how many there are. */
async function loadSpans(
  run: ModelRun,
  { eventTime }: IntervalConfig,
  due: readonly Span[],
): Promise<number> {
  const { model, stage, table, flags } = run
  const isIncremental = table !== undefined && !flags.fullRefresh
  let rowsLoaded = 0
  for (const [index, span] of due.entries()) {
    const sql = modelSql(run, { isIncremental, span })
    const name = quoteIdentifier(eventTime)
    const inSpan = `${name} IS NULL OR (${timeCondition(eventTime, span)})`
    const loaded = await stage.load(
      `span_${index}`,
      `SELECT * FROM (${sql}\n) AS model_rows WHERE ${inSpan}`,
    )
    rowsLoaded += loaded.rowCount
    const nulls = await stage.rows(`SELECT count(*) FROM span_${index} WHERE ${name} IS NULL`)
    const count = Number(nulls[0]?.[0] ?? 0)
    if (count > 0) {
      throw new ValidationError(
        `${model.file}: rows without ${eventTime} belong to no interval: filter them out or give them a time`,
        { facts: { rows: count } },
      )
    }
  }
  return rowsLoaded
}

/**
 * Removes the rows of the due intervals and keeps the others. Files that hold no other rows are removed
 * whole, which is always the case in a table that is partitioned by the unit of the intervals.
 */
async function keepOthers(
  run: ModelRun,
  table: Table,
  { eventTime }: IntervalConfig,
  due: readonly Span[],
): Promise<Pick<RowChanges, 'removal'> & { readonly selectKept: readonly string[] }> {
  const { stage, model } = run
  const field = eventTimeField(table.metadata, eventTime)
  if (field === undefined) {
    throw new NotFoundError('the table of the model has no column for its event time', {
      facts: { table: formatIdentifier(model.table), column: eventTime },
    })
  }
  const whole: FileScanTask[] = []
  const partial = new Map<string, FileScanTask>()
  for (const task of await activeTasks(run)) {
    const times = timesOf(task.file, field)
    if (times === undefined) continue
    if (times !== 'unknown' && covers(due, times)) whole.push(task)
    else if (times === 'unknown' || overlaps(due, times)) partial.set(task.file.filePath, task)
  }
  const removed = whole.map(({ file }) => file)
  if (partial.size === 0) return { removal: { removed }, selectKept: [] }
  const own = formatIdentifier(model.table)
  const name = quoteIdentifier(eventTime)
  const isDue = due.map((span) => `(${timeCondition(eventTime, span)})`).join(' OR ')
  await stage.load(
    positionedRows,
    `SELECT "$path" AS path, ${positionSql(table)} AS pos, ${name} IS NOT NULL AND (${isDue}) AS is_removed FROM ${quoteTable(model.table)}`,
    { keepFile: (each, file) => each !== own || partial.has(file.filePath) },
  )
  const removal = await removeRows(run, [...partial.values()], 'delete')
  const all = { ...removal, removed: [...removed, ...removal.removed] }
  if (removal.rewritten.size === 0) return { removal: all, selectKept: [] }
  await stage.load(
    'kept',
    `SELECT * FROM ${quoteTable(model.table)} WHERE ${name} IS NULL OR NOT (${isDue})`,
    { keepFile: (each, file) => each !== own || removal.rewritten.has(file.filePath) },
  )
  return { removal: all, selectKept: ['SELECT * FROM kept'] }
}

function checkEventTime(
  file: string,
  { eventTime, batchSize }: IntervalConfig,
  columns: readonly NestedField[],
): void {
  const type = columns.find(({ name }) => name === eventTime)?.type.type
  if (type === 'date' && batchSize !== 'hour') return
  if (type === 'timestamp' || type === 'timestamptz') return
  throw new ValidationError(
    `${file}: event_time must name a ${batchSize === 'hour' ? 'timestamp' : 'date or timestamp'} column of the query`,
    { facts: { event_time: eventTime, type: type ?? 'no such column' } },
  )
}

/** True when any table that the model reads has another state than at the last run. */
async function isAnyChanged({ pins, previous, rendering, model }: ModelRun): Promise<boolean> {
  if (previous === undefined) return true
  for (const identifier of upstreamTables(rendering.project, model)) {
    const table = await pins.load(identifier)
    const state = table === undefined ? undefined : sourceStateOf(table.metadata)
    if (!sameSource(previous.sources.get(formatIdentifier(identifier)), state)) return true
  }
  return false
}

function nothingDue(run: ModelRun): NothingToDo {
  const message = run.isRetry
    ? 'another run has done what was due'
    : 'every interval is done and nothing it was computed from has changed'
  return { status: 'skipped', message: message + changedText(run) }
}

function changedText({ previous, model, flags }: ModelRun): string {
  if (previous === undefined || flags.fullRefresh || previous.checksum === model.checksum) return ''
  return '; the model has changed since earlier intervals were computed (--full-refresh computes all)'
}
