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
  /** Of a plan: about how many. */
  readonly filesAfter: number
  readonly bytesBefore: bigint
  /** Undefined of a plan: only the writing shows it. */
  readonly bytesAfter: bigint | undefined
  /** Rows of the inputs, deleted ones included. */
  readonly rows: bigint
  readonly rowsDeleted: bigint | undefined
}

export interface RewriteReport {
  /** Planned, or committed. */
  readonly groups: readonly GroupReport[]
  readonly skipped: readonly SkippedFile[]
  /** Delete files that applied to nothing any more and went out in the same commits. */
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

/** As people write a partition, not escaped as its folder is. */
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
