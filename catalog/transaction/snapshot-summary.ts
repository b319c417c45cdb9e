/**
 * The summary of an append (spec, "Snapshots", "Optional Snapshot Summary Fields").
 *
 * Totals are carried forward from the parent as Java does: a total that the parent does not state is
 * left out, because a guess would be believed (iceberg-facts 34).
 */
import { ValidationError } from '../../common/index.ts'
import { partitionPath } from '../spec/partition-path.ts'
import type { DataFile, PartitionSpec, Schema, Snapshot, Summary } from '../spec/types.ts'

const totals = [
  'total-records',
  'total-files-size',
  'total-data-files',
  'total-delete-files',
  'total-position-deletes',
  'total-equality-deletes',
] as const

const reserved: ReadonlySet<string> = new Set([
  'operation',
  'added-data-files',
  'added-records',
  'added-files-size',
  'changed-partition-count',
  ...totals,
])

export function appendSummary(
  files: readonly DataFile[],
  parent: Snapshot | undefined,
  partitionCount: number,
  extra: Readonly<Record<string, string>>,
): Summary {
  for (const key of Object.keys(extra)) {
    if (reserved.has(key)) {
      throw new ValidationError('this summary entry is computed and cannot be given', {
        facts: { key },
      })
    }
  }
  const records = sum(files, (file) => file.recordCount)
  const sizeBytes = sum(files, (file) => file.fileSizeInBytes)
  const added = {
    'total-records': records,
    'total-files-size': sizeBytes,
    'total-data-files': BigInt(files.length),
  }
  return {
    ...extra,
    operation: 'append',
    ...(files.length === 0
      ? {}
      : {
          'added-data-files': String(files.length),
          'added-records': String(records),
          'added-files-size': String(sizeBytes),
        }),
    'changed-partition-count': String(partitionCount),
    ...carriedTotals(parent, added),
  }
}

/** How many partitions the files touch, over all specs. */
export function countPartitions(
  files: readonly DataFile[],
  specs: ReadonlyMap<number, PartitionSpec>,
  schema: Schema,
): number {
  const paths = files.map((file) => {
    const spec = specs.get(file.specId)
    return `${file.specId}:${spec === undefined ? '' : partitionPath(spec, schema, file.partition)}`
  })
  return new Set(paths).size
}

function carriedTotals(
  parent: Snapshot | undefined,
  added: Readonly<Record<string, bigint>>,
): Record<string, string> {
  const carried: Record<string, string> = {}
  for (const key of totals) {
    const before = parent === undefined ? '0' : parent.summary?.[key]
    if (before === undefined || !/^\d+$/.test(before)) continue
    carried[key] = String(BigInt(before) + (added[key] ?? 0n))
  }
  return carried
}

function sum(files: readonly DataFile[], of: (file: DataFile) => bigint): bigint {
  return files.reduce((total, file) => total + of(file), 0n)
}
