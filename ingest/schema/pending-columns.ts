/**
 * Columns that records have brought and no commit has made yet (docs/spec/exactly-once.md, E9). Rows are
 * decoded and written by the schema that has them; the commit of these rows makes them.
 */
import { currentSchema, formatType } from '../../catalog/format/index.ts'
import { type SchemaChanges, stageSchema, type Table } from '../../catalog/index.ts'
import type { Clock } from '../../common/index.ts'
import type { AddedColumn, SchemaEvolution } from '../decode/row-decoder.ts'

export interface PendingColumns {
  readonly added: readonly AddedColumn[]
  /** What is left to add to a schema that others may have changed; nothing once a commit has made them. */
  readonly changes: SchemaChanges
}

/** The table with the pending columns, in the order in which they were found, with nothing committed. */
export function stagePending(
  committed: Table,
  pending: readonly PendingColumns[],
  clock: Clock,
): Table {
  return pending.reduce((table, { changes }) => stageSchema(table, changes, clock), committed)
}

/** What records need beyond the columns of `staged`; `columns` is undefined when that is nothing. */
export function evolvePending(
  staged: Table,
  evolution: SchemaEvolution,
): { readonly columns: PendingColumns | undefined; readonly notes: readonly string[] } {
  const { added, notes } = evolution(currentSchema(staged.metadata))
  const changes: SchemaChanges = (schema) => evolution(schema).added
  return { columns: added.length === 0 ? undefined : { added, changes }, notes }
}

/** For people: the dotted path and the type. */
export function describeColumn({ parent, name, type }: AddedColumn): string {
  return `${[...parent, name].join('.')}: ${formatType(type)}`
}
