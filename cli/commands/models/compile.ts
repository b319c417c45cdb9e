/** `tide compile`: the SQL that a model would run. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Command } from 'commander'
import { firstSpan, renderTemplate } from '../../../batch-jobs/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { nothingChosen } from '../../frame/nothing-chosen.ts'
import { type ModelFlags, selectionFlags } from './model-flags.ts'
import { selectedModels } from './selected-models.ts'

export function defineCompile(compile: Command, context: CliContext): void {
  selectionFlags(compile)
    .description('write the SQL of models to target/compiled; run nothing')
    .option('--vars <yaml>', "what var('name') gives")
    .action((flags: ModelFlags) => compileModels(context, flags))
}

/** The SQL as a first run would see it; of one model it is printed too. */
async function compileModels(context: CliContext, flags: ModelFlags): Promise<void> {
  const { project, models, vars } = await selectedModels(context, flags)
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
