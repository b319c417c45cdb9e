/** `tide ls` and `tide compile`: what a project holds, without running any of it. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import {
  firstSpan,
  loadProject,
  type Model,
  type Project,
  renderTemplate,
  selectModels,
} from '../../../batch-jobs/index.ts'
import { formatIdentifier } from '../../../catalog/format/index.ts'
import { parseVars } from '../../../batch-jobs/settings/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { type ModelFlags, projectDirectory, selection } from './model-flags.ts'
import { nothingChosen } from '../../frame/nothing-chosen.ts'
import type { Row } from '../../frame/output.ts'

export async function listModels(context: CliContext, flags: ModelFlags): Promise<void> {
  const { models, project } = await chosen(context, flags)
  await context.print({
    columns: [
      { key: 'name' },
      { key: 'materialized' },
      { key: 'table' },
      { key: 'depends_on' },
      { key: 'tags' },
      { key: 'cron' },
      { key: 'file', wide: true },
    ],
    rows: models.map((model): Row => {
      const { config, dependsOn, sourceTables } = model
      return {
        name: model.name,
        materialized: config.materialized,
        table: formatIdentifier(model.table),
        depends_on: [...dependsOn, ...sourceTables.map(formatIdentifier)].join(' '),
        tags: config.tags.join(' '),
        cron: config.cron ?? null,
        file: model.file,
      }
    }),
    empty: nothingChosen(project.models, models, 'list'),
  })
}

/** The SQL as a first run would see it; of one model it is printed too. */
export async function compileModels(context: CliContext, flags: ModelFlags): Promise<void> {
  const { project, models, vars } = await chosen(context, flags)
  const environment = await context.wholeEnvironment()
  const rendering = {
    project,
    vars,
    environment: (name: string) => environment[name],
    runId: 'compile',
  }
  if (models.length === 0) context.note(nothingChosen(project.models, models, 'list'))
  for (const model of models) {
    const { intervals } = model.config
    const span = intervals === undefined ? undefined : firstSpan(intervals, context.clock.now())
    const words = { table: model.table, isIncremental: false, span }
    const sql = renderTemplate(rendering, model.template, words)
    // Several snapshots of one YAML file are told apart by their names behind a #.
    const file = `target/compiled/${model.file.replaceAll('#', '.')}`
    const path = join(project.directory, file)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, `${sql}\n`)
    if (models.length === 1) context.write(`${sql}\n`)
    else context.note(`${model.name}: ${file}`)
  }
}

async function chosen(
  context: CliContext,
  flags: ModelFlags,
): Promise<{
  readonly project: Project
  readonly models: readonly Model[]
  readonly vars: Readonly<Record<string, string>>
}> {
  const { settings } = await context.loadLake()
  const project = await loadProject({
    directory: projectDirectory(context, flags),
    namespace: settings.models.namespace,
    environment: await context.wholeEnvironment(),
  })
  const { select, exclude } = selection(flags)
  const given = flags.vars === undefined ? {} : parseVars(flags.vars)
  return {
    project,
    models: selectModels(project.models, select, exclude),
    vars: { ...settings.models.vars, ...given },
  }
}
