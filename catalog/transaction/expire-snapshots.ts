/**
 * Expiry: removes snapshots from the metadata, then deletes the files that only they reached.
 *
 * The commit comes first and is planned again on every base; files are deleted only once it is certain, by
 * comparison with the table as the commit left it (C24). Offsets of streams stay in the table's properties.
 */
import { formatIdentifier, type TableIdentifier } from '../format/identifiers.ts'
import { errorMessage, silentLogger } from '../../common/index.ts'
import type { Catalog, Table } from '../catalog.ts'
import { listUnreachableFiles, type UnreachableFiles } from '../manifest/reachable-files.ts'
import type { Snapshot, TableMetadata } from '../format/types.ts'
import { isBelow } from '../stores/location-rules.ts'
import { applyUpdates } from '../table/apply-updates.ts'
import type { TableUpdate } from '../table/update.ts'
import type { ActionCommit, MetadataAction } from './action.ts'
import { commitAction, type CommitTools } from './transaction.ts'
import { refRequirement } from './manage-refs.ts'
import { type ExpiryOptions, type ExpiryPlan, planExpiry } from './plan-expiry.ts'
import type { SnapshotTools } from './snapshot-producer.ts'

export interface ExpireSnapshotsOptions extends ExpiryOptions {
  /** True: reports what would expire, and changes nothing. */
  readonly dryRun?: boolean
}

export interface ExpiryResult extends ExpiryPlan {
  /** The table after the commit; unchanged for a dry run. */
  readonly table: Table
  /** Files that were deleted, or would be. Files outside the table's folder are never deleted. */
  readonly unreachable: UnreachableFiles
}

const deletesPerCall = 500

/** Throws as `commitAction` does; a deletion that fails is logged and left to the orphan sweep. */
export async function expireSnapshots(
  catalog: Catalog,
  identifier: TableIdentifier,
  tools: CommitTools & SnapshotTools,
  options: ExpireSnapshotsOptions = {},
): Promise<ExpiryResult> {
  const action = new ExpireSnapshots(tools, options)
  if (options.dryRun === true) {
    const table = await catalog.loadTable(identifier)
    const { updates } = await action.commit(table)
    const after = applyUpdates(table.metadata, updates, { nowMs: tools.clock.now() })
    const result = await resultOf(tools, action, { ...table, metadata: after })
    return { ...result, table }
  }
  const table = await commitAction(catalog, identifier, action, tools)
  const result = await resultOf(tools, action, table)
  await deleteFiles(tools, table, result.unreachable)
  return result
}

class ExpireSnapshots implements MetadataAction {
  readonly #tools: SnapshotTools
  readonly #options: ExpiryOptions
  /** Of all attempts, because one that seemed lost may have been applied. */
  readonly #planned = new Map<bigint, Snapshot>()
  readonly #refs = new Set<string>()
  #first: Table | undefined

  constructor(tools: SnapshotTools, options: ExpiryOptions) {
    this.#tools = tools
    this.#options = options
  }

  commit(base: Table): Promise<ActionCommit> {
    const { metadata } = base
    this.#first ??= base
    const plan = planExpiry(metadata, BigInt(this.#tools.clock.now()), this.#options)
    const expired = new Set(plan.snapshotIds)
    for (const snapshot of metadata.snapshots) {
      if (expired.has(snapshot.snapshotId)) this.#planned.set(snapshot.snapshotId, snapshot)
    }
    for (const ref of plan.refs) this.#refs.add(ref)
    const updates: TableUpdate[] = plan.refs.map((refName) => ({
      action: 'remove-snapshot-ref',
      refName,
    }))
    if (plan.snapshotIds.length > 0) {
      updates.push({ action: 'remove-snapshots', snapshotIds: plan.snapshotIds })
    }
    return Promise.resolve({
      requirements: [
        { type: 'assert-table-uuid', uuid: metadata.tableUuid },
        ...Object.keys(metadata.refs).map((ref) => refRequirement(metadata, ref)),
      ],
      updates,
    })
  }

  /** The planned snapshots and refs that `after` no longer has. */
  outcome(after: Table): {
    readonly before: Table
    readonly snapshots: readonly Snapshot[]
    readonly refs: readonly string[]
  } {
    const left = new Set(after.metadata.snapshots.map((snapshot) => snapshot.snapshotId))
    return {
      before: this.#first ?? after,
      snapshots: [...this.#planned.values()].filter(({ snapshotId }) => !left.has(snapshotId)),
      refs: [...this.#refs].filter((ref) => !Object.hasOwn(after.metadata.refs, ref)),
    }
  }
}

async function resultOf(
  tools: SnapshotTools,
  action: ExpireSnapshots,
  table: Table,
): Promise<ExpiryResult> {
  const { before, snapshots, refs } = action.outcome(table)
  const unreachable = await listUnreachableFiles(
    tools,
    { metadata: withSpecsOf(before.metadata, table.metadata), snapshots },
    table.metadata,
  )
  const own = (paths: readonly string[]): readonly string[] =>
    paths.filter((path) => isBelow(table.metadata.location, path))
  return {
    table,
    snapshotIds: snapshots.map(({ snapshotId }) => snapshotId),
    refs,
    unreachable: {
      files: own(unreachable.files),
      positionDeletes: own(unreachable.positionDeletes),
      equalityDeletes: own(unreachable.equalityDeletes),
      manifests: own(unreachable.manifests),
      manifestLists: own(unreachable.manifestLists),
      statistics: own(unreachable.statistics),
    },
  }
}

/** With the specs and schemas of both, so that the manifests of both can be read. */
function withSpecsOf(before: TableMetadata, after: TableMetadata): TableMetadata {
  const specIds = new Set(after.partitionSpecs.map((spec) => spec.specId))
  const schemaIds = new Set(after.schemas.map((schema) => schema.schemaId))
  return {
    ...before,
    currentSchemaId: after.currentSchemaId,
    schemas: [
      ...before.schemas.filter((schema) => !schemaIds.has(schema.schemaId)),
      ...after.schemas,
    ],
    partitionSpecs: [
      ...before.partitionSpecs.filter((spec) => !specIds.has(spec.specId)),
      ...after.partitionSpecs,
    ],
  }
}

async function deleteFiles(
  { io, logger = silentLogger }: CommitTools & SnapshotTools,
  table: Table,
  { files, manifests, manifestLists, statistics }: UnreachableFiles,
): Promise<void> {
  const paths = [...files, ...statistics, ...manifests, ...manifestLists]
  try {
    for (let start = 0; start < paths.length; start += deletesPerCall) {
      await io.delete(paths.slice(start, start + deletesPerCall))
    }
  } catch (error) {
    logger.warn('expiry.cleanup-failed', {
      table: formatIdentifier(table.identifier),
      error: errorMessage(error),
    })
  }
}
