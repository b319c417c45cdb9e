/** Which snapshot a time travel clause means, and the schema that a snapshot is read with. */
import {
  currentSchema,
  currentSnapshot,
  formatTimestamp,
  mainBranch,
  snapshotById,
  type Schema,
  type Snapshot,
  type TableMetadata,
  formatIdentifier,
} from '../../catalog/format/index.ts'
import type { Table } from '../../catalog/index.ts'
import { NotFoundError, UnsupportedError, ValidationError } from '../../common/index.ts'
import type { Constant } from '../text/constant-value.ts'
import { evaluateConstants, isConstant } from './constants.ts'
import { nearestNames } from './nearest-names.ts'
import type { QuerySession } from '../session/query-session.ts'
import type { TimeTravel } from './table-references.ts'

/** The snapshot to read; undefined for a table (or branch) without one. */
export interface ReadPoint {
  readonly snapshot: Snapshot | undefined
  readonly schema: Schema
  /** Set where a branch was named: it is read with the current schema, as `main` is. */
  readonly branch?: string
}

/** The newest state of `main`, with the current schema. */
export function currentReadPoint(metadata: TableMetadata): ReadPoint {
  return { snapshot: currentSnapshot(metadata), schema: currentSchema(metadata) }
}

/**
 * Evaluates the clause and finds its snapshot, which is read with its own schema; a branch with the
 * table's current one (spec, Appendix "Branching and Tagging": only tags and snapshots keep theirs).
 */
export async function travel(
  session: QuerySession,
  table: Table,
  clause: TimeTravel,
): Promise<ReadPoint> {
  if (!isConstant(clause.expression, () => false)) {
    throw new UnsupportedError('time travel needs a constant', {
      facts: { table: formatIdentifier(table.identifier) },
    })
  }
  // A bare string after TIMESTAMP is a time, after VERSION the name of a ref.
  const request = { expression: clause.expression, castTo: undefined }
  let [constant] = await evaluateConstants(session, [request])
  if (clause.unit === 'TIMESTAMP' && constant?.kind === 'string') {
    const castTo = 'TIMESTAMP WITH TIME ZONE'
    ;[constant] = await evaluateConstants(session, [{ ...request, castTo }])
  }
  if (clause.unit === 'VERSION') return atVersion(table, constant)
  return atSnapshot(table.metadata, atTimestamp(table, constant))
}

function atVersion(table: Table, constant: Constant | undefined): ReadPoint {
  const { metadata } = table
  if (constant?.kind === 'exact' && constant.denominator === 1n) {
    return atSnapshot(metadata, snapshotOrThrow(table, constant.numerator))
  }
  if (constant?.kind !== 'string') {
    throw new ValidationError('VERSION is a snapshot id or the name of a branch or tag', {
      facts: { table: formatIdentifier(table.identifier) },
    })
  }
  const name = constant.text
  const ref = Object.hasOwn(metadata.refs, name) ? metadata.refs[name] : undefined
  if (ref !== undefined) {
    const snapshot = snapshotOrThrow(table, ref.snapshotId)
    if (ref.type === 'tag') return atSnapshot(metadata, snapshot)
    return { snapshot, schema: currentSchema(metadata), branch: name }
  }
  if (/^\d{1,19}$/.test(name)) {
    return atSnapshot(metadata, snapshotOrThrow(table, BigInt(name)))
  }
  if (name === mainBranch) return currentReadPoint(metadata)
  const near = nearestNames(name, Object.keys(metadata.refs))
  const hint = near.length > 0 ? `; did you mean ${near.join(' or ')}?` : ''
  throw new NotFoundError(`there is no branch or tag ${name}${hint}`, {
    facts: { table: formatIdentifier(table.identifier) },
  })
}

/** The snapshot that was current at that time: the last entry of the log not after it. */
function atTimestamp(table: Table, constant: Constant | undefined): Snapshot | undefined {
  const micros = instantOf(constant)
  if (micros === undefined) {
    throw new ValidationError('TIMESTAMP is a date or a timestamp, in UTC unless it has a zone', {
      facts: { table: formatIdentifier(table.identifier) },
    })
  }
  const log = table.metadata.snapshotLog
  const entry = log.findLast(({ timestampMs }) => timestampMs * 1000n <= micros)
  if (entry !== undefined) return snapshotOrThrow(table, entry.snapshotId)
  const first = log[0]
  const since =
    first === undefined
      ? 'the table has no snapshot'
      : `its history begins at ${formatTimestamp(first.timestampMs * 1000n)}Z`
  throw new NotFoundError(`there was no snapshot at that time; ${since}`, {
    facts: { table: formatIdentifier(table.identifier), time: `${formatTimestamp(micros)}Z` },
  })
}

function instantOf(constant: Constant | undefined): bigint | undefined {
  if (constant?.kind === 'timestamp' || constant?.kind === 'timestamptz') return constant.micros
  return constant?.kind === 'date' ? BigInt(constant.days) * 86_400_000_000n : undefined
}

function snapshotOrThrow(table: Table, id: bigint): Snapshot {
  const snapshot = snapshotById(table.metadata, id)
  if (snapshot !== undefined) return snapshot
  throw new NotFoundError('the table has no such snapshot (it may have expired)', {
    facts: { table: formatIdentifier(table.identifier), snapshot: id },
  })
}

function atSnapshot(metadata: TableMetadata, snapshot: Snapshot | undefined): ReadPoint {
  const schema = metadata.schemas.find(({ schemaId }) => schemaId === snapshot?.schemaId)
  return { snapshot, schema: schema ?? currentSchema(metadata) }
}
