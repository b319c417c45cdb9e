/**
 * The summary of a snapshot (spec, "Snapshots", "Optional Snapshot Summary Fields").
 *
 * Totals are carried forward from the parent as Java does: a total that the parent does not state is
 * left out, because readers would take a guess as exact (iceberg-facts 34).
 */
import { ValidationError } from '../../common/index.ts'
import { partitionPath } from '../format/partition-path.ts'
import { currentSchema } from '../format/table-metadata.ts'
import type {
  DataFile,
  Snapshot,
  SnapshotOperation,
  Summary,
  TableMetadata,
} from '../format/types.ts'

export interface SnapshotChange {
  readonly operation: SnapshotOperation
  /** Data and delete files, distinguished by their `content`. */
  readonly added: readonly DataFile[]
  readonly removed: readonly DataFile[]
  /** Entries of the caller; computed ones cannot be given. */
  readonly extra: Readonly<Record<string, string>>
}

interface Counts {
  readonly dataFiles: bigint
  readonly records: bigint
  readonly filesSize: bigint
  readonly deleteFiles: bigint
  readonly positionDeleteFiles: bigint
  readonly positionDeletes: bigint
  readonly equalityDeleteFiles: bigint
  readonly equalityDeletes: bigint
}

/** Each count with the names of the spec for what is added, removed and in total. */
const names: {
  readonly [C in keyof Counts]: {
    readonly added: string
    readonly removed: string
    readonly total?: string
  }
} = {
  dataFiles: {
    added: 'added-data-files',
    removed: 'deleted-data-files',
    total: 'total-data-files',
  },
  records: { added: 'added-records', removed: 'deleted-records', total: 'total-records' },
  filesSize: {
    added: 'added-files-size',
    removed: 'removed-files-size',
    total: 'total-files-size',
  },
  deleteFiles: {
    added: 'added-delete-files',
    removed: 'removed-delete-files',
    total: 'total-delete-files',
  },
  positionDeleteFiles: {
    added: 'added-position-delete-files',
    removed: 'removed-position-delete-files',
  },
  positionDeletes: {
    added: 'added-position-deletes',
    removed: 'removed-position-deletes',
    total: 'total-position-deletes',
  },
  equalityDeleteFiles: {
    added: 'added-equality-delete-files',
    removed: 'removed-equality-delete-files',
  },
  equalityDeletes: {
    added: 'added-equality-deletes',
    removed: 'removed-equality-deletes',
    total: 'total-equality-deletes',
  },
}

const keys = Object.keys(names) as readonly (keyof Counts)[]

const reserved: ReadonlySet<string> = new Set([
  'operation',
  'changed-partition-count',
  ...keys.flatMap((key) => Object.values(names[key])),
])

export function snapshotSummary(
  metadata: TableMetadata,
  parent: Snapshot | undefined,
  change: SnapshotChange,
): Summary {
  for (const key of Object.keys(change.extra)) {
    if (reserved.has(key)) {
      throw new ValidationError('this summary entry is computed and cannot be given', {
        facts: { key },
      })
    }
  }
  const added = countsOf(change.added)
  const removed = countsOf(change.removed)
  const entries: Record<string, string> = {}
  for (const key of keys) {
    const name = names[key]
    if (added[key] > 0n) entries[name.added] = String(added[key])
    if (removed[key] > 0n) entries[name.removed] = String(removed[key])
    const before = name.total === undefined ? undefined : totalOf(parent, name.total)
    if (name.total === undefined || before === undefined) continue
    const total = before + added[key] - removed[key]
    // A total below zero shows that the parent's was wrong, and is left out.
    if (total >= 0n) entries[name.total] = String(total)
  }
  return {
    ...change.extra,
    operation: change.operation,
    'changed-partition-count': String(
      countPartitions(metadata, [...change.added, ...change.removed]),
    ),
    ...entries,
  }
}

function countsOf(files: readonly DataFile[]): Counts {
  const of = (content: DataFile['content']): readonly DataFile[] =>
    files.filter((file) => file.content === content)
  const data = of('data')
  const positions = of('position-deletes')
  const equalities = of('equality-deletes')
  return {
    dataFiles: BigInt(data.length),
    records: sum(data, (file) => file.recordCount),
    filesSize: sum(files, (file) => file.fileSizeInBytes),
    deleteFiles: BigInt(positions.length + equalities.length),
    positionDeleteFiles: BigInt(positions.length),
    positionDeletes: sum(positions, (file) => file.recordCount),
    equalityDeleteFiles: BigInt(equalities.length),
    equalityDeletes: sum(equalities, (file) => file.recordCount),
  }
}

/** How many partitions the files touch, over all specs. */
function countPartitions(metadata: TableMetadata, files: readonly DataFile[]): number {
  const specs = new Map(metadata.partitionSpecs.map((spec) => [spec.specId, spec]))
  const schema = currentSchema(metadata)
  const paths = files.map((file) => {
    const spec = specs.get(file.specId)
    return `${file.specId}:${spec === undefined ? '' : partitionPath(spec, schema, file.partition)}`
  })
  return new Set(paths).size
}

function totalOf(parent: Snapshot | undefined, key: string): bigint | undefined {
  const text = parent === undefined ? '0' : parent.summary?.[key]
  return text !== undefined && /^\d+$/.test(text) ? BigInt(text) : undefined
}

function sum(files: readonly DataFile[], of: (file: DataFile) => bigint): bigint {
  return files.reduce((total, file) => total + of(file), 0n)
}
