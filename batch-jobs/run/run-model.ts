/** One model from plan to commit, repeated while other runs conflict with it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ConflictError } from '../../catalog/index.ts'
import { openQueryStage } from '../../sql/index.ts'
import { RunConflictError } from '../materialize/commit-run.ts'
import { materialize } from '../materialize/materialize.ts'
import {
  type BatchTools,
  type Outcome,
  previousState,
  type RunFlags,
} from '../materialize/model-run.ts'
import { pinTables } from '../materialize/pinned-tables.ts'
import type { Rendering } from '../materialize/render-model.ts'
import type { Model } from '../project/model.ts'

/** Conflicts with other runs, or with compaction of the model's own files, until the run fails. */
const conflictsMax = 8

export async function runModel(
  tools: BatchTools,
  rendering: Rendering,
  model: Model,
  flags: RunFlags,
  signal?: AbortSignal,
): Promise<Outcome> {
  for (let conflicts = 0; ; conflicts++) {
    try {
      return await runOnce(tools, rendering, model, flags, conflicts > 0, signal)
    } catch (error) {
      const isConflict = error instanceof RunConflictError || error instanceof ConflictError
      if (!isConflict || conflicts + 1 >= conflictsMax) throw error
      tools.logger.info('model.conflict', { model: model.name, reason: error.message })
    }
  }
}

async function runOnce(
  tools: BatchTools,
  rendering: Rendering,
  model: Model,
  flags: RunFlags,
  isRetry: boolean,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  const pins = pinTables(tools.catalog)
  const table = await pins.load(model.table)
  const stage = await openQueryStage({ ...tools.query, catalog: pins.catalog }, signal)
  const directory = await mkdtemp(join(tools.workDirectory, 'model-'))
  try {
    return await materialize({
      tools,
      rendering,
      model,
      flags,
      pins,
      stage,
      directory,
      startedMs: tools.clock.now(),
      table,
      previous: previousState(table),
      isRetry,
    })
  } finally {
    stage.close()
    await rm(directory, { recursive: true, force: true })
  }
}
