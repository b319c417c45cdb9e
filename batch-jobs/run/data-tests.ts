/** Data tests: queries whose rows are failures, for columns, for files in `tests/` and for histories. */
import {
  type QueryStage,
  openQueryStage,
  quoteIdentifier,
  quoteLiteral,
  quoteTable,
} from '../../sql/index.ts'
import type { DataTest, SnapshotModelConfig } from '../settings/model-settings.ts'
import { unreachable, ValidationError } from '../../common/index.ts'
import { historyColumns, metaNames } from '../materialize/history-columns.ts'
import { historyFaults } from '../materialize/keep-history.ts'
import type { BatchTools } from '../materialize/model-run.ts'
import { pinTables } from '../materialize/pinned-tables.ts'
import { type Rendering, renderTemplate } from '../materialize/render-model.ts'
import type { Model, Project, SingularTest } from '../project/model.ts'
import { parseTemplate } from '../project/template.ts'
import { freeName, type NamedColumnTest, namedColumnTests } from './test-names.ts'

export interface DataTestNode {
  /** Unique in the project, whichever models are selected (B13). */
  readonly name: string
  /** True for tests of a history, which run after every run of it, whether tests were requested or not. */
  readonly isInvariant: boolean
  readonly dependsOn: readonly string[]
  readonly column: string | undefined
  /** The query whose rows are failures. */
  readonly sql: (rendering: Rendering, stage: QueryStage) => Promise<string>
}

export interface DataTestOutcome {
  readonly failures: number
  readonly sql: string
}

/** Every test that belongs to one of `models`, whose upstream models are all chosen or built already. */
export function dataTests(project: Project, models: readonly Model[]): readonly DataTestNode[] {
  const chosen = new Set(models.map(({ name }) => name))
  const singular = project.tests.filter(
    ({ dependsOn }) => dependsOn.length === 0 || dependsOn.some((name) => chosen.has(name)),
  )
  // The tests of all models get names, so that a name does not depend on the selection.
  const used = new Set(project.tests.map(({ name }) => name))
  const histories = project.models.flatMap((model) => {
    const { snapshot } = model.config
    if (snapshot === undefined) return []
    return [{ model, snapshot, name: freeName(`one_current_row_${model.name}`, used) }]
  })
  const columns = namedColumnTests(project, used)
  const isChosen = ({ model }: { readonly model: Model }): boolean => chosen.has(model.name)
  return [
    ...columns.filter(isChosen).map((test) => columnTest(project, test)),
    ...histories.filter(isChosen).map(historyTest),
    ...singular.map(singularTest),
  ]
}

/** Runs the test on the tables as they are now, each pinned at its first load. */
export async function runDataTest(
  tools: BatchTools,
  rendering: Rendering,
  test: DataTestNode,
): Promise<DataTestOutcome> {
  const pins = pinTables(tools.catalog)
  const stage = await openQueryStage({ ...tools.query, catalog: pins.catalog })
  try {
    const sql = await test.sql(rendering, stage)
    const { rowCount } = await stage.load('faults', sql)
    return { failures: rowCount, sql }
  } finally {
    stage.close()
  }
}

function columnTest(
  project: Project,
  { name, model, column, test }: NamedColumnTest,
): DataTestNode {
  const upstream = test.kind === 'relationships' ? targetOf(project, model, test.to) : undefined
  return {
    name,
    isInvariant: false,
    dependsOn: [...new Set([model.name, ...(upstream?.refs ?? [])])],
    column,
    sql: (rendering) => {
      const words = { table: model.table, isIncremental: false, span: undefined }
      const target = upstream === undefined ? '' : renderTemplate(rendering, upstream, words)
      return Promise.resolve(
        columnTestSql(quoteTable(model.table), quoteIdentifier(column), test, target),
      )
    },
  }
}

function targetOf(project: Project, model: Model, to: string): ReturnType<typeof parseTemplate> {
  const template = parseTemplate(`{{ ${to} }}`, `${model.file} (relationships)`)
  const names = project.models.map(({ name }) => name)
  const missing = template.refs.find((name) => !names.includes(name))
  if (missing === undefined) return template
  throw new ValidationError(
    `${model.file}: a relationships test names ref('${missing}'), which is not a model`,
  )
}

function columnTestSql(table: string, column: string, test: DataTest, target: string): string {
  switch (test.kind) {
    case 'unique':
      return `SELECT ${column}, count(*) AS n FROM ${table} WHERE ${column} IS NOT NULL GROUP BY ${column} HAVING count(*) > 1`
    case 'not_null':
      return `SELECT * FROM ${table} WHERE ${column} IS NULL`
    case 'accepted_values': {
      const values = test.values.map(quoteLiteral).join(', ')
      return `SELECT ${column}, count(*) AS n FROM ${table} WHERE CAST(${column} AS VARCHAR) NOT IN (${values}) GROUP BY ${column}`
    }
    case 'relationships':
      return `SELECT child.${column} FROM ${table} AS child ANTI JOIN ${target} AS parent ON child.${column} = parent.${quoteIdentifier(test.field)} WHERE child.${column} IS NOT NULL`
    default:
      return unreachable(test)
  }
}

function singularTest({ name, template, dependsOn }: SingularTest): DataTestNode {
  return {
    name,
    isInvariant: false,
    dependsOn,
    column: undefined,
    sql: (rendering) => {
      const words = { table: undefined, isIncremental: false, span: undefined }
      return Promise.resolve(renderTemplate(rendering, template, words))
    },
  }
}

/** One current row per key and no overlaps, checked in the table itself after every run. */
function historyTest({
  name,
  model,
  snapshot: config,
}: {
  readonly name: string
  readonly model: Model
  readonly snapshot: SnapshotModelConfig
}): DataTestNode {
  return {
    name,
    isInvariant: true,
    dependsOn: [model.name],
    column: undefined,
    sql: async (_rendering, stage) => {
      await stage.load('shape', `SELECT * FROM ${quoteTable(model.table)} LIMIT 0`)
      const stored = await stage.columns('shape')
      const own = new Set(Object.values(metaNames(config.metaColumns)))
      const shared = config.updatedAt
      const source = stored.filter(({ name }) => !own.has(name) || name === shared)
      const columns = historyColumns(model.file, config, source)
      const faults = Object.values(historyFaults({ config, columns }, quoteTable(model.table)))
      return faults
        .map((sql) => `SELECT count(*) AS n FROM (${sql}) HAVING count(*) > 0`)
        .join(' UNION ALL ')
    },
  }
}
