/** The settings of a model in `models/` or `snapshots/`, typed. They have the names and meaning that dbt gives them. */
import type { PartitionTerm } from '../../catalog/format/index.ts'

export type BatchSize = 'hour' | 'day' | 'month' | 'year'

/** The values of `materialized`. */
export const materializations = ['table', 'incremental', 'snapshot'] as const
export type Materialization = (typeof materializations)[number]

export interface ModelConfig {
  readonly materialized: Materialization
  readonly enabled: boolean
  /** Namespace of the model's table; undefined for that of the project. */
  readonly schema: string | undefined
  /** Name of the model's table; undefined for the model's own name. */
  readonly alias: string | undefined
  readonly tags: readonly string[]
  readonly description: string | undefined
  readonly cron: string | undefined
  readonly partitionBy: readonly PartitionTerm[]
  readonly properties: Readonly<Record<string, string>>
  /** The column with the event time of a row, which downstream models with intervals use too. */
  readonly eventTime: string | undefined
  readonly onSchemaChange: 'append_new_columns' | 'ignore' | 'fail'
  /** Set for incremental models that are kept by intervals of event time. */
  readonly intervals: IntervalConfig | undefined
  /** Set for snapshots. */
  readonly snapshot: SnapshotModelConfig | undefined
}

export interface IntervalConfig {
  readonly eventTime: string
  readonly batchSize: BatchSize
  /** Milliseconds since the epoch: no interval begins before. */
  readonly beginMs: number
  /** Intervals before the newest that are computed again whenever any source has changed. */
  readonly lookback: number
  /** Queries also see unfinished and stale intervals, computed from the sources at query time. */
  readonly lambda: boolean
  /** True when the current, unfinished interval is computed too. */
  readonly allowPartials: boolean
}

export interface SnapshotModelConfig {
  readonly strategy: 'timestamp' | 'check'
  readonly uniqueKey: readonly string[]
  /** Set for `timestamp`. */
  readonly updatedAt: string | undefined
  /** For `check`: the columns that are compared, or all. */
  readonly checkCols: readonly string[] | 'all'
  readonly hardDeletes: 'ignore' | 'invalidate' | 'new_record'
  readonly metaColumns: 'plain' | 'dbt'
}

export type DataTest =
  | { readonly kind: 'unique' | 'not_null' }
  | { readonly kind: 'accepted_values'; readonly values: readonly string[] }
  /** `to` is `ref('model')` or `source('name', 'table')` as written. */
  | { readonly kind: 'relationships'; readonly to: string; readonly field: string }

export interface ColumnTests {
  readonly column: string
  readonly tests: readonly DataTest[]
}
