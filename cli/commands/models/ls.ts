/** `tide ls`: the models and snapshots of a project. */
import type { Command } from 'commander'
import { formatIdentifier } from '../../../catalog/format/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { nothingChosen } from '../../frame/nothing-chosen.ts'
import type { Row } from '../../frame/output.ts'
import { type ModelFlags, selectionFlags } from './model-flags.ts'
import { selectedModels } from './selected-models.ts'

export function defineModelLs(ls: Command, context: CliContext): void {
  selectionFlags(ls.alias('list'))
    .description('list models and snapshots')
    .action((flags: ModelFlags) => listModels(context, flags))
}

async function listModels(context: CliContext, flags: ModelFlags): Promise<void> {
  const { models, project } = await selectedModels(context, flags)
  await context.print({
    columns: ['name', 'materialized', 'table', 'depends_on', 'tags', 'cron', 'file'],
    wide: ['file'],
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
