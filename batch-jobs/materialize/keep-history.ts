/**
 * `snapshot`: SCD Type 2. The whole history of the source's keys, one row per version. What changed is
 * taken out of the files that hold it, and files without a change stay as they are (`remove-rows.ts`).
 */
import { currentSchema, defaultPartitionSpec } from '../../catalog/format/index.ts'
import { CorruptDataError, ValidationError } from '../../common/index.ts'
import type { SnapshotConfig } from '../settings/model-settings.ts'
import { plainText, quoteIdentifier, quoteTable } from '../../sql/index.ts'
import { sameSources } from '../intervals/model-state.ts'
import { checkBasis, checkStoredKeys } from './check-basis.ts'
import { commitRun } from './commit-run.ts'
import { historyColumns } from './history-columns.ts'
import { faultyKeysSql, type HistoryPlan, historyStatements, historyTables } from './history-sql.ts'
import {
  type Attempt,
  activeFiles,
  activeTasks,
  type Outcome,
  sourcesOf,
  stateOf,
} from './materialize.ts'
import { placedRows, placeSql, removeRows, rewrittenFiles, type RowRemoval } from './remove-rows.ts'
import { renderTemplate } from './render-model.ts'
import { openTarget } from './target-table.ts'

export async function keepHistory(attempt: Attempt, config: SnapshotConfig): Promise<Outcome> {
  const { model, stage, rendering, table: pinned, previous, flags } = attempt
  if (flags.fullRefresh && pinned !== undefined && !flags.discardHistory) {
    throw new ValidationError(
      `${model.file}: a full refresh would throw the history away for good: add --discard-history, or leave snapshots out with --exclude resource_type:snapshot`,
    )
  }
  const words = { table: model.table, isIncremental: pinned !== undefined, span: undefined }
  const sql = renderTemplate(rendering, model.template, words)
  await stage.load(historyTables.source, sql)
  const sources = await sourcesOf(attempt)
  const isSame = previous !== undefined && sameSources(previous.sources, sources)
  if (isSame && previous.checksum === model.checksum && !flags.fullRefresh) {
    return unchanged(attempt, 'the source is as it was at the last run')
  }
  const hasHistory = pinned?.metadata.currentSnapshotId !== undefined && !flags.fullRefresh
  if (hasHistory) {
    checkBasis(model, config, previous?.history)
    // Hidden columns are part of `*` in a query that names them.
    const history = `SELECT * FROM ${quoteTable(model.table)} WHERE "$path" IS NOT NULL AND ${placeSql(pinned)} >= 0`
    await stage.load(historyTables.stored, history)
  }
  const stored = hasHistory ? await stage.columns(historyTables.stored) : []
  const source = await stage.columns(historyTables.source)
  const columns = historyColumns(model.file, config, source, stored)
  const plan = { config, columns, hasHistory, observedMs: attempt.startedMs }
  await checkKeys(attempt, plan)
  if (hasHistory) await checkStoredKeys(stage, model, plan)
  for (const statement of historyStatements(plan)) await stage.run(statement)
  await checkHistory(attempt, plan)
  return write(attempt, plan, sources)
}

async function write(
  attempt: Attempt,
  plan: HistoryPlan,
  sources: Awaited<ReturnType<typeof sourcesOf>>,
): Promise<Outcome> {
  const { model, stage, tools, table: pinned, previous, flags, directory } = attempt
  const { config } = model
  const columns = await stage.columns(historyTables.next)
  const options = { config, isReplaced: flags.fullRefresh }
  const target = await openTarget(tools, model.table, columns, options)
  const { removal, select, changedCount, isSame } = await changes(attempt, plan)
  if (isSame && previous !== undefined && !target.isSchemaChanged) {
    return unchanged(attempt, 'no row has changed')
  }
  const added = await stage.write({
    select,
    schema: currentSchema(target.table.metadata),
    spec: defaultPartitionSpec(target.table.metadata),
    directory,
    properties: target.table.metadata.properties,
  })
  const committed = await commitRun(tools, {
    target,
    baseSnapshotId: pinned?.metadata.currentSnapshotId,
    previousRunId: previous?.runId,
    state: {
      ...stateOf(attempt, sources, []),
      history: { uniqueKey: plan.config.uniqueKey, strategy: plan.config.strategy },
    },
    ...removal,
    added,
    computed: [],
  })
  return {
    status: 'success',
    message: `${changedCount} rows of history are new or changed`,
    rowsAffected: changedCount,
    computed: [],
    snapshotId: committed.metadata.currentSnapshotId,
  }
}

interface HistoryChanges {
  readonly removal: Pick<RowRemoval, 'removed'> & Partial<RowRemoval>
  readonly select: string
  readonly changedCount: number
  readonly isSame: boolean
}

async function changes(attempt: Attempt, plan: HistoryPlan): Promise<HistoryChanges> {
  const { stage } = attempt
  const { next, history } = historyTables
  if (!plan.hasHistory) {
    const rows = await stage.rows(`SELECT count(*) FROM ${next}`)
    const removal = { removed: await activeFiles(attempt) }
    const changedCount = Number(rows[0]?.[0])
    return { removal, select: `SELECT * FROM ${next}`, changedCount, isSame: false }
  }
  const same = sameRow(plan)
  const changed = await stage.rows(
    `SELECT count(*) FROM ${next} n WHERE NOT EXISTS (SELECT 1 FROM ${history} h WHERE ${same})`,
  )
  await stage.run(`CREATE OR REPLACE TEMP TABLE ${placedRows} AS
    SELECT h."$path" AS path, ${placeSql(attempt.table)} AS pos, n.${quoteIdentifier(plan.columns.scdId)} IS NULL AS is_gone
    FROM ${history} h LEFT JOIN ${next} n ON ${same}`)
  const removal = await removeRows(attempt, await activeTasks(attempt), 'update')
  const changedCount = Number(changed[0]?.[0])
  return {
    removal,
    select: `SELECT n.* FROM ${next} n WHERE NOT EXISTS (SELECT 1 FROM ${history} h
      WHERE ${same} AND h."$path" NOT IN (SELECT path FROM ${rewrittenFiles}))`,
    changedCount,
    isSame: changedCount === 0 && removal.removed.length === 0 && removal.deletes.length === 0,
  }
}

/** The stored row `h` is the wanted row `n`, attribute by attribute. */
function sameRow({ columns }: HistoryPlan): string {
  const { scdId, updatedAt, validTo, attributes, sharesUpdatedAt } = columns
  const compared = [validTo, ...(sharesUpdatedAt ? [] : [updatedAt]), ...attributes]
  const same = compared.map(
    (name) => `h.${quoteIdentifier(name)} IS NOT DISTINCT FROM n.${quoteIdentifier(name)}`,
  )
  return [`h.${quoteIdentifier(scdId)} = n.${quoteIdentifier(scdId)}`, ...same].join(' AND ')
}

async function checkKeys({ stage, model }: Attempt, plan: HistoryPlan): Promise<void> {
  const { nulls, repeated } = faultyKeysSql(plan)
  const [row] = await stage.rows(nulls)
  if (Number(row?.[0] ?? 0) > 0) {
    throw new ValidationError(
      `${model.file}: unique_key and updated_at must not be null: rows=${String(row?.[0])} such as ${plainText(row?.[1] ?? null)}`,
    )
  }
  const found = await stage.rows(repeated)
  if (found.length === 0) return
  const examples = found.map(
    ([, key, count]) => `${plainText(key ?? null)} (${String(count)} rows)`,
  )
  const what =
    plan.config.strategy === 'timestamp'
      ? 'has several versions of one moment'
      : 'is not unique in the source'
  throw new ValidationError(
    `${model.file}: unique_key ${what}: keys=${String(found[0]?.[0])} such as ${examples.join(', ')}`,
  )
}

/** What must hold whatever the source did; a history that breaks it is never written (B9). */
async function checkHistory({ stage, model }: Attempt, plan: HistoryPlan): Promise<void> {
  for (const [what, sql] of Object.entries(historyFaults(plan, historyTables.next))) {
    const [row] = await stage.rows(`SELECT count(*) FROM (${sql})`)
    if (Number(row?.[0]) === 0) continue
    throw new CorruptDataError(`${model.file}: the new history ${what}; nothing was written`, {
      facts: { rows: String(row?.[0]) },
    })
  }
}

/** Queries for rows that no history may have, over any relation of its columns. */
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

function unchanged(attempt: Attempt, message: string): Outcome {
  const snapshotId = attempt.table?.metadata.currentSnapshotId
  return { status: 'skipped', message, rowsAffected: 0, computed: [], snapshotId }
}
