/** One model from plan to commit, again and again while rivals come between. */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ConflictError } from '../../catalog/index.ts'
import { unreachable } from '../../common/index.ts'
import { openQueryStage } from '../../sql/index.ts'
import { appendRows } from '../materialize/append-rows.ts'
import { RunConflictError } from '../materialize/commit-run.ts'
import { insertIntervals } from '../materialize/insert-intervals.ts'
import { keepHistory } from '../materialize/keep-history.ts'
import {
  type Attempt,
  type BatchTools,
  type Outcome,
  previousState,
  type RunFlags,
} from '../materialize/materialize.ts'
import { pinTables } from '../materialize/pinned-tables.ts'
import type { Rendering } from '../materialize/render-model.ts'
import { replaceTable } from '../materialize/replace-table.ts'
import type { Model } from '../project/model.ts'

/** Rounds lost against other runs, or against compaction of the model's own files. */
const attemptsMax = 8

export async function runModel(
  tools: BatchTools,
  rendering: Rendering,
  model: Model,
  flags: RunFlags,
  signal?: AbortSignal,
): Promise<Outcome> {
  for (let lost = 0; ; lost++) {
    try {
      return await attemptModel(tools, rendering, model, flags, lost > 0, signal)
    } catch (error) {
      const isLost = error instanceof RunConflictError || error instanceof ConflictError
      if (!isLost || lost + 1 >= attemptsMax) throw error
      tools.logger.info('model.conflict', { model: model.name, reason: error.message })
    }
  }
}

async function attemptModel(
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

function materialize(attempt: Attempt): Promise<Outcome> {
  const { materialized, intervals, snapshot } = attempt.model.config
  switch (materialized) {
    case 'table':
      return replaceTable(attempt)
    case 'incremental':
      return intervals === undefined ? appendRows(attempt) : insertIntervals(attempt, intervals)
    case 'snapshot':
      return snapshot === undefined ? replaceTable(attempt) : keepHistory(attempt, snapshot)
    default:
      return unreachable(materialized)
  }
}
