/**
 * The health of a table, check by check: its state, what is wrong with it, and the command that repairs it.
 * Read from metadata and manifests alone; no data file is opened.
 */
import { currentSnapshot, formatIdentifier, type TableIdentifier } from '../catalog/format/index.ts'
import {
  ManifestCache,
  planExpiry,
  readSnapshotManifests,
  retentionRules,
  type Table,
} from '../catalog/index.ts'
import { TablePropertyError } from '../catalog/table/index.ts'
import { planScan, type ScanPlan } from '../catalog/scan/index.ts'
import { formatDuration, formatSize } from '../common/index.ts'
import { deletedRowsOf, planRewrite } from './plan-rewrite.ts'
import { rewriteOptions } from './rewrite-options.ts'
import type { CompactorTools } from './rewrite-table.ts'

export interface HealthCheck {
  readonly check: 'files' | 'deletes' | 'manifests' | 'snapshots'
  readonly isOk: boolean
  /** What the check measured. */
  readonly state: string
  /** What is wrong; undefined when nothing is. */
  readonly reason: string | undefined
  /** The command that repairs it; undefined where none does. */
  readonly cure: string | undefined
}

export interface TableHealth {
  readonly checks: readonly HealthCheck[]
  readonly fileCount: number
  readonly sizeBytes: bigint
  readonly rowCount: bigint
  readonly smallFileCount: number
  readonly deleteFileCount: number
  readonly manifestCount: number
  readonly snapshotCount: number
}

type HealthTools = Pick<CompactorTools, 'catalog' | 'clock' | 'io'>

const limits = {
  /** Commits merge manifests when there are a hundred small ones; with three times that merging does not keep up. */
  manifests: 300,
  /** Every commit writes the list of all snapshots into its metadata file. */
  snapshots: 1_000,
}

export async function tableHealth(
  tools: HealthTools,
  identifier: TableIdentifier,
): Promise<TableHealth> {
  const table = await tools.catalog.loadTable(identifier)
  const { metadata } = table
  const snapshot = currentSnapshot(metadata)
  const cache = new ManifestCache()
  const plan = await planScan(tools.io, table, {}, cache)
  const manifests =
    snapshot === undefined ? [] : await readSnapshotManifests({ io: tools.io, cache }, snapshot)
  const deleteFiles = new Set(plan.tasks.flatMap(({ deletes }) => deletes.map((f) => f.filePath)))
  const { minFileSizeBytes } = rewriteOptions(metadata.properties)
  return {
    checks: [
      checkFiles(table, plan),
      checkDeletes(table, plan, deleteFiles.size),
      checkManifests(manifests.length),
      checkSnapshots(table, tools.clock.now()),
    ],
    fileCount: plan.tasks.length,
    sizeBytes: plan.tasks.reduce((sum, { file }) => sum + file.fileSizeInBytes, 0n),
    rowCount: plan.tasks.reduce((sum, { file }) => sum + file.recordCount, 0n),
    smallFileCount: plan.tasks.filter(({ file }) => file.fileSizeInBytes < minFileSizeBytes).length,
    deleteFileCount: deleteFiles.size,
    manifestCount: manifests.length,
    snapshotCount: metadata.snapshots.length,
  }
}

function checkFiles({ identifier, metadata }: Table, { tasks }: ScanPlan): HealthCheck {
  const options = rewriteOptions(metadata.properties)
  const plan = planRewrite(metadata, tasks, options)
  const files = plan.groups.reduce((sum, group) => sum + group.tasks.length, 0)
  const bytes = tasks.reduce((sum, { file }) => sum + file.fileSizeInBytes, 0n)
  const state = `${tasks.length} files, ${averageText(bytes, tasks.length)}`
  if (files === 0) return fine('files', state)
  const after = plan.groups.reduce((sum, group) => sum + group.outputFiles, 0)
  return {
    check: 'files',
    isOk: false,
    state,
    reason: `${files} files in ${plan.groups.length} partitions would be ${after} of about ${formatSize(Number(options.targetFileSizeBytes))}: each file costs every query a request and a footer`,
    cure: `tide table rewrite-data-files ${formatIdentifier(identifier)}`,
  }
}

function checkDeletes(
  { identifier, metadata }: Table,
  { tasks }: ScanPlan,
  deleteFiles: number,
): HealthCheck {
  const { deleteRatioThreshold } = rewriteOptions(metadata.properties)
  const worst = tasks.reduce(
    (most, task) =>
      Math.max(most, Number(deletedRowsOf(task)) / Number(task.file.recordCount || 1n)),
    0,
  )
  const state = `${deleteFiles} delete files, at most ${Math.round(worst * 100)} % of a file's rows`
  if (worst < deleteRatioThreshold) return fine('deletes', state)
  return {
    check: 'deletes',
    isOk: false,
    state,
    reason: 'every query reads the deleted rows and the deletes to leave them out',
    cure: `tide table rewrite-data-files ${formatIdentifier(identifier)}`,
  }
}

function checkManifests(count: number): HealthCheck {
  const state = `${count} manifests`
  if (count <= limits.manifests) return fine('manifests', state)
  return {
    check: 'manifests',
    isOk: false,
    state,
    reason:
      'every query reads each of them; commits merge them from commit.manifest.min-count-to-merge on',
    cure: undefined,
  }
}

function checkSnapshots({ identifier, metadata }: Table, nowMs: number): HealthCheck {
  const { snapshots } = metadata
  const oldest = snapshots.reduce(
    (least, { timestampMs }) => Math.min(least, Number(timestampMs)),
    nowMs,
  )
  const age = formatDuration(Math.max(0, nowMs - oldest))
  const state = `${snapshots.length} snapshots, the oldest ${age} old`
  const name = formatIdentifier(identifier)
  let expired = 0
  try {
    const { allowsGc } = retentionRules(metadata.properties)
    if (allowsGc) expired = planExpiry(metadata, BigInt(nowMs)).snapshotIds.length
  } catch (error) {
    if (!(error instanceof TablePropertyError)) throw error
    return {
      check: 'snapshots',
      isOk: false,
      state,
      reason: `none expires: ${error.message}`,
      cure: `tide table properties remove ${name} ${error.property}`,
    }
  }
  if (expired > 0) {
    return {
      check: 'snapshots',
      isOk: false,
      state,
      reason: `${expired} are older than history.expire.max-snapshot-age-ms and hold on to files`,
      cure: `tide table expire-snapshots ${name}`,
    }
  }
  if (snapshots.length <= limits.snapshots) return fine('snapshots', state)
  return {
    check: 'snapshots',
    isOk: false,
    state,
    reason: 'every commit writes the list of all of them again',
    cure: `tide table expire-snapshots ${name} --older-than 1d --retain-last 100`,
  }
}

function fine(check: HealthCheck['check'], state: string): HealthCheck {
  return { check, isOk: true, state, reason: undefined, cure: undefined }
}

function averageText(bytes: bigint, count: number): string {
  return count === 0 ? 'no bytes' : `${formatSize(Math.round(Number(bytes) / count))} on average`
}
