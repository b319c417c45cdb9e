/**
 * Table properties that the catalog itself obeys, under Iceberg's names ("Table Properties").
 */
import { type RetryPolicy, ValidationError } from '../../common/index.ts'

export type Properties = Readonly<Record<string, string>>

/** How many older metadata files a table's log names; at least one. */
export function previousVersionsMax(properties: Properties): number {
  return Math.max(1, integer(properties, 'write.metadata.previous-versions-max', 100))
}

/** Iceberg's default is false; a streamed table would keep a file per commit for ever. */
export function deletesOldMetadata(properties: Properties): boolean {
  return properties['write.metadata.delete-after-commit.enabled']?.toLowerCase() !== 'false'
}

/** How long and how often the outcome of a commit is looked for before it is called unknown. */
export function statusCheckPolicy(properties: Properties, defaults: RetryPolicy): RetryPolicy {
  return retryPolicy(properties, 'commit.status-check', defaults)
}

/** How often a commit whose requirements still hold is applied again to a moved table. */
export function commitRetryPolicy(properties: Properties, defaults: RetryPolicy): RetryPolicy {
  return retryPolicy(properties, 'commit.retry', defaults)
}

export const statusCheckDefaults: RetryPolicy = {
  retriesMax: 3,
  waitMsMin: 1000,
  waitMsMax: 60_000,
  totalMsMax: 1_800_000,
}

export const commitRetryDefaults: RetryPolicy = {
  retriesMax: 4,
  waitMsMin: 100,
  waitMsMax: 60_000,
  totalMsMax: 1_800_000,
}

function retryPolicy(properties: Properties, prefix: string, defaults: RetryPolicy): RetryPolicy {
  return {
    retriesMax: integer(properties, `${prefix}.num-retries`, defaults.retriesMax),
    waitMsMin: integer(properties, `${prefix}.min-wait-ms`, defaults.waitMsMin),
    waitMsMax: integer(properties, `${prefix}.max-wait-ms`, defaults.waitMsMax),
    totalMsMax: integer(properties, `${prefix}.total-timeout-ms`, defaults.totalMsMax),
  }
}

function integer(properties: Properties, key: string, fallback: number): number {
  const text = properties[key]
  if (text === undefined) return fallback
  if (!/^\d{1,15}$/.test(text)) {
    throw new ValidationError('a table property must be a whole number', {
      facts: { property: key, found: text },
    })
  }
  return Number(text)
}
