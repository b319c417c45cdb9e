/**
 * `snapshot`: SCD Type 2, the whole history of the source's keys with one row per version. Changed rows are
 * removed from the files that hold them, and files without a change stay as they are (`remove-rows.ts`).
 */
import { CorruptDataError, ValidationError } from '../../common/index.ts'
import type { SnapshotModelConfig } from '../settings/model-settings.ts'
import { plainText, quoteIdentifier, quoteTable } from '../../sql/index.ts'
import { sameSources } from '../intervals/model-state.ts'
import { checkBasis, checkStoredKeys } from './check-basis.ts'
import { historyColumns } from './history-columns.ts'
import { faultyKeysSql, type HistoryPlan, historyStatements, historyTables } from './history-sql.ts'
import { activeFiles, activeTasks, modelSql, type ModelRun, sourcesOf } from './model-run.ts'
import { positionedRows, positionSql, removeRows, rewrittenFiles } from './remove-rows.ts'
import type { ComputedRows, NothingToDo, RowChanges } from './strategy.ts'
import type { TargetTable } from './target-table.ts'

export async function keepHistory(
  run: ModelRun,
  config: SnapshotModelConfig,
): Promise<ComputedRows | NothingToDo> {
  const { model, stage, table: pinned, previous, flags } = run
  if (flags.fullRefresh && pinned !== undefined && !flags.discardHistory) {
    throw new ValidationError(
      `${model.file}: a full refresh would throw the history away for good: add --discard-history, or leave snapshots out with --exclude resource_type:snapshot`,
    )
  }
  const sql = modelSql(run, { isIncremental: pinned !== undefined })
  await stage.load(historyTables.source, sql)
  const isSame = previous !== undefined && sameSources(previous.sources, await sourcesOf(run))
  if (isSame && previous.checksum === model.checksum && !flags.fullRefresh) {
    return { status: 'skipped', message: 'the source is as it was at the last run' }
  }
  const hasHistory = pinned?.metadata.currentSnapshotId !== undefined && !flags.fullRefresh
  if (hasHistory) {
    checkBasis(model, config, previous?.history)
    // The query names the hidden columns so that `*` includes them.
    const history = `SELECT * FROM ${quoteTable(model.table)} WHERE "$path" IS NOT NULL AND ${positionSql(pinned)} >= 0`
    await stage.load(historyTables.stored, history)
  }
  const stored = hasHistory ? await stage.columns(historyTables.stored) : []
  const source = await stage.columns(historyTables.source)
  const columns = historyColumns(model.file, config, source, stored)
  const plan = { config, columns, hasHistory, observedMs: run.startedMs }
  await checkKeys(run, plan)
  if (hasHistory) await checkStoredKeys(stage, model, plan)
  for (const statement of historyStatements(plan)) await stage.run(statement)
  await checkHistory(run, plan)
  return {
    status: 'computed',
    columns: await stage.columns(historyTables.next),
    isReplaced: flags.fullRefresh,
    changes: (target) => changes(run, plan, target),
  }
}

async function changes(
  run: ModelRun,
  plan: HistoryPlan,
  target: TargetTable,
): Promise<RowChanges | NothingToDo> {
  const { select, removal, rowsAffected } = plan.hasHistory
    ? await changedRows(run, plan)
    : await allRows(run)
  const { removed, deletes = [] } = removal
  const isSame = plan.hasHistory && rowsAffected === 0 && removed.length + deletes.length === 0
  if (isSame && run.previous !== undefined && !target.isSchemaChanged) {
    return { status: 'skipped', message: 'no row has changed' }
  }
  const { uniqueKey, strategy } = plan.config
  return {
    status: 'changed',
    select,
    removal,
    state: { history: { uniqueKey, strategy } },
    computed: [],
    message: `${rowsAffected} rows of history are new or changed`,
    rowsAffected,
  }
}

type ChangedRows = Pick<RowChanges, 'select' | 'removal' | 'rowsAffected'>

async function allRows(run: ModelRun): Promise<ChangedRows> {
  const { next } = historyTables
  const rows = await run.stage.rows(`SELECT count(*) FROM ${next}`)
  const removal = { removed: await activeFiles(run) }
  return { select: `SELECT * FROM ${next}`, removal, rowsAffected: Number(rows[0]?.[0]) }
}

async function changedRows(run: ModelRun, plan: HistoryPlan): Promise<ChangedRows> {
  const { stage } = run
  const { next, history } = historyTables
  const same = sameRow(plan)
  const changed = await stage.rows(
    `SELECT count(*) FROM ${next} n WHERE NOT EXISTS (SELECT 1 FROM ${history} h WHERE ${same})`,
  )
  await stage.run(`CREATE OR REPLACE TEMP TABLE ${positionedRows} AS
    SELECT h."$path" AS path, ${positionSql(run.table)} AS pos, n.${quoteIdentifier(plan.columns.scdId)} IS NULL AS is_removed
    FROM ${history} h LEFT JOIN ${next} n ON ${same}`)
  return {
    removal: await removeRows(run, await activeTasks(run), 'update'),
    select: `SELECT n.* FROM ${next} n WHERE NOT EXISTS (SELECT 1 FROM ${history} h
      WHERE ${same} AND h."$path" NOT IN (SELECT path FROM ${rewrittenFiles}))`,
    rowsAffected: Number(changed[0]?.[0]),
  }
}

/** The condition that the stored row `h` equals the new row `n`, attribute by attribute. */
function sameRow({ columns }: HistoryPlan): string {
  const { scdId, updatedAt, validTo, attributes, sharesUpdatedAt } = columns
  const compared = [validTo, ...(sharesUpdatedAt ? [] : [updatedAt]), ...attributes]
  const same = compared.map(
    (name) => `h.${quoteIdentifier(name)} IS NOT DISTINCT FROM n.${quoteIdentifier(name)}`,
  )
  return [`h.${quoteIdentifier(scdId)} = n.${quoteIdentifier(scdId)}`, ...same].join(' AND ')
}

async function checkKeys({ stage, model }: ModelRun, plan: HistoryPlan): Promise<void> {
  const { nulls, repeated } = faultyKeysSql(plan)
  const [row] = await stage.rows(nulls)
  if (Number(row?.[0] ?? 0) > 0) {
    throw new ValidationError(
      `${model.file}: unique_key and updated_at must not be null: rows=${String(row?.[0])} such as ${plainText(row?.[1] ?? null)}`,
    )
  }
  const repeats = await stage.rows(repeated)
  if (repeats.length === 0) return
  const examples = repeats.map(
    ([, key, count]) => `${plainText(key ?? null)} (${String(count)} rows)`,
  )
  const what =
    plan.config.strategy === 'timestamp'
      ? 'has several versions of one moment'
      : 'is not unique in the source'
  throw new ValidationError(
    `${model.file}: unique_key ${what}: keys=${String(repeats[0]?.[0])} such as ${examples.join(', ')}`,
  )
}

/** Invariants of every history; one that breaks them is never written (B9). */
async function checkHistory({ stage, model }: ModelRun, plan: HistoryPlan): Promise<void> {
  for (const [what, sql] of Object.entries(historyFaults(plan, historyTables.next))) {
    const [row] = await stage.rows(`SELECT count(*) FROM (${sql})`)
    if (Number(row?.[0]) === 0) continue
    throw new CorruptDataError(`${model.file}: the new history ${what}; nothing was written`, {
      facts: { rows: String(row?.[0]) },
    })
  }
}

/** Queries for rows that no history may have, over any relation with its columns. */
export function historyFaults(
  { config, columns }: Pick<HistoryPlan, 'config' | 'columns'>,
  relation: string,
): Readonly<Record<string, string>> {
  const key = config.uniqueKey.map(quoteIdentifier).join(', ')
  const [from, to] = [quoteIdentifier(columns.validFrom), quoteIdentifier(columns.validTo)]
  return {
    'has keys with several current rows': `SELECT ${key} FROM ${relation} WHERE ${to} IS NULL GROUP BY ${key} HAVING count(*) > 1`,
    'has rows that end before they begin': `SELECT ${key} FROM ${relation} WHERE ${to} <= ${from}`,
    'has overlapping rows': `SELECT * FROM (SELECT ${to} AS ends, lead(${from}) OVER (PARTITION BY ${key} ORDER BY ${from}) AS next_begins FROM ${relation}) WHERE next_begins IS NOT NULL AND (ends IS NULL OR ends > next_begins)`,
  }
}
