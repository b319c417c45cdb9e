/** The keys of `streams/*.yaml`, and the typed `StreamSettings` that are made from them. */
import { dirname, resolve } from 'node:path'
import {
  formatIdentifier,
  type NestedField,
  type TableIdentifier,
  type Type,
  firstPiece,
  parsePartitionTerm,
  partitionTermList,
  parseTableName,
} from '../../catalog/format/index.ts'
import { errorMessage } from '../../common/index.ts'
import type { EpochColumn } from '../decode/json/epoch-unit.ts'
import { checkTableProperty } from '../../catalog/table/index.ts'
import { embeddedInput, kafkaInput, kafkaSection, embeddedSection } from './input-document.ts'
import {
  type Loaded,
  type SettingsInput,
  field,
  resolveSettings,
  type Resolved,
  type SettingEntry,
  formatPath,
  SettingsProblemsError,
  type SettingPath,
  type SettingProblem,
} from '../../settings/index.ts'
import type { InputSettings, StreamSettings } from './stream-settings.ts'
import { epochColumn, longField, parseDeclaredType, within } from './declared-type.ts'

const laterSchemaModes = [
  'value_schema_id_prefix',
  'value_schema_latest',
  'disabled',
  'avro',
  'protobuf',
]

/** Keys of `schema` that only some modes read; with another mode they have no effect. */
const jsonKeys = [
  'fields',
  'sample_records',
  'sample_wait',
  'coercion',
  'unknown_fields',
  'ignore_fields',
  'field_case',
  'tombstones',
  'max_columns',
  'max_struct_fields',
]
const keyValueKeys = ['key', 'value']

const tableName = () => field.parsed('namespace.table', parseTableName)

const declaredField = field.section({
  name: field.text(),
  type: field.structured((value) => parseDeclaredType(value)),
  required: field.flag().optional(),
  doc: field.text().optional(),
  unit: field.text().optional(),
})

export const streamSchema = field.section({
  name: field.text(),
  input: field.section({ kafka: kafkaSection.optional(), embedded: embeddedSection.optional() }),
  schema: field
    .section({
      mode: field.choice(['json_infer', 'declared', 'key_value'], laterSchemaModes).optional(),
      fields: field.listOrMap(declaredField, '{name, type}', longField).optional(),
      sample_records: field.integer(1, 1_000_000).prefault('1000'),
      sample_wait: field.duration().prefault('2s'),
      coercion: field.choice(['strict', 'lenient']).prefault('strict'),
      unknown_fields: field.choice(['add', 'dead_letter', 'ignore', 'fail']).optional(),
      ignore_fields: field.textList().optional(),
      field_case: field.choice(['exact', 'insensitive']).prefault('exact'),
      tombstones: field.choice(['dead_letter', 'skip']).prefault('dead_letter'),
      max_columns: field.integer(1, 10_000).prefault('2000'),
      max_struct_fields: field.integer(1, 10_000).prefault('200'),
      key: field.choice(['binary', 'string']).prefault('binary'),
      value: field.choice(['binary', 'string']).prefault('binary'),
    })
    .prefault({}),
  metadata: field.choice(['struct', 'columns', 'none']).prefault('struct'),
  errors: field
    .section({
      tolerance: field.choice(['none', 'data', 'all']).prefault('data'),
      dlq: field.section({ table: tableName().optional() }).prefault({}),
    })
    .prefault({}),
  output: field.section({
    iceberg: field.section({
      table: tableName(),
      partition_by: field.parsedList(partitionTermList, parsePartitionTerm).optional(),
      properties: field.textMap(checkTableProperty).prefault({}),
      branch: field.text().prefault('main'),
      auto_create: field.flag().prefault('true'),
      commit: field
        .section({
          interval: field.duration().prefault('10s'),
          max_bytes: field.size().prefault('512MB'),
          max_records: field.integer(1, 1_000_000_000).prefault('1000000'),
        })
        .prefault({}),
    }),
  }),
  limits: field.section({ memory: field.size().prefault('512MB') }).prefault({}),
})

/** Keys of a later release, or of the tools whose names we use. */
const laterKeys: Readonly<Record<string, string>> = {
  'input.generate': later('input.generate', 'use input.kafka or input.embedded'),
  'input.file': later('input.file', 'use input.kafka or input.embedded'),
  'input.http': later('input.http', 'use input.kafka or input.embedded'),
  'input.http_server': later('input.http_server', 'use input.kafka or input.embedded'),
  'input.kafka_franz': 'write input.kafka: its keys are the same',
  'input.kafka.batching':
    'batches are set by output.iceberg.commit: {interval, max_bytes, max_records}',
  'schema.registry': later('a schema registry', 'use mode: json_infer, declared or key_value'),
  'errors.dlq.topic': later('a dead-letter topic', 'dead letters go to errors.dlq.table'),
  'errors.dlq.topic_name': later('a dead-letter topic', 'dead letters go to errors.dlq.table'),
  'output.iceberg.route': later('route', 'one stream writes one table'),
  'output.iceberg.id_columns': later('id_columns', 'tables are appended to'),
  'output.iceberg.upsert': later('upsert', 'tables are appended to'),
  'output.iceberg.cdc_field': later('cdc_field', 'tables are appended to'),
  'output.iceberg.evolve_schema': 'write schema: {unknown_fields: add | dead_letter}',
  'output.iceberg.schema_force_optional': later(
    'schema_force_optional',
    'fields are optional unless required: true',
  ),
  pipeline: 'processors of Redpanda Connect are not supported',
  schema_registry: later(
    'a schema registry',
    'use schema: {mode: json_infer, declared or key_value}',
  ),
  avro: later('avro', 'values are JSON, or raw with schema: {mode: key_value}'),
}

/** Finds settings that no table can have. Passed in, because the rules of tables are in other folders. */
export type StreamCheck = (settings: StreamSettings) => readonly {
  /** Path of the wrong setting; in a list of terms it ends with the index of the term. */
  readonly path: SettingPath
  readonly message: string
}[]

/** Throws SettingsProblemsError with every fault. */
export function parseStreamSettings(
  input: SettingsInput,
  check?: StreamCheck,
): Loaded<StreamSettings> {
  const resolved = resolveSettings(streamSchema, {
    text: input.text ?? '',
    file: input.file,
    variables: input.variables,
    overrides: input.overrides,
    laterKeys,
    notFromEnvironment: ['name'],
  })
  const builder = new StreamBuilder(resolved, input)
  const settings = builder.build()
  // The check expects settings without faults of their own.
  if (check !== undefined && builder.problems.length === 0) builder.apply(check, settings)
  if (builder.problems.length > 0) throw new SettingsProblemsError(builder.problems)
  return { settings, entries: builder.entries(settings) }
}

type StreamValues = field.Values<typeof streamSchema>

/** Checks that need more than one key. All faults are collected and thrown together. */
class StreamBuilder {
  readonly problems: SettingProblem[] = []
  readonly #resolved: Resolved<StreamValues>
  readonly #directory: string

  constructor(resolved: Resolved<StreamValues>, input: SettingsInput) {
    this.#resolved = resolved
    this.#directory =
      input.file === undefined ? input.directory : dirname(resolve(input.directory, input.file))
  }

  build(): StreamSettings {
    const { value } = this.#resolved
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(value.name)) {
      this.#report(['name'], 'letters, digits, ".", "_" and "-" only, at most 100')
    }
    const { iceberg } = value.output
    const { table } = iceberg
    return {
      name: value.name,
      input: this.#input(),
      schema: this.#schema(),
      metadata: value.metadata,
      statesMetadata: this.#isGiven(['metadata']),
      errors: { tolerance: value.errors.tolerance, deadLetterTable: this.#deadLetterTable(table) },
      output: {
        table,
        partitionBy: iceberg.partition_by ?? [],
        statesPartitioning: iceberg.partition_by !== undefined,
        properties: iceberg.properties,
        branch: iceberg.branch,
        autoCreate: iceberg.auto_create,
        commitIntervalMs: this.#atLeast(['interval'], iceberg.commit.interval, 100, '100ms'),
        commitBytesMax: this.#atLeast(['max_bytes'], iceberg.commit.max_bytes, 1_000, '1KB'),
        commitRecordsMax: iceberg.commit.max_records,
      },
      memoryBytesMax: this.#memory(value.limits.memory),
    }
  }

  apply(check: StreamCheck, settings: StreamSettings): void {
    for (const { path, message } of check(settings)) {
      const written = this.#writtenPath(path)
      const origin = this.#resolved.origin(written)
      const isField = written[0] === 'schema'
      this.problems.push({ path: isField ? written : path, message, origin })
    }
  }

  /** A term of a YAML flow list may be several of its items; fields may stand in a map. */
  #writtenPath(path: SettingPath): SettingPath {
    const [section, key, index, ...rest] = path
    if (section === 'schema' && key === 'fields' && typeof index === 'number') {
      const name = this.#fieldNames()?.[index]
      return name === undefined ? path : [section, key, name, ...rest]
    }
    const list = path.slice(0, -1)
    const term = path.at(-1)
    if (formatPath(list) !== 'output.iceberg.partition_by' || typeof term !== 'number') return path
    const isItem = (entry: SettingEntry): boolean =>
      entry.path.length === path.length && formatPath(entry.path.slice(0, -1)) === formatPath(list)
    const items = this.#resolved.entries.filter(isItem).map(({ text }) => text)
    return [...list, firstPiece(term, items)]
  }

  /** Of fields in a map; undefined where they stand in a list. */
  #fieldNames(): readonly string[] | undefined {
    const steps = this.#resolved.entries
      .filter(({ path }) => path[0] === 'schema' && path[1] === 'fields')
      .map(({ path }) => path[2])
    const names = steps.filter((step) => typeof step === 'string')
    return names.length === 0 ? undefined : [...new Set(names)]
  }

  /** Every setting that has a meaning in this stream. */
  entries(settings: StreamSettings): Loaded<StreamSettings>['entries'] {
    const { errors, schema } = this.#resolved.value
    const origin = { kind: 'default' } as const
    const meaningless = meaninglessKeys(settings.schema.mode)
    const isMeant = ({ path }: SettingEntry): boolean =>
      path[0] !== 'schema' || !meaningless.includes(String(path[1]))
    return [
      ...this.#resolved.entries.filter(isMeant),
      ...(schema.mode === undefined
        ? [{ path: ['schema', 'mode'], text: settings.schema.mode, origin }]
        : []),
      ...(schema.unknown_fields === undefined && !meaningless.includes('unknown_fields')
        ? [{ path: ['schema', 'unknown_fields'], text: settings.schema.unknownFields, origin }]
        : []),
      ...(errors.dlq.table === undefined
        ? [
            {
              path: ['errors', 'dlq', 'table'],
              text: formatIdentifier(settings.errors.deadLetterTable),
              origin,
            },
          ]
        : []),
    ]
  }

  #input(): InputSettings {
    const { kafka, embedded } = this.#resolved.value.input
    const report = (path: SettingPath, message: string): void => this.#report(path, message)
    if ((kafka === undefined) === (embedded === undefined)) {
      this.#report(['input'], 'exactly one of kafka, embedded is needed')
    }
    if (kafka !== undefined) return kafkaInput(kafka, this.#directory, report)
    if (embedded !== undefined) return embeddedInput(embedded, this.#directory, report)
    return { kind: 'embedded', directory: '', topics: [], startOffset: { kind: 'earliest' } }
  }

  #schema(): StreamSettings['schema'] {
    const { schema } = this.#resolved.value
    const declared = schema.fields !== undefined
    const mode = schema.mode ?? (declared ? 'declared' : 'json_infer')
    if (mode === 'declared' && (schema.fields ?? []).length === 0) {
      this.#report(['schema'], 'mode declared needs fields: [{name, type}, ...]')
    }
    if (mode === 'json_infer' && declared) {
      this.#report(['schema', 'fields'], 'fields are declared, so mode must be declared')
    }
    for (const key of meaninglessKeys(mode)) {
      if (!this.#isGiven(['schema', key])) continue
      const other = mode === 'key_value' ? 'json_infer and declared' : 'key_value'
      this.#report(['schema', key], `has no meaning with mode ${mode}: it belongs to ${other}`)
    }
    return {
      mode,
      ...this.#declared(),
      optionalFields: (schema.fields ?? [])
        .filter(({ required }) => required === false)
        .map(({ name }) => name),
      sampleRecordsMax: schema.sample_records,
      sampleWaitMs: schema.sample_wait,
      coercion: schema.coercion,
      unknownFields: schema.unknown_fields ?? (mode === 'json_infer' ? 'add' : 'dead_letter'),
      ignoredFields: schema.ignore_fields ?? [],
      fieldCase: schema.field_case,
      tombstones: schema.tombstones,
      columnsMax: schema.max_columns,
      structFieldsMax: schema.max_struct_fields,
      keyType: schema.key,
      valueType: schema.value,
    }
  }

  /** Written in the file, the environment or a flag. */
  #isGiven(path: SettingPath): boolean {
    const given = formatPath(path)
    return this.#resolved.entries.some(
      (entry) =>
        entry.origin.kind !== 'default' && formatPath(entry.path.slice(0, path.length)) === given,
    )
  }

  #declared(): Pick<StreamSettings['schema'], 'epochColumns' | 'fields'> {
    const seen = new Map<string, string>()
    const epochColumns: EpochColumn[] = []
    const fields = (this.#resolved.value.schema.fields ?? []).map((entry, index): NestedField => {
      const path = this.#writtenPath(['schema', 'fields', index])
      const { name, type: declared, required = false, doc, unit } = entry
      const twin = seen.get(name.toLowerCase())
      if (twin !== undefined) {
        this.#report([...path, 'name'], `"${name}" is declared twice (as "${twin}")`)
      }
      seen.set(name.toLowerCase(), name)
      const { type } = declared
      const own = unit === undefined ? declared.epochColumns : this.#unit(path, type, unit)
      epochColumns.push(...within(name, { epochColumns: own }))
      return { id: 0, name, type, required, ...(doc === undefined ? {} : { doc }) }
    })
    return { fields, epochColumns }
  }

  #unit(path: SettingPath, type: Type, unit: string): readonly EpochColumn[] {
    try {
      return [epochColumn(type, unit)]
    } catch (error) {
      this.#report([...path, 'unit'], errorMessage(error))
      return []
    }
  }

  #deadLetterTable(table: TableIdentifier): TableIdentifier {
    const named = this.#resolved.value.errors.dlq.table
    if (named === undefined) return { namespace: table.namespace, name: `${table.name}__dlq` }
    if (formatIdentifier(named) === formatIdentifier(table)) {
      this.#report(['errors', 'dlq', 'table'], 'is the table of the stream itself')
    }
    return named
  }

  #atLeast(key: SettingPath, value: number, least: number, word: string): number {
    if (value < least) this.#report(['output', 'iceberg', 'commit', ...key], `at least ${word}`)
    return value
  }

  #memory(bytes: number): number {
    if (bytes < 32e6) this.#report(['limits', 'memory'], 'at least 32MB')
    return bytes
  }

  #report(path: SettingPath, message: string): void {
    this.problems.push(this.#resolved.problem(path, message))
  }
}

function meaninglessKeys(mode: StreamSettings['schema']['mode']): readonly string[] {
  return mode === 'key_value' ? jsonKeys : keyValueKeys
}

function later(what: string, instead: string): string {
  return `${what} is not in this release: ${instead}`
}
