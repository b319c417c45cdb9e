/**
 * Refuses to continue a history under another key or strategy than the one that it was kept by: its rows
 * would be grouped by keys that they never had, and all but one row of a group would be lost (B9).
 */
import { formatIdentifier } from '../../catalog/format/index.ts'
import { ValidationError } from '../../common/index.ts'
import type { SnapshotModelConfig } from '../settings/model-settings.ts'
import { plainText, type QueryStage } from '../../sql/index.ts'
import type { HistoryBasis } from '../intervals/model-state.ts'
import type { Model } from '../project/model.ts'
import { type HistoryPlan, historyTables, storedRepeatsSql } from './history-sql.ts'

const wayOut =
  'take the change back, give the snapshot another name for a new history, or discard this one with --full-refresh --discard-history'

/** `stored` is what the table records; undefined for tables of early releases. */
export function checkBasis(
  model: Model,
  config: SnapshotModelConfig,
  stored: HistoryBasis | undefined,
): void {
  if (stored === undefined) return
  refuseChange(model, 'unique_key', keyText(stored.uniqueKey), keyText(config.uniqueKey))
  refuseChange(model, 'strategy', stored.strategy, config.strategy)
}

function refuseChange({ file, table }: Model, what: string, before: string, now: string): void {
  if (before === now) return
  throw new ValidationError(
    `${file}: ${what} was ${before} when the history was kept, and is ${now}: ${wayOut}`,
    { facts: { table: formatIdentifier(table) } },
  )
}

/** Sorted, because the order of a key's columns has no meaning. */
function keyText(uniqueKey: readonly string[]): string {
  return [...uniqueKey].sort().join(', ')
}

/**
 * No run writes two rows of one key and moment, so stored rows like that mean that the key was another one
 * or that another writer has changed the table. This check protects tables that record no key.
 */
export async function checkStoredKeys(
  stage: QueryStage,
  { file, table }: Model,
  plan: HistoryPlan,
): Promise<void> {
  const { uniqueKey } = plan.config
  const stored = await stage.columns(historyTables.stored)
  const missing = uniqueKey.find((key) => !stored.some(({ name }) => name === key))
  if (missing !== undefined) {
    throw new ValidationError(
      `${file}: unique_key ${keyText(uniqueKey)} is not that of the stored history, which has no column ${missing}: ${wayOut}`,
      { facts: { table: formatIdentifier(table) } },
    )
  }
  const repeats = await stage.rows(storedRepeatsSql(plan))
  if (repeats.length === 0) return
  const examples = repeats.map(
    ([, key, count]) => `${plainText(key ?? null)} (${String(count)} rows)`,
  )
  throw new ValidationError(
    `${file}: unique_key ${keyText(uniqueKey)} is not that of the stored history (or another writer has changed it): rows of one key and moment, such as ${examples.join(', ')}, would be lost but for one: ${wayOut}`,
    { facts: { table: formatIdentifier(table), keys: String(repeats[0]?.[0]) } },
  )
}
