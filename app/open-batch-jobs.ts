/** The models of a project over a lake, with an engine, limits and a work directory. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NotFoundError } from '../common/index.ts'
import type {
  BatchTools,
  LambdaRequest,
  LambdaView,
  Project,
  RunOptions,
  RunResults,
  Scheduler,
  SchedulerOptions,
} from '../batch-jobs/index.ts'
import type { ViewSource } from '../sql/index.ts'
import type { Lake } from './lake.ts'
import { openQueryParts } from './open-query-engine.ts'
import { requireSafeStore } from './safe-store.ts'

export interface BatchJobsOptions {
  /** Where `models/`, `snapshots/` and `tests/` lie. */
  readonly directory: string
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** They replace those of the settings. */
  readonly vars?: Readonly<Record<string, string>>
}

export interface LakeBatchJobs {
  readonly project: Project
  readonly tools: BatchTools
  run(options: RunOptions): Promise<RunResults>
  /**
   * The query of a model with `lambda: true`, over tables loaded through `pins`; run it with
   * a catalog that gives those very tables. `streamingTimes`: event times of rows that no snapshot has yet.
   */
  lambdaView(
    model: string,
    pins: LambdaRequest['pins'],
    streamingTimes?: LambdaRequest['streamingTimes'],
  ): Promise<LambdaView>
  /** Each model with `lambda: true` under the name of its table, for an engine that resolves tables by name. */
  lambdaViews(): ViewSource
  /** Not started yet. */
  scheduler(options?: SchedulerOptions): Scheduler
  close(): Promise<void>
}

/** Throws SettingsError or ValidationError for what is wrong with the project. */
export async function openBatchJobs(lake: Lake, options: BatchJobsOptions): Promise<LakeBatchJobs> {
  const { Scheduler, lambdaView, lambdaViews, loadProject, runProject } = await import(
    '../batch-jobs/index.ts'
  )
  const { ManifestCache } = await import('../catalog/index.ts')
  const { models } = lake.settings
  const environment = options.environment ?? {}
  const project = await loadProject({
    directory: options.directory,
    namespace: models.namespace,
    environment,
  })
  await requireSafeStore(lake)
  const parts = await openQueryParts(lake)
  const workDirectory = await mkdtemp(join(tmpdir(), 'tidewater-models-'))
  const { catalog: _, ...query } = parts.options
  const { catalog, io, clock, random, logger } = lake
  const cache = new ManifestCache()
  const tools = { catalog, io, query, clock, random, logger, cache, workDirectory }
  const common = {
    vars: { ...models.vars, ...options.vars },
    environment: (name: string) => environment[name],
  }
  return {
    project,
    tools,
    run: (runOptions) => runProject(tools, project, { ...common, ...runOptions }),
    lambdaView: async (name, pins, streamingTimes = []) => {
      const model = project.models.find((each) => each.name === name)
      if (model === undefined) throw new NotFoundError(`there is no model ${name}`)
      const rendering = { project, ...common, runId: 'lambda' }
      return lambdaView(tools, { rendering, model, pins, streamingTimes })
    },
    lambdaViews: () => {
      const rendering = { project, ...common, runId: 'lambda' }
      return lambdaViews(tools, rendering)
    },
    scheduler: (schedulerOptions = {}) =>
      new Scheduler(tools, project, { ...common, ...schedulerOptions }),
    close: async () => {
      await parts.close()
      await rm(workDirectory, { recursive: true, force: true })
    },
  }
}
