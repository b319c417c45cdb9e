/**
 * Columns that records have brought or widened and no commit has made yet (docs/spec/exactly-once.md, E9). Rows are
 * decoded and written by the schema that has them; the commit of these rows makes them.
 */
import {
  currentSchema,
  formatType,
  type TableMetadata,
  type Type,
} from '../../catalog/format/index.ts'
import {
  applySchemaChanges,
  type SchemaChange,
  type PropertyChanges,
  type SchemaChanges,
  stageSchema,
  type Table,
} from '../../catalog/index.ts'
import type { Clock } from '../../common/index.ts'
import type { KeyRules } from '../decode/key-rules.ts'
import type {
  AddedColumn,
  SchemaAdditions,
  SchemaEvolution,
  WidenedColumn,
} from '../decode/row-decoder.ts'
import { withInferred } from './inferred-columns.ts'

export interface PendingColumns {
  readonly added: readonly AddedColumn[]
  readonly widened: readonly WidenedColumn[]
  /** Says in the table that the types are inferred; undefined where none was. */
  readonly inferred: ((table: Table) => PropertyChanges) | undefined
  /** What is left to add to a schema that others may have changed; nothing once a commit has made them. */
  readonly changes: SchemaChanges
}

/** The table with the pending columns, in the order in which they were found, with nothing committed. */
export function stagePending(
  committed: Table,
  pending: readonly PendingColumns[],
  clock: Clock,
): Table {
  return stageSchema(committed, allChanges(pending), clock)
}

/** All of them as one change, so that a table keeps one schema for a commit. */
export function allChanges(pending: readonly PendingColumns[]): SchemaChanges {
  return (schema, metadata) => {
    const all: SchemaChange[] = []
    let [now, lastColumnId] = [schema, metadata.lastColumnId]
    for (const { changes } of pending) {
      const next = typeof changes === 'function' ? changes(now, metadata) : changes
      ;({ schema: now, lastColumnId } = applySchemaChanges(now, lastColumnId, next))
      all.push(...next)
    }
    return all
  }
}

/** What records need beyond the columns of `staged`; `columns` is undefined when that is nothing. */
export function evolvePending(
  staged: Table,
  evolution: SchemaEvolution,
  rulesOf: (metadata: TableMetadata) => KeyRules,
  isInferring: boolean,
): EvolvedColumns {
  const { metadata } = staged
  const needed = evolution(currentSchema(metadata), rulesOf(metadata))
  const { added, widened, replaced, notes, refused } = needed
  const changes: SchemaChanges = (schema, table) => {
    const now = evolution(schema, rulesOf(table))
    return [...now.added, ...now.widened]
  }
  const inferred = ({ metadata }: Table): PropertyChanges => ({
    updates: added.reduce<Readonly<Record<string, string>>>(
      (properties, { parent, name, type }) => {
        const all = { ...metadata.properties, ...properties }
        return withInferred(all, parent.join('.'), [{ name, type }])
      },
      {},
    ),
  })
  const isNothing = added.length === 0 && widened.length === 0
  return {
    columns: isNothing
      ? undefined
      : {
          added,
          widened,
          changes,
          inferred: isInferring && added.length > 0 ? inferred : undefined,
        },
    replaced,
    notes,
    refused,
  }
}

export interface EvolvedColumns extends Pick<SchemaAdditions, 'notes' | 'refused' | 'replaced'> {
  readonly columns: PendingColumns | undefined
}

/** For people: the dotted path and the type. */
export function describeColumn(path: readonly string[], type: Type): string {
  return `${path.join('.')}: ${formatType(type)}`
}
