/** The models of the project that the flags select, with their variables; no lake is opened. */
import { type Model, type Project, loadProject, selectModels } from '../../../batch-jobs/index.ts'
import { parseVars } from '../../../batch-jobs/settings/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { type ModelFlags, projectDirectory, selection } from './model-flags.ts'

export async function selectedModels(
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
