/**
 * Expiry: removes snapshots, and schemas that only they needed, from the metadata, then deletes the files that only they reached.
 *
 * The commit comes first and is planned again on every base; files are deleted only once it is certain, by
 * comparison with the table as the commit left it (C24). Offsets of streams stay in the table's properties.
 */
import { formatIdentifier, type TableIdentifier } from '../format/identifiers.ts'
import { errorMessage, silentLogger, ValidationError } from '../../common/index.ts'
import type { Catalog, Table } from '../catalog.ts'
import { deleteFiles, type FileLeft } from '../data-files/delete-files.ts'
import { listUnreachableFiles, type UnreachableFiles } from '../manifest/reachable-files.ts'
import type { Snapshot, TableMetadata } from '../format/types.ts'
import { isBelow } from '../stores/location-rules.ts'
import { applyUpdates } from '../table/apply-updates.ts'
import { removedSchemas } from '../table/column-history.ts'
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
  /** Files that were deleted, or would be. */
  readonly unreachable: UnreachableFiles
  /** Files that nothing reaches and that stay: outside the table's folder, or not deleted by the store. */
  readonly left: readonly FileLeft[]
}

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
  let table: Table
  try {
    table = await commitAction(catalog, identifier, action, tools)
  } catch (error) {
    const isRequired = options.cleansMetadata === true
    if (!(error instanceof ValidationError) || !action.removesSchemas || isRequired) throw error
    // A catalog of other software may not know the update yet; snapshots expire nevertheless.
    const { logger = silentLogger } = tools
    const fields = { table: formatIdentifier(identifier), error: errorMessage(error) }
    logger.warn('expiry.schemas-kept', fields)
    return expireSnapshots(catalog, identifier, tools, { ...options, cleansMetadata: false })
  }
  return deleteUnreachable(tools, await resultOf(tools, action, table))
}

class ExpireSnapshots implements MetadataAction {
  readonly #tools: SnapshotTools
  readonly #options: ExpiryOptions
  /** Of all attempts, because one that seemed lost may have been applied. */
  readonly #planned = new Map<bigint, Snapshot>()
  readonly #refs = new Set<string>()
  readonly #schemas = new Set<number>()
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
    if (plan.schemaIds.length > 0) {
      const properties = removedSchemas(metadata, plan.schemaIds)
      updates.push(
        { action: 'remove-schemas', schemaIds: plan.schemaIds },
        { action: 'set-properties', updates: properties },
      )
      for (const id of plan.schemaIds) this.#schemas.add(id)
    }
    return Promise.resolve({
      requirements: [
        { type: 'assert-table-uuid', uuid: metadata.tableUuid },
        // Another client may go back to a schema that is removed here.
        ...(plan.schemaIds.length > 0
          ? [
              {
                type: 'assert-current-schema-id' as const,
                currentSchemaId: metadata.currentSchemaId,
              },
            ]
          : []),
        ...Object.keys(metadata.refs).map((ref) => refRequirement(metadata, ref)),
      ],
      updates,
    })
  }

  get removesSchemas(): boolean {
    return this.#schemas.size > 0
  }

  /** The planned snapshots, refs and schemas that `after` no longer has. */
  outcome(after: Table): {
    readonly before: Table
    readonly snapshots: readonly Snapshot[]
    readonly refs: readonly string[]
    readonly schemaIds: readonly number[]
  } {
    const left = new Set(after.metadata.snapshots.map((snapshot) => snapshot.snapshotId))
    return {
      before: this.#first ?? after,
      snapshots: [...this.#planned.values()].filter(({ snapshotId }) => !left.has(snapshotId)),
      refs: [...this.#refs].filter((ref) => !Object.hasOwn(after.metadata.refs, ref)),
      schemaIds: [...this.#schemas].filter(
        (id) => !after.metadata.schemas.some(({ schemaId }) => schemaId === id),
      ),
    }
  }
}

async function resultOf(
  tools: SnapshotTools,
  action: ExpireSnapshots,
  table: Table,
): Promise<ExpiryResult> {
  const { before, snapshots, refs, schemaIds } = action.outcome(table)
  const unreachable = await listUnreachableFiles(
    tools,
    { metadata: withSpecsOf(before.metadata, table.metadata), snapshots },
    table.metadata,
  )
  const isOwn = (path: string): boolean => isBelow(table.metadata.location, path)
  return {
    table,
    snapshotIds: snapshots.map(({ snapshotId }) => snapshotId),
    refs,
    schemaIds,
    unreachable: filtered(unreachable, isOwn),
    left: inOrder(unreachable)
      .filter((path) => !isOwn(path))
      .map((location) => ({ location, reason: "it is not in the table's folder" })),
  }
}

/** In the order of deletion. */
function inOrder({ files, manifestLists, manifests, statistics }: UnreachableFiles): string[] {
  return [...files, ...statistics, ...manifests, ...manifestLists]
}

function filtered(files: UnreachableFiles, keeps: (path: string) => boolean): UnreachableFiles {
  return {
    files: files.files.filter(keeps),
    positionDeletes: files.positionDeletes.filter(keeps),
    equalityDeletes: files.equalityDeletes.filter(keeps),
    manifests: files.manifests.filter(keeps),
    manifestLists: files.manifestLists.filter(keeps),
    statistics: files.statistics.filter(keeps),
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

/** The result without what could not be deleted. */
async function deleteUnreachable(
  { io, logger = silentLogger }: CommitTools & SnapshotTools,
  result: ExpiryResult,
): Promise<ExpiryResult> {
  const { left } = await deleteFiles(io, inOrder(result.unreachable))
  const [first] = left
  if (first === undefined) return result
  const table = formatIdentifier(result.table.identifier)
  logger.warn('expiry.cleanup-failed', { table, files: left.length, error: first.reason })
  const stays = new Set(left.map(({ location }) => location))
  return {
    ...result,
    unreachable: filtered(result.unreachable, (path) => !stays.has(path)),
    left: [...result.left, ...left],
  }
}
