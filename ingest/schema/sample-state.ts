/**
 * Whether the first records of a topic can decide the columns of its table (docs/spec/json-rows.md, J12). What
 * they have not shown yet, such as a partition column, keeps the table waiting and is not an error.
 */
import type { SampledColumns } from '../decode/row-decoder.ts'
import type { StreamSettings } from '../settings/stream-settings.ts'
import { sampleFaults, unseenPartitionColumns } from './table-faults.ts'

export type SampleState =
  | { readonly kind: 'usable' }
  /** Something is not seen yet. */
  | { readonly kind: 'waits'; readonly reason: string }
  /** Something that was seen does not fit the settings; other records may change it. */
  | { readonly kind: 'unfit'; readonly reason: string }

export function sampleState(settings: StreamSettings, sampled: SampledColumns): SampleState {
  const { fields, readableCount, sampledCount, unreadable } = sampled
  if (readableCount === 0) {
    const seen = unreadable === undefined ? '' : `: ${unreadable}`
    return { kind: 'waits', reason: `none of ${sampledCount} records can be read${seen}` }
  }
  if (fields.length === 0 && !mayBeEmpty(settings)) {
    return { kind: 'waits', reason: `no field has a value in ${sampledCount} records` }
  }
  const [unseen] = unseenPartitionColumns(settings, fields)
  if (unseen !== undefined) {
    const reason = `partition_by names ${unseen}, which has no value in ${sampledCount} records`
    return { kind: 'waits', reason }
  }
  const [fault] = sampleFaults(settings, fields)
  if (fault === undefined) return { kind: 'usable' }
  return { kind: 'unfit', reason: `${fault.path.join('.')}: ${fault.message}` }
}

/** Whether a table without a column for any field could be written, and gets its columns later. */
export function mayBeEmpty({ metadata, schema, output }: StreamSettings): boolean {
  return metadata !== 'none' && schema.unknownFields === 'add' && output.partitionBy.length === 0
}
