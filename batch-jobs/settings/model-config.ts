/**
 * The config of one model: the values of its YAML, overridden by those of `{{ config() }}` in its SQL, typed
 * and checked as a whole. Each value keeps its origin for messages.
 */
import {
  type IntervalConfig,
  materializations,
  type ModelConfig,
  type SnapshotModelConfig,
} from './model-settings.ts'
import { parsePartitionTerm, partitionTermList } from '../../catalog/format/index.ts'
import { checkTableProperty } from '../../catalog/table/index.ts'
import {
  field,
  type Resolved,
  resolveTree,
  type Origin,
  Origins,
  type RawMap,
  type RawValue,
  SettingsProblemsError,
  type SettingPath,
  type SettingProblem,
  parseTime,
} from '../../settings/index.ts'

/** Values of one file, each with its origin. Later layers win. */
export interface ConfigLayer {
  readonly values: RawMap
  readonly originOf: (key: string) => Origin
}

export type ModelKind = 'model' | 'snapshot'

const laterMaterializations = ['view', 'ephemeral', 'materialized_view', 'seed']

const configSchema = field.section({
  materialized: field.choice(materializations, laterMaterializations).optional(),
  enabled: field.flag().prefault('true'),
  schema: field.text().optional(),
  alias: field.text().optional(),
  tags: field.textList().optional(),
  description: field.text().optional(),
  meta: field.structured((value) => value).optional(),
  cron: field.text().optional(),
  partition_by: field.parsedList(partitionTermList, parsePartitionTerm).optional(),
  properties: field.textMap(checkTableProperty).prefault({}),
  on_schema_change: field
    .choice(['append_new_columns', 'ignore', 'fail'], ['sync_all_columns'])
    .prefault('append_new_columns'),
  incremental_strategy: field
    .choice(['append', 'delete+insert', 'microbatch'], ['merge', 'insert_overwrite'])
    .optional(),
  event_time: field.text().optional(),
  batch_size: field.choice(['hour', 'day', 'month', 'year']).optional(),
  begin: field.parsed('a time such as 2024-01-01', parseTime).optional(),
  lookback: field.integer(0, 10_000).optional(),
  lambda: field.flag().optional(),
  allow_partials: field.flag().optional(),
  unique_key: field.textList().optional(),
  strategy: field.choice(['timestamp', 'check']).optional(),
  updated_at: field.text().optional(),
  check_cols: field.textList().optional(),
  hard_deletes: field.choice(['ignore', 'invalidate', 'new_record']).optional(),
  meta_columns: field.choice(['plain', 'dbt']).optional(),
})

const laterKeys: Readonly<Record<string, string>> = {
  kind: "write materialized: table | incremental | snapshot (dbt's words)",
  engine: 'another engine for a model is not in this release',
  timezone: 'times are UTC',
  invalidate_hard_deletes: 'write hard_deletes: invalidate',
  target_schema: 'write schema',
}

/** These have no default in the schema, because a default could not be told apart from a value that is written for a model of another kind. */
const snapshotKeys = [
  'strategy',
  'updated_at',
  'check_cols',
  'hard_deletes',
  'meta_columns',
] as const
const intervalKeys = ['batch_size', 'begin', 'lookback', 'lambda', 'allow_partials'] as const

const needsMerge =
  'needs merge, which is not in this release: with event_time, batch_size and begin whole intervals are replaced instead, and a snapshot keeps versions by key'

/** Throws SettingsProblemsError with every fault. */
export function parseModelConfig(kind: ModelKind, layers: readonly ConfigLayer[]): ModelConfig {
  const values: Record<string, RawValue> = {}
  const origins = new Origins()
  for (const layer of layers) {
    for (const [key, value] of Object.entries(layer.values)) {
      values[key] = value
      origins.set([key], layer.originOf(key))
    }
    origins.set([], layer.originOf(''))
  }
  const tree = { value: values, keyOrigins: origins, valueOrigins: origins, problems: [] }
  const resolved = resolveTree(configSchema, tree, {
    variables: () => undefined,
    overrides: [],
    laterKeys,
  })
  return new ConfigBuilder(kind, resolved).build()
}

type ConfigValues = field.Values<typeof configSchema>

/** Checks that need more than one key. All faults are collected and thrown together. */
class ConfigBuilder {
  readonly #kind: ModelKind
  readonly #resolved: Resolved<ConfigValues>
  readonly #problems: SettingProblem[] = []

  constructor(kind: ModelKind, resolved: Resolved<ConfigValues>) {
    this.#kind = kind
    this.#resolved = resolved
  }

  build(): ModelConfig {
    const { value } = this.#resolved
    const materialized = this.#materialized()
    const config: ModelConfig = {
      materialized,
      enabled: value.enabled,
      schema: value.schema,
      alias: value.alias,
      tags: value.tags ?? [],
      description: value.description,
      cron: value.cron,
      partitionBy: value.partition_by ?? [],
      properties: value.properties,
      eventTime: value.event_time,
      onSchemaChange: value.on_schema_change,
      intervals: materialized === 'incremental' ? this.#intervals() : undefined,
      snapshot: materialized === 'snapshot' ? this.#snapshot() : undefined,
    }
    if (materialized !== 'incremental') {
      this.#refuse([...intervalKeys, 'incremental_strategy'], 'is for materialized: incremental')
    }
    if (materialized !== 'snapshot') {
      this.#refuse(snapshotKeys, 'is for snapshots')
      const isUpsert = materialized === 'incremental'
      this.#refuse(['unique_key'], isUpsert ? needsMerge : 'is for snapshots')
    }
    if (this.#problems.length > 0) throw new SettingsProblemsError(this.#problems)
    return config
  }

  #materialized(): ModelConfig['materialized'] {
    const { materialized } = this.#resolved.value
    if (this.#kind === 'model') return materialized ?? 'table'
    if (materialized !== undefined && materialized !== 'snapshot') {
      this.#report(['materialized'], 'a file of snapshots/ is a snapshot; put models into models/')
    }
    return 'snapshot'
  }

  #intervals(): IntervalConfig | undefined {
    const { value } = this.#resolved
    const { event_time: eventTime, batch_size: batchSize, begin, lambda = false } = value
    const isByTime = value.incremental_strategy !== 'append' && eventTime !== undefined
    if (!isByTime) {
      if (value.incremental_strategy !== undefined && value.incremental_strategy !== 'append') {
        this.#report(['incremental_strategy'], 'needs event_time, batch_size and begin')
      }
      this.#refuse(
        intervalKeys,
        eventTime === undefined
          ? 'needs event_time, batch_size and begin'
          : 'is not for incremental_strategy: append',
      )
      return undefined
    }
    if (batchSize === undefined) this.#report(['batch_size'], 'is required with event_time')
    if (begin === undefined) {
      this.#report(['begin'], 'is required with event_time: the first time, such as 2024-01-01')
    }
    return {
      eventTime,
      batchSize: batchSize ?? 'day',
      beginMs: begin ?? 0,
      lookback: value.lookback ?? 1,
      lambda,
      allowPartials: value.allow_partials ?? !lambda,
    }
  }

  #snapshot(): SnapshotModelConfig {
    const { value } = this.#resolved
    const { strategy, unique_key: uniqueKey, updated_at: updatedAt } = value
    if (strategy === undefined) this.#report(['strategy'], 'is required: timestamp or check')
    if (uniqueKey === undefined) this.#report(['unique_key'], 'is required')
    if (strategy === 'timestamp' && updatedAt === undefined) {
      this.#report(['updated_at'], 'is required with strategy: timestamp')
    }
    if (strategy === 'timestamp') this.#refuse(['check_cols'], 'is for strategy: check')
    if (strategy === 'check') {
      this.#refuse(['updated_at'], 'is for strategy: timestamp')
      if (value.check_cols === undefined) {
        this.#report(['check_cols'], 'is required with strategy: check: a list of columns, or all')
      }
    }
    const checkCols = value.check_cols ?? ['all']
    return {
      strategy: strategy ?? 'check',
      uniqueKey: uniqueKey ?? [],
      updatedAt,
      checkCols: checkCols.length === 1 && checkCols[0] === 'all' ? 'all' : checkCols,
      hardDeletes: value.hard_deletes ?? 'ignore',
      metaColumns: value.meta_columns ?? 'plain',
    }
  }

  #refuse(keys: readonly (keyof ConfigValues)[], message: string): void {
    for (const key of keys) {
      if (this.#resolved.value[key] !== undefined) this.#report([key], message)
    }
  }

  #report(path: SettingPath, message: string): void {
    this.#problems.push(this.#resolved.problem(path, message))
  }
}
