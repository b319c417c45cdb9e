/** The columns that a snapshot adds to those of its source, under Tidewater's names or dbt's. */
import type { NestedField } from '../../catalog/format/index.ts'
import { ValidationError } from '../../common/index.ts'
import type { SnapshotModelConfig } from '../settings/model-settings.ts'

export interface HistoryColumns {
  readonly scdId: string
  readonly updatedAt: string
  readonly validFrom: string
  readonly validTo: string
  readonly isDeleted: string
  /** True when the source's own updated_at column has the name of the added one: it is stored once. */
  readonly sharesUpdatedAt: boolean
  /** SQL type of the times. */
  readonly timeType: 'TIMESTAMP' | 'TIMESTAMP WITH TIME ZONE'
  /** The source's columns in order, then those that earlier runs had. */
  readonly attributes: readonly string[]
  /** The source's columns in this run. */
  readonly given: readonly string[]
}

/** Checks the source's columns and those of the history so far (`stored`) against the config. Throws ValidationError. */
export function historyColumns(
  file: string,
  config: SnapshotModelConfig,
  source: readonly NestedField[],
  stored: readonly NestedField[] = [],
): HistoryColumns {
  const names = metaNames(config.metaColumns)
  const sharesUpdatedAt = config.updatedAt === names.updatedAt
  for (const { name } of source) {
    const isShared = sharesUpdatedAt && name === names.updatedAt
    if (isShared || !Object.values(names).some((each) => each === name.toLowerCase())) continue
    throw new ValidationError(
      `${file}: the source has a column with a name that the snapshot adds itself: write meta_columns: dbt for names with dbt_ in front, or rename it`,
      { facts: { column: name } },
    )
  }
  if (stored.length > 0) checkStoredNames(file, config, stored)
  const checked = config.checkCols === 'all' ? [] : config.checkCols
  for (const name of [...config.uniqueKey, ...checked]) requireColumn(file, source, name)
  const given = source.map(({ name }) => name)
  const current = new Set([...given, ...Object.values(names), '$path', '$pos'])
  const former = stored.map(({ name }) => name).filter((name) => !current.has(name))
  return {
    ...names,
    sharesUpdatedAt,
    timeType: timeType(file, config, source),
    attributes: [...given, ...former],
    given,
  }
}

type MetaColumns = SnapshotModelConfig['metaColumns']
type MetaNames = Pick<HistoryColumns, 'scdId' | 'updatedAt' | 'validFrom' | 'validTo' | 'isDeleted'>

/** What the columns of a history are called. */
export function metaNames(style: MetaColumns): MetaNames {
  const prefix = style === 'dbt' ? 'dbt_' : ''
  return {
    scdId: `${prefix}scd_id`,
    updatedAt: `${prefix}updated_at`,
    validFrom: `${prefix}valid_from`,
    validTo: `${prefix}valid_to`,
    isDeleted: `${prefix}is_deleted`,
  }
}

/** A table that was kept under the other names, or is not a history, cannot be continued. */
function checkStoredNames(
  file: string,
  { metaColumns }: SnapshotModelConfig,
  stored: readonly NestedField[],
): void {
  const has = new Set(stored.map(({ name }) => name))
  const lacking = (style: MetaColumns): string | undefined =>
    Object.values(metaNames(style)).find((name) => !has.has(name))
  const missing = lacking(metaColumns)
  if (missing === undefined) return
  const other = metaColumns === 'dbt' ? 'plain' : 'dbt'
  const { scdId } = metaNames(other)
  throw new ValidationError(
    lacking(other) === undefined
      ? `${file}: the history so far was kept with meta_columns: ${other}, its columns are ${scdId} and so on: write meta_columns: ${other}, or give the snapshot another name for a new history`
      : `${file}: the snapshot's table has rows that are no history: give the snapshot another name or alias`,
    { facts: { missing } },
  )
}

function timeType(
  file: string,
  { updatedAt }: SnapshotModelConfig,
  source: readonly NestedField[],
): HistoryColumns['timeType'] {
  if (updatedAt === undefined) return 'TIMESTAMP WITH TIME ZONE'
  const { type } = requireColumn(file, source, updatedAt)
  if (type.type === 'timestamptz') return 'TIMESTAMP WITH TIME ZONE'
  if (type.type === 'timestamp') return 'TIMESTAMP'
  throw new ValidationError(
    `${file}: updated_at must be a timestamp column: cast it in the query`,
    {
      facts: { column: updatedAt, type: type.type },
    },
  )
}

function requireColumn(file: string, source: readonly NestedField[], name: string): NestedField {
  const field = source.find((each) => each.name === name)
  if (field !== undefined) return field
  throw new ValidationError(`${file}: the source has no column ${name}`, {
    facts: { columns: source.map((each) => each.name).join(', ') },
  })
}
