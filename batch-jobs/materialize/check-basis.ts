/**
 * Refuses to go on with a history by another key or strategy than the one it was kept by: its rows would
 * be sorted under keys that they never had, and those that fall together would be lost (B9).
 */
import { formatIdentifier } from '../../catalog/format/index.ts'
import { ValidationError } from '../../common/index.ts'
import type { SnapshotConfig } from '../settings/model-settings.ts'
import { plainText, type QueryStage } from '../../sql/index.ts'
import type { HistoryBasis } from '../intervals/model-state.ts'
import type { Model } from '../project/model.ts'
import { type HistoryPlan, historyTables, storedRepeatsSql } from './history-sql.ts'

const wayOut =
  'take the change back, give the snapshot another name for a new history, or throw this one away with --full-refresh --discard-history'

/** `stored`: what the table says of itself, undefined for one that does not say it. */
export function checkBasis(
  model: Model,
  config: SnapshotConfig,
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

/** The order of a key's columns says nothing. */
function keyText(uniqueKey: readonly string[]): string {
  return [...uniqueKey].sort().join(', ')
}

/**
 * No run ever writes two rows of one key and moment, so where there are some the key is another one, or
 * somebody else wrote to the table. Guards tables that do not say what they were kept by.
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
  const found = await stage.rows(storedRepeatsSql(plan))
  if (found.length === 0) return
  const examples = found.map(
    ([, key, count]) => `${plainText(key ?? null)} (${String(count)} rows)`,
  )
  throw new ValidationError(
    `${file}: unique_key ${keyText(uniqueKey)} is not that of the stored history (or somebody else wrote to it): rows of one key and moment, such as ${examples.join(', ')}, would be lost but for one: ${wayOut}`,
    { facts: { table: formatIdentifier(table), keys: String(found[0]?.[0]) } },
  )
}
