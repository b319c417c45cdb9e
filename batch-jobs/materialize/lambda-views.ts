/**
 * Models with `lambda: true` as views of a query engine: finished intervals from the model's table, the rest
 * from the sources up to their newest row, committed or not (B11).
 */
import { formatIdentifier } from '../../catalog/format/index.ts'
import type { ViewSource, ViewState } from '../../sql/index.ts'
import { union, type Span } from '../intervals/interval.ts'
import { timedTables } from '../intervals/staleness.ts'
import { type ChangeSource, timesOf } from '../intervals/source-changes.ts'
import type { Model } from '../project/model.ts'
import { lambdaView } from './lambda-sql.ts'
import type { Rendering } from './render-model.ts'

export function lambdaViews(source: ChangeSource, rendering: Rendering): ViewSource {
  const models = new Map(
    rendering.project.models
      .filter(({ config }) => config.intervals?.lambda === true)
      .map((model) => [formatIdentifier(model.table), model]),
  )
  return {
    viewOf: async (identifier, state) => {
      const model = models.get(formatIdentifier(identifier))
      if (model === undefined) return undefined
      const streamingTimes = await streamingTimesOf(rendering, model, state)
      const { sql } = await lambdaView(source, { rendering, model, pins: state, streamingTimes })
      return sql
    },
  }
}

/** Event times of the streaming rows of the model's sources: the intervals of these are not finished. */
async function streamingTimesOf(
  rendering: Rendering,
  model: Model,
  { load, streamingRows }: ViewState,
): Promise<readonly Span[]> {
  const spans: Span[] = []
  for (const { table, field } of await timedTables(rendering.project, model, load)) {
    for (const file of (await streamingRows(table))?.files ?? []) {
      const times = timesOf(file, field)
      if (times === 'unknown') spans.push(always)
      else if (times !== undefined) spans.push(times)
    }
  }
  return union(spans)
}

const always: Span = {
  startMs: Date.parse('0001-01-01T00:00:00Z'),
  endMs: Date.parse('9999-01-01T00:00:00Z'),
}
