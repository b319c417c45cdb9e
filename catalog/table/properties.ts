/**
 * The table properties that Tidewater acts on, under Iceberg's names ("Table Properties"): the one place
 * that says how each is written, what its default is, and which part of Tidewater acts on it.
 *
 * Everything that reads a property reads it by its entry here, so that a value means the same to a
 * command and to a background reader, and one that cannot be read is refused by both. The table of
 * properties in docs/configuration.md is drawn from here.
 */
import { didYouMean, type RetryPolicy, ValidationError } from '../../common/index.ts'
import {
  anyText,
  oneOf,
  trueOrFalse,
  longNumber,
  metricsMode,
  type PropertySyntax,
  wholeNumber,
} from './property-syntax.ts'

export type Properties = Readonly<Record<string, string>>

/** A value of a table property that cannot be read: set another one, or remove the property. */
export class TablePropertyError extends ValidationError {
  readonly property: string

  constructor(property: string, expected: string, value: string) {
    super(`the table property ${property} must be ${expected}`, {
      facts: { property, value: /^\S+$/.test(value) ? value : JSON.stringify(value) },
    })
    this.property = property
  }
}

export interface TableProperty<T, Default extends T | undefined = T | undefined> {
  /** `*` at the end stands for a name, such as a column's. */
  readonly name: string
  readonly syntax: PropertySyntax<T>
  /** Value where the table does not state one; undefined where the actor decides. */
  readonly default: Default
  /** The default as people read it. */
  readonly defaultText: string
  readonly doc: string
  readonly actor: string
}

const commits = 'every commit'
const writers = 'streams, models, rewrites'
const expiry = 'expire-snapshots, maintenance'

const retries = wholeNumber(0, 2 ** 31 - 1, 'a whole number of retries')
const milliseconds = wholeNumber(0, Number.MAX_SAFE_INTEGER, 'a whole number of milliseconds')
const age = longNumber('a whole number of milliseconds')
const bytes = wholeNumber(1, Number.MAX_SAFE_INTEGER, 'a whole number of bytes')
const count = wholeNumber(0, 2 ** 31 - 1, 'a whole number')
const rowChanges = oneOf(['copy-on-write', 'merge-on-read'])

/** Several properties are read together by `commitRetryPolicy` and `statusCheckPolicy`. */
export const tableProperties = {
  targetFileSizeBytes: entry('write.target-file-size-bytes', bytes, undefined, {
    defaultText: '134217728; models write up to 536870912',
    doc: 'size at which another data file is begun',
    actor: 'models, rewrites',
  }),
  dataPath: entry('write.data.path', anyText, undefined, {
    defaultText: '`data` below the table',
    doc: 'folder of new data files, below the location of the table',
    actor: writers,
  }),
  metadataPath: entry('write.metadata.path', anyText, undefined, {
    defaultText: '`metadata` below the table',
    doc: 'folder of new metadata files and manifests, below the location of the table',
    actor: commits,
  }),
  parquetCodec: entry(
    'write.parquet.compression-codec',
    oneOf(['zstd', 'snappy', 'gzip', 'lz4', 'brotli', 'uncompressed']),
    'zstd',
    { doc: 'codec of new data files', actor: writers },
  ),
  parquetLevel: entry('write.parquet.compression-level', wholeNumber(1, 22, 'a zstd level'), 1, {
    doc: 'level of zstd; other codecs have none',
    actor: writers,
  }),
  metricsDefault: entry('write.metadata.metrics.default', metricsMode, undefined, {
    defaultText: 'truncate(16)',
    doc: 'statistics of columns in manifests: none, counts, truncate(n) or full',
    actor: writers,
  }),
  metricsOfColumn: entry('write.metadata.metrics.column.*', metricsMode, undefined, {
    defaultText: 'the default above',
    doc: 'the same for one column, named with dots',
    actor: writers,
  }),
  metricsColumnsMax: entry('write.metadata.metrics.max-inferred-column-defaults', count, 100, {
    doc: 'columns with statistics where no default is stated',
    actor: writers,
  }),
  deleteMode: entry('write.delete.mode', rowChanges, undefined, {
    defaultText: 'the cheaper for each file',
    doc: 'how rows are taken out',
    actor: 'models',
  }),
  updateMode: entry('write.update.mode', rowChanges, undefined, {
    defaultText: 'the cheaper for each file',
    doc: 'how rows are replaced',
    actor: 'models',
  }),
  metadataCodec: entry('write.metadata.compression-codec', oneOf(['none', 'gzip']), 'none', {
    doc: 'codec of metadata files',
    actor: commits,
  }),
  previousVersionsMax: entry('write.metadata.previous-versions-max', count, 100, {
    doc: 'older metadata files that the log names; at least one',
    actor: commits,
  }),
  deletesOldMetadata: entry('write.metadata.delete-after-commit.enabled', trueOrFalse, true, {
    doc: 'whether metadata files that leave the log are deleted; off in Iceberg, where a streamed table keeps a file for each commit',
    actor: commits,
  }),
  retriesMax: entry('commit.retry.num-retries', retries, 4, {
    doc: 'how often a lost race for the table is tried again; streams never give up',
    actor: commits,
  }),
  retryWaitMsMin: entry('commit.retry.min-wait-ms', milliseconds, 100, {
    doc: 'shortest wait between these tries',
    actor: commits,
  }),
  retryWaitMsMax: entry('commit.retry.max-wait-ms', milliseconds, 60_000, {
    doc: 'longest wait between these tries',
    actor: commits,
  }),
  retryTotalMsMax: entry('commit.retry.total-timeout-ms', milliseconds, 1_800_000, {
    doc: 'time after which no further try is made',
    actor: commits,
  }),
  statusChecksMax: entry('commit.status-check.num-retries', retries, 3, {
    doc: 'how often the outcome of a commit without an answer is looked for',
    actor: commits,
  }),
  statusCheckWaitMsMin: entry('commit.status-check.min-wait-ms', milliseconds, 1_000, {
    doc: 'shortest wait between these looks',
    actor: commits,
  }),
  statusCheckWaitMsMax: entry('commit.status-check.max-wait-ms', milliseconds, 60_000, {
    doc: 'longest wait between these looks',
    actor: commits,
  }),
  statusCheckTotalMsMax: entry('commit.status-check.total-timeout-ms', milliseconds, 1_800_000, {
    doc: 'time after which the outcome is called unknown',
    actor: commits,
  }),
  mergesManifests: entry('commit.manifest-merge.enabled', trueOrFalse, true, {
    doc: 'whether appends merge small manifests',
    actor: commits,
  }),
  manifestsToMergeMin: entry('commit.manifest.min-count-to-merge', count, 100, {
    doc: 'small manifests from which on they are merged',
    actor: commits,
  }),
  manifestBytesTarget: entry('commit.manifest.target-size-bytes', bytes, 8_388_608, {
    doc: 'size up to which manifests are merged',
    actor: commits,
  }),
  snapshotAgeMsMax: entry('history.expire.max-snapshot-age-ms', age, 432_000_000n, {
    doc: 'age at which snapshots expire; not stated, maintenance also bounds their number',
    actor: expiry,
  }),
  snapshotsToKeepMin: entry('history.expire.min-snapshots-to-keep', count, 1, {
    doc: 'newest snapshots of each branch that stay whatever their age; at least one',
    actor: expiry,
  }),
  refAgeMsMax: entry('history.expire.max-ref-age-ms', age, undefined, {
    defaultText: 'never',
    doc: 'age at which branches and tags other than main end',
    actor: expiry,
  }),
  allowsGc: entry('gc.enabled', trueOrFalse, true, {
    doc: 'whether files of the table may be deleted: by expiry, orphan removal, maintenance and a purge',
    actor: 'expiry, orphan removal, drop',
  }),
  nameMapping: entry('schema.name-mapping.default', anyText, undefined, {
    defaultText: 'none',
    doc: 'files may lack field ids, so the column names in their footers are used',
    actor: 'queries',
  }),
  isMaintained: entry('tidewater.maintenance.enabled', trueOrFalse, true, {
    doc: 'whether the maintenance that runs by itself takes the table',
    actor: 'maintenance',
  }),
} as const

/** The stated value, or else the default. Throws TablePropertyError. */
export function propertyOf<T, Default extends T | undefined>(
  properties: Properties,
  property: TableProperty<T, Default>,
): T | Default {
  return statedProperty(properties, property) ?? property.default
}

/** Undefined when the table does not state it. Throws TablePropertyError. */
export function statedProperty<T>(
  properties: Properties,
  property: TableProperty<T>,
  name: string = property.name,
): T | undefined {
  const text = Object.hasOwn(properties, name) ? properties[name] : undefined
  return text === undefined ? undefined : parsed(property, name, text)
}

/** The value for `column` of a property that is named by columns. */
export function columnProperty<T>(
  properties: Properties,
  property: TableProperty<T>,
  column: string,
): T | undefined {
  return statedProperty(
    properties,
    property,
    property.name.replace('*', () => column),
  )
}

/** Throws TablePropertyError when Tidewater acts on the property and cannot read the value. */
export function checkTableProperty(name: string, value: string): void {
  const property = propertyNamed(name)
  if (property !== undefined) parsed(property, name, value)
}

/** Notes for the user about Iceberg properties that are stored with the table but have no effect here. */
export function propertyNotes(properties: Properties): readonly string[] {
  const names = Object.values(tableProperties).map(({ name }) => name)
  return Object.keys(properties)
    .filter((name) => /^(?:write|commit|history)\./.test(name))
    .filter((name) => propertyNamed(name) === undefined)
    .map((name) => `${name} is stored but not acted on${didYouMean(name, names)}`)
}

/** How often a commit whose requirements still hold is applied again to a moved table. */
export function commitRetryPolicy(properties: Properties, defaults = commitRetryDefaults) {
  return policyOf(properties, retryProperties, defaults)
}

/** How long and how often the outcome of a commit is looked for before it is called unknown. */
export function statusCheckPolicy(properties: Properties, defaults = statusCheckDefaults) {
  return policyOf(properties, statusCheckProperties, defaults)
}

type PolicyProperties = Readonly<Record<keyof RetryPolicy, TableProperty<number, number>>>

const retryProperties: PolicyProperties = {
  retriesMax: tableProperties.retriesMax,
  waitMsMin: tableProperties.retryWaitMsMin,
  waitMsMax: tableProperties.retryWaitMsMax,
  totalMsMax: tableProperties.retryTotalMsMax,
}

const statusCheckProperties: PolicyProperties = {
  retriesMax: tableProperties.statusChecksMax,
  waitMsMin: tableProperties.statusCheckWaitMsMin,
  waitMsMax: tableProperties.statusCheckWaitMsMax,
  totalMsMax: tableProperties.statusCheckTotalMsMax,
}

export const commitRetryDefaults: RetryPolicy = policyOf({}, retryProperties, undefined)
export const statusCheckDefaults: RetryPolicy = policyOf({}, statusCheckProperties, undefined)

function policyOf(
  properties: Properties,
  from: PolicyProperties,
  defaults: RetryPolicy | undefined,
): RetryPolicy {
  const read = (key: keyof RetryPolicy): number =>
    statedProperty(properties, from[key]) ?? defaults?.[key] ?? from[key].default
  return {
    retriesMax: read('retriesMax'),
    waitMsMin: read('waitMsMin'),
    waitMsMax: read('waitMsMax'),
    totalMsMax: read('totalMsMax'),
  }
}

function propertyNamed(name: string): TableProperty<unknown> | undefined {
  return Object.values<TableProperty<unknown>>(tableProperties).find((property) =>
    property.name.endsWith('*')
      ? name.startsWith(property.name.slice(0, -1)) && name.length >= property.name.length
      : property.name === name,
  )
}

function parsed<T>({ syntax }: TableProperty<T>, name: string, text: string): T {
  const value = syntax.parse(text)
  if (value !== undefined) return value
  throw new TablePropertyError(name, syntax.expected, text)
}

interface EntryTexts {
  readonly defaultText?: string
  readonly doc: string
  readonly actor: string
}

function entry<T, Default extends T | undefined>(
  name: string,
  syntax: PropertySyntax<T>,
  defaultValue: Default,
  { defaultText = String(defaultValue), doc, actor }: EntryTexts,
): TableProperty<T, Default> {
  return { name, syntax, default: defaultValue, defaultText, doc, actor }
}
