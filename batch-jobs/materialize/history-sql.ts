/**
 * SCD Type 2 as SQL over temporary tables: from the history so far and the source's rows to the new history
 * (docs/spec/batch-jobs.md, B6 to B9; docs/adr/0009).
 *
 * A key's history is a list of events in time: the key got a new version, or it was deleted. All stored rows
 * are derived from the events in the order of their times (each version ends where the next event begins),
 * so the order in which events arrive makes no difference.
 */
import type { SnapshotModelConfig } from '../settings/model-settings.ts'
import { sqlTime } from '../intervals/interval.ts'
import { quoteIdentifier } from '../../sql/index.ts'
import type { HistoryColumns } from './history-columns.ts'

export interface HistoryPlan {
  readonly config: SnapshotModelConfig
  readonly columns: HistoryColumns
  readonly hasHistory: boolean
  /** When the source was read. */
  readonly observedMs: number
}

/** Temporary tables: `source_rows`, `stored_rows` (with `"$path"` and `"$pos"`) in; `next_rows` out. */
export const historyTables = {
  source: 'source_rows',
  stored: 'stored_rows',
  /** The stored rows with the columns of the source that they lack. */
  history: 'history_rows',
  next: 'next_rows',
}

/** Queries for keys that are null and for keys of several rows, each with a few examples. */
export function faultyKeysSql({ config, columns }: HistoryPlan): {
  readonly nulls: string
  readonly repeated: string
} {
  const required = [
    ...config.uniqueKey,
    ...(config.updatedAt === undefined ? [] : [config.updatedAt]),
  ]
  const isNull = required.map((name) => `${quoteIdentifier(name)} IS NULL`).join(' OR ')
  const key = jsonOf(config.uniqueKey)
  const perMoment = config.updatedAt === undefined ? '' : `, ${quoteIdentifier(config.updatedAt)}`
  // Two equal rows are one version; two different rows of one moment contradict each other.
  const rows =
    config.strategy === 'timestamp'
      ? `(SELECT DISTINCT ${columns.given.map(quoteIdentifier).join(', ')} FROM ${historyTables.source})`
      : historyTables.source
  return {
    nulls: `SELECT count(*), any_value(${key}) FROM ${historyTables.source} WHERE ${isNull}`,
    repeated: `SELECT count(*) OVER (), k, n FROM (
      SELECT ${key} AS k, count(*) AS n FROM ${rows} GROUP BY ${config.uniqueKey.map(quoteIdentifier).join(', ')}${perMoment}
      HAVING count(*) > 1) ORDER BY k LIMIT 5`,
  }
}

/** Keys that have several rows of one moment in the stored history. */
export function storedRepeatsSql({ config, columns }: HistoryPlan): string {
  return `SELECT count(*) OVER (), k, n FROM (
    SELECT ${jsonOf(config.uniqueKey)} AS k, count(*) AS n FROM ${historyTables.stored}
    GROUP BY ${config.uniqueKey.map(quoteIdentifier).join(', ')}, ${quoteIdentifier(columns.validFrom)}
    HAVING count(*) > 1) ORDER BY k LIMIT 5`
}

/** The statements that fill `next_rows`. */
export function historyStatements(plan: HistoryPlan): readonly string[] {
  return [
    ...widenedSql(plan),
    eventsSql(plan),
    latestSql,
    newVersionsSql(plan),
    ...deletionsSql(plan),
    nextSql(plan),
  ]
}

function widenedSql({ hasHistory }: HistoryPlan): readonly string[] {
  const { history, source, stored } = historyTables
  if (!hasHistory) return []
  return [
    `CREATE OR REPLACE TEMP TABLE ${history} AS
      SELECT * FROM ${stored} UNION ALL BY NAME (SELECT * FROM ${source} LIMIT 0)`,
  ]
}

/**
 * The events of the stored history and the source's rows in one shape: key, attributes as a struct and as
 * text, time, kind. For the timestamp strategy every source row is an event as it is.
 */
function eventsSql({ config, columns, hasHistory }: HistoryPlan): string {
  const { attributes, updatedAt, validFrom, validTo, isDeleted, timeType } = columns
  const empty = `SELECT *, NULL::VARCHAR AS "$path", NULL::${timeType} AS ${quoteIdentifier(validFrom)},
    NULL::${timeType} AS ${quoteIdentifier(validTo)}, false AS ${quoteIdentifier(isDeleted)},
    NULL::VARCHAR AS ${quoteIdentifier(columns.scdId)}${columns.sharesUpdatedAt ? '' : `, NULL::${timeType} AS ${quoteIdentifier(updatedAt)}`}
    FROM ${historyTables.source} LIMIT 0`
  const history = hasHistory ? `SELECT * FROM ${historyTables.history}` : empty
  const own = attributes
    .map((name) => `${quoteIdentifier(name)} := ${quoteIdentifier(name)}`)
    .join(', ')
  const side = sideColumn(attributes)
  const observed =
    config.updatedAt === undefined ? `NULL::${timeType}` : quoteIdentifier(config.updatedAt)
  return `CREATE OR REPLACE TEMP TABLE all_events AS
    WITH stored AS (${history}),
    given AS (SELECT true AS ${side}, * FROM ${historyTables.source}),
    both_rows AS (SELECT false AS ${side}, * FROM stored UNION ALL BY NAME SELECT * FROM given),
    shaped AS (
      SELECT ${side} AS is_source, struct_pack(${keyStruct(config)}) AS k, struct_pack(${own}) AS attributes,
        CASE WHEN ${side} THEN ${observed} ELSE ${quoteIdentifier(validFrom)} END AS happened,
        CASE WHEN ${side} THEN ${observed} ELSE ${quoteIdentifier(updatedAt)} END AS updated_at,
        coalesce(${quoteIdentifier(isDeleted)}, false) AS was_deleted,
        CASE WHEN ${side} THEN NULL ELSE ${quoteIdentifier(validTo)} END AS valid_to
      FROM both_rows),
    ended AS (
      SELECT k, valid_to AS happened FROM shaped WHERE NOT is_source AND NOT was_deleted AND valid_to IS NOT NULL
      EXCEPT SELECT k, happened FROM shaped WHERE NOT is_source)
    SELECT is_source, k, attributes, to_json(attributes)::VARCHAR AS text, happened, updated_at,
      CASE WHEN was_deleted THEN 'delete' ELSE 'version' END AS kind, was_deleted AS is_kept
    FROM shaped
    UNION ALL
    SELECT false, k, NULL, NULL, happened, happened, 'delete', false FROM ended`
}

/** A column name that none of the source's own columns has. */
function sideColumn(attributes: readonly string[]): string {
  const taken = new Set(attributes.map((name) => name.toLowerCase()))
  let name = 'is_source'
  while (taken.has(name)) name = `_${name}`
  return quoteIdentifier(name)
}

/** The newest stored event of each key. */
const latestSql = `CREATE OR REPLACE TEMP TABLE latest AS
  SELECT k, max(happened) AS happened, arg_max(kind, (happened, kind)) AS kind, arg_max(attributes, (happened, kind)) AS attributes
  FROM all_events WHERE NOT is_source GROUP BY k`

function newVersionsSql(plan: HistoryPlan): string {
  const { config, columns } = plan
  const allEvents =
    'SELECT is_source, k, attributes, text, happened, updated_at, kind, is_kept FROM all_events'
  if (config.strategy === 'timestamp') {
    return `CREATE OR REPLACE TEMP TABLE events AS ${allEvents}`
  }
  const checked = config.checkCols === 'all' ? columns.given : config.checkCols
  const differs = checked
    .map(
      (name) =>
        `s.attributes.${quoteIdentifier(name)} IS DISTINCT FROM l.attributes.${quoteIdentifier(name)}`,
    )
    .join(' OR ')
  return `CREATE OR REPLACE TEMP TABLE events AS
    ${allEvents} WHERE NOT is_source
    UNION ALL
    SELECT true, s.k, s.attributes, s.text, ${moment(plan, 'l.happened')}, ${moment(plan, 'l.happened')}, 'version', false
    FROM all_events s LEFT JOIN latest l ON s.k = l.k
    WHERE s.is_source AND (l.k IS NULL OR l.kind = 'delete' OR ${differs})`
}

/** With `hard_deletes`: a key that the source no longer has ends now, and one that is back begins again now. */
function deletionsSql(plan: HistoryPlan): readonly string[] {
  if (plan.config.hardDeletes === 'ignore') return []
  const isKept = plan.config.hardDeletes === 'new_record'
  return [
    `CREATE OR REPLACE TEMP TABLE ends AS
      SELECT k, max(happened) AS happened, arg_max(kind, (happened, kind)) AS kind FROM events GROUP BY k`,
    `INSERT INTO events
      SELECT true, k, NULL, NULL, ${moment(plan, 'e.happened')}, ${moment(plan, 'e.happened')}, 'delete', ${isKept}
      FROM ends e WHERE e.kind = 'version'
      AND k NOT IN (SELECT k FROM all_events WHERE is_source)`,
    `INSERT INTO events
      SELECT true, k, s.attributes, s.text, ${moment(plan, 'e.happened')}, s.updated_at, 'version', false
      FROM ends e JOIN (
        SELECT k, arg_max(attributes, (coalesce(happened, ${observed(plan)}), text)) AS attributes,
          arg_max(text, (coalesce(happened, ${observed(plan)}), text)) AS text,
          coalesce(max(updated_at), ${observed(plan)}) AS updated_at
        FROM all_events WHERE is_source GROUP BY k) s USING (k)
      WHERE e.kind = 'delete'`,
  ]
}

/** One version per key and moment, each ending at the next event; of two that contradict, the greater text. */
function nextSql({ columns }: HistoryPlan): string {
  const { scdId, updatedAt, validFrom, validTo, isDeleted } = columns
  const attributes = columns.attributes.map(
    (name) => `attributes.${quoteIdentifier(name)} AS ${quoteIdentifier(name)}`,
  )
  const shared = columns.sharesUpdatedAt ? [] : [`updated_at AS ${quoteIdentifier(updatedAt)}`]
  return `CREATE OR REPLACE TEMP TABLE ${historyTables.next} AS
    WITH single AS (
      SELECT * FROM events
      QUALIFY row_number() OVER (PARTITION BY k, happened, kind ORDER BY is_kept DESC, text DESC NULLS LAST,
        updated_at DESC) = 1),
    ordered AS (
      SELECT k, coalesce(attributes, lag(attributes) OVER events_of_key) AS attributes, happened, updated_at,
        kind, is_kept, lead(happened) OVER events_of_key AS ends
      FROM single
      WINDOW events_of_key AS (PARTITION BY k ORDER BY happened, kind))
    SELECT ${attributes.join(', ')},
      md5(to_json(k)::VARCHAR || '|' || epoch_us(happened)::VARCHAR || '|' || kind) AS ${quoteIdentifier(scdId)},
      ${[...shared, ''].join(', ')}happened AS ${quoteIdentifier(validFrom)}, ends AS ${quoteIdentifier(validTo)},
      kind = 'delete' AS ${quoteIdentifier(isDeleted)}
    FROM ordered
    WHERE (kind = 'version' OR is_kept) AND happened IS DISTINCT FROM ends`
}

/** The time of an observed change: now, but later than every stored event of the key. */
function moment(plan: HistoryPlan, latest: string): string {
  return `greatest(${observed(plan)}, ${latest} + INTERVAL 1 MICROSECOND)`
}

function observed({ columns, observedMs }: HistoryPlan): string {
  const zone = columns.timeType === 'TIMESTAMP' ? '' : '+00'
  return `${columns.timeType} '${sqlTime(observedMs)}${zone}'`
}

function keyStruct({ uniqueKey }: SnapshotModelConfig): string {
  return uniqueKey.map((name) => `${quoteIdentifier(name)} := ${quoteIdentifier(name)}`).join(', ')
}

function jsonOf(names: readonly string[]): string {
  const members = names.map((name) => `${quoteIdentifier(name)} := ${quoteIdentifier(name)}`)
  return `to_json(struct_pack(${members.join(', ')}))::VARCHAR`
}
