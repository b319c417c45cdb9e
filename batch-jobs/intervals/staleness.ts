/** Which of a model's intervals are stale: each done span with the times that changed in its sources. */
import {
  type NestedField,
  formatIdentifier,
  type TableIdentifier,
} from '../../catalog/format/index.ts'
import type { Table } from '../../catalog/index.ts'
import { ValidationError } from '../../common/index.ts'
import type { Model, Project } from '../project/model.ts'
import type { SpanStaleness } from './freshness.ts'
import { type Span, union } from './interval.ts'
import { type ModelState, type SourceStates, sourceStateOf } from './model-state.ts'
import { changedTimes, type ChangeSource, eventTimeField } from './source-changes.ts'

/** A table that a model reads, with the column of its event time. */
export interface TimedTable {
  readonly name: string
  readonly table: Table
  readonly field: NestedField
}

export type LoadTable = (identifier: TableIdentifier) => Promise<Table | undefined>

/**
 * The tables with event time among those that the model reads. The column is the one that the project
 * declares for the table, or else the one with the name of the model's own event time. Changes of all other
 * tables reach finished intervals only by lookback or a rebuild, as in dbt.
 */
export async function timedTables(
  project: Project,
  model: Model,
  load: LoadTable,
): Promise<readonly TimedTable[]> {
  const own = model.config.intervals?.eventTime ?? ''
  const timed: TimedTable[] = []
  for (const identifier of upstreamTables(project, model)) {
    const table = await load(identifier)
    if (table === undefined) continue
    const declared = project.eventTimeOf(identifier)
    const field = eventTimeField(table.metadata, declared ?? own)
    const name = formatIdentifier(identifier)
    if (field !== undefined) timed.push({ name, table, field })
    else if (declared !== undefined) {
      throw new ValidationError('the event_time of a source is not a column of its table', {
        facts: { table: name, event_time: declared },
      })
    }
  }
  if (timed.length > 0) return timed
  throw new ValidationError(
    `${model.file}: none of its sources has the column ${own}, so the intervals of late rows cannot be determined: give one its event_time (in the config of a model, or under sources: tables: config)`,
  )
}

export function upstreamTables(project: Project, model: Model): readonly TableIdentifier[] {
  const refs = model.dependsOn.flatMap((name) => {
    const upstream = project.models.find((each) => each.name === name)
    return upstream === undefined ? [] : [upstream.table]
  })
  return [...refs, ...model.sourceTables]
}

export function timedStates(timed: readonly TimedTable[]): SourceStates {
  return new Map(timed.map(({ name, table }) => [name, sourceStateOf(table.metadata)]))
}

export async function stalenessOf(
  source: ChangeSource,
  timed: readonly TimedTable[],
  state: ModelState | undefined,
): Promise<readonly SpanStaleness[]> {
  const staleness: SpanStaleness[] = []
  for (const span of state?.done ?? []) {
    staleness.push({ ...span, changed: await changesFor(source, timed, span.sources) })
  }
  return staleness
}

async function changesFor(
  source: ChangeSource,
  timed: readonly TimedTable[],
  since: SourceStates,
): Promise<readonly Span[] | 'unknown'> {
  const changed: Span[] = []
  for (const { name, table, field } of timed) {
    const before = since.get(name)
    const times =
      before === undefined ? 'unknown' : await changedTimes(source, table, before, field)
    if (times === 'unknown') return 'unknown'
    changed.push(...times)
  }
  return union(changed)
}
