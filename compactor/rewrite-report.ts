/** What a rewrite did, or would do, for people and programs. */
import {
  type DataFile,
  formatPartitionValue,
  partitionSpecById,
  partitionTypes,
  type TableMetadata,
} from '../catalog/format/index.ts'
import type { RewriteGroup, RewriteReason, SkippedFile } from './plan-rewrite.ts'

export interface GroupReport {
  readonly specId: number
  /** `ts_day=2024-01-02`; empty for an unpartitioned table. */
  readonly partition: string
  readonly reasons: readonly RewriteReason[]
  readonly filesBefore: number
  /** Estimated where the group is only planned. */
  readonly filesAfter: number
  readonly bytesBefore: bigint
  /** Undefined where the group is only planned. */
  readonly bytesAfter: bigint | undefined
  /** Rows of the inputs, deleted ones included. */
  readonly rows: bigint
  readonly rowsDeleted: bigint | undefined
}

export interface RewriteReport {
  /** The groups that were committed, or are planned. */
  readonly groups: readonly GroupReport[]
  readonly skipped: readonly SkippedFile[]
  /** Delete files that applied to no file any more and were removed in the same commits. */
  readonly deleteFilesRemoved: bigint
  /** Files that the plan looked at. */
  readonly filesTotal: number
  readonly isDryRun: boolean
}

export function groupReport(
  metadata: TableMetadata,
  group: RewriteGroup,
  result: { readonly added: readonly DataFile[]; readonly rowsDeleted: bigint } | undefined,
): GroupReport {
  return {
    specId: group.specId,
    partition: partitionText(metadata, group),
    reasons: group.reasons,
    filesBefore: group.tasks.length,
    filesAfter: result?.added.length ?? group.outputFiles,
    bytesBefore: group.sizeBytes,
    bytesAfter: result?.added.reduce((sum, file) => sum + file.fileSizeInBytes, 0n),
    rows: group.recordCount,
    rowsDeleted: result?.rowsDeleted,
  }
}

/** The partition as people read it, not escaped as in the name of its folder. */
export function partitionText(
  metadata: TableMetadata,
  { specId, partition }: Pick<DataFile, 'specId' | 'partition'>,
): string {
  const spec = partitionSpecById(metadata, specId)
  const types = partitionTypes(metadata, spec)
  return spec.fields
    .map(({ name, transform }, index) => {
      const type = types[index] ?? { type: 'string' as const }
      return `${name}=${formatPartitionValue(transform, type, partition[index] ?? null)}`
    })
    .join('/')
}
