/** `models/*.yml` and `snapshots/*.yml`: descriptions, configs and tests beside the SQL, and sources. */
import { SettingsError } from '../../common/index.ts'
import { parseDataTest } from './data-test.ts'
import {
  field,
  type VariableSource,
  resolveTree,
  isRawMap,
  type RawMap,
  type RawValue,
  type SettingTree,
  parseYamlTree,
} from '../../settings/index.ts'
import type { ConfigLayer } from './model-config.ts'
import type { ColumnTests } from './model-settings.ts'

export interface ModelEntry {
  readonly name: string
  /** A snapshot without SQL: `ref('model')` or `source('name', 'table')`. */
  readonly relation: string | undefined
  readonly config: ConfigLayer
  readonly columns: readonly ColumnTests[]
  /** `file:line:col` of the entry. */
  readonly place: string
}

export interface SourceEntry {
  readonly name: string
  /** Namespace of its tables. */
  readonly schema: string
  readonly tables: readonly {
    readonly name: string
    readonly identifier: string
    /** The column with the event time of a row. */
    readonly eventTime: string | undefined
  }[]
}

export interface ModelDocument {
  readonly models: readonly ModelEntry[]
  readonly snapshots: readonly ModelEntry[]
  readonly sources: readonly SourceEntry[]
}

const rawMap = (value: RawValue): RawMap => {
  if (isRawMap(value)) return value
  throw new SettingsError('expected keys and values')
}

const column = field.section({
  name: field.text(),
  description: field.text().optional(),
  data_type: field.text().optional(),
  meta: field.structured((value) => value).optional(),
  tests: field.list(field.structured(parseDataTest), 'tests').optional(),
  data_tests: field.list(field.structured(parseDataTest), 'tests').optional(),
})

const entry = field.section({
  name: field.text(),
  description: field.text().optional(),
  relation: field.text().optional(),
  config: field.structured(rawMap).optional(),
  columns: field.list(column, '{name, tests}').optional(),
})

const sourceTable = field.section({
  name: field.text(),
  identifier: field.text().optional(),
  description: field.text().optional(),
  config: field.section({ event_time: field.text().optional() }).prefault({}),
})

const documentSchema = field.section({
  version: field.text().optional(),
  models: field.list(entry, '{name, config, columns}').optional(),
  snapshots: field.list(entry, '{name, config, columns}').optional(),
  sources: field
    .list(
      field.section({
        name: field.text(),
        description: field.text().optional(),
        schema: field.text().optional(),
        tables: field.list(sourceTable, '{name}').optional(),
      }),
      '{name, schema, tables}',
    )
    .optional(),
})

const laterKeys: Readonly<Record<string, string>> = {
  'models.columns.constraints': 'constraints are not in this release: use tests',
  'sources.freshness': 'freshness is not in this release',
  seeds: 'seeds are not in this release',
  unit_tests: 'unit tests are not in this release',
}

/** Throws SettingsProblemsError with every fault. */
export function parseModelDocument(
  text: string,
  file: string,
  variables: VariableSource,
): ModelDocument {
  const tree = parseYamlTree(text, file, variables)
  const { value } = resolveTree(documentSchema, tree, {
    variables: () => undefined,
    overrides: [],
    laterKeys,
  })
  const entries = (section: 'models' | 'snapshots'): readonly ModelEntry[] =>
    (value[section] ?? []).map((each, index) => modelEntry(each, tree, [section, index]))
  return {
    models: entries('models'),
    snapshots: entries('snapshots'),
    sources: (value.sources ?? []).map((source) => ({
      name: source.name,
      schema: source.schema ?? source.name,
      tables: (source.tables ?? []).map((table) => ({
        name: table.name,
        identifier: table.identifier ?? table.name,
        eventTime: table.config.event_time,
      })),
    })),
  }
}

/** `--vars`: YAML such as `{day: 2024-01-01, n: 3}` or `day: 2024-01-01`. Throws SettingsError. */
export function parseVars(text: string): Readonly<Record<string, string>> {
  const tree = parseYamlTree(text, '--vars', () => undefined)
  const entries = Object.entries(tree.value)
  const [problem] = tree.problems
  if (problem !== undefined) throw new SettingsError(`--vars: ${problem.message}`)
  return Object.fromEntries(
    entries.map(([name, value]) => {
      if (typeof value === 'string') return [name, value]
      throw new SettingsError(`--vars: ${name} is not a plain value`)
    }),
  )
}

function modelEntry(
  each: field.Values<typeof entry>,
  tree: SettingTree,
  path: readonly (string | number)[],
): ModelEntry {
  const origin = tree.valueOrigins.nearest(path)
  const place =
    origin.kind === 'file'
      ? `${origin.position.file}:${origin.position.line}:${origin.position.col}`
      : ''
  const described = each.description === undefined ? {} : { description: each.description }
  return {
    name: each.name,
    relation: each.relation,
    config: {
      values: { ...described, ...each.config },
      originOf: (key) => tree.valueOrigins.nearest([...path, 'config', key]),
    },
    columns: (each.columns ?? []).map(({ name, tests, data_tests: dataTests }) => ({
      column: name,
      tests: [...(tests ?? []), ...(dataTests ?? [])],
    })),
    place,
  }
}
