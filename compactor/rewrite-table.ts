/**
 * Carries out a rewrite beside running sinks: plans, rewrites the groups, commits them as `replace`.
 *
 * Invariants (docs/spec/compaction.md): the commit changes no row and no stream's offsets (K6); other
 * commits go first: a rewrite whose inputs have changed is thrown away and planned again (K7); files of a
 * rewrite that was certainly not committed are deleted, those of one whose outcome is unknown never are (K8).
 */
import { mkdtemp, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  currentSchema,
  type DataFile,
  mainBranch,
  partitionSpecById,
  type Snapshot,
  formatIdentifier,
  type TableIdentifier,
} from '../catalog/format/index.ts'
import {
  ancestorsOf,
  type Catalog,
  commitAction,
  ConflictError,
  type DataFileRewriter,
  fetchInputs,
  ManifestCache,
  RewriteFiles,
  type Table,
  uploadDataFiles,
} from '../catalog/index.ts'
import { type Expression, planScan, snapshotByRef } from '../catalog/scan/index.ts'
import {
  type Clock,
  CommitFailedError,
  CommitStateUnknownError,
  errorMessage,
  failpoint,
  LakeError,
  type Logger,
  type Random,
  type RetryPolicy,
} from '../common/index.ts'
import type { FileIO } from '../io/index.ts'
import { planRewrite, type RewriteGroup, type RewritePlan } from './plan-rewrite.ts'
import { fileSizeBytesTarget, type RewriteOptions } from './rewrite-options.ts'
import { type GroupReport, groupReport, type RewriteReport } from './rewrite-report.ts'

export interface CompactorTools {
  readonly catalog: Catalog
  readonly io: FileIO
  readonly rewriter: DataFileRewriter
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Folder for the inputs and outputs of groups; created when it is missing. */
  readonly workDirectory: string
  readonly signal?: AbortSignal
}

export interface RewriteRequest {
  /** The options of this rewrite, given the table's properties. */
  readonly options: (properties: Readonly<Record<string, string>>) => RewriteOptions
  /** Default `main`. */
  readonly branch?: string
  /** Only files that may hold matching rows. */
  readonly filter?: Expression
  /** True: plans and writes nothing. */
  readonly dryRun?: boolean
}

/** Marks, in its summary, a snapshot that a rewrite made. */
const maintenanceKey = 'tidewater.maintenance'
const maintenanceName = 'rewrite-data-files'

/** After this many plans, each lost to a change of the table, the rewrite gives up. */
const plansMax = 4

/** Maintenance loses many races to a sink that commits often, so it has many retries. */
export const maintenanceRetry: Partial<RetryPolicy> = {
  retriesMax: 20,
  waitMsMin: 50,
  waitMsMax: 2_000,
}

/** Throws ConflictError when other writers changed the same files during each of several plans. */
export async function rewriteTable(
  tools: CompactorTools,
  identifier: TableIdentifier,
  request: RewriteRequest,
): Promise<RewriteReport> {
  const cache = new ManifestCache()
  const done: CommittedWork = { groups: [], deleteFilesRemoved: 0n }
  for (let plans = 1; ; plans++) {
    const round = await RewriteRound.begin(tools, identifier, request, cache)
    if (round === undefined) return { ...done, skipped: [], filesTotal: 0, isDryRun: false }
    const { skipped, filesTotal } = round.plan
    if (request.dryRun === true) {
      return {
        groups: round.planned(),
        skipped,
        filesTotal,
        deleteFilesRemoved: 0n,
        isDryRun: true,
      }
    }
    try {
      await round.run(done)
      return { ...done, skipped, filesTotal, isDryRun: false }
    } catch (error) {
      const isLost = error instanceof ConflictError || error instanceof CommitFailedError
      if (!isLost || plans === plansMax) throw error
      const table = formatIdentifier(identifier)
      tools.logger.info('compaction.planned-again', { table, reason: errorMessage(error) })
    }
  }
}

/** What has been committed so far, over all plans. */
interface CommittedWork {
  readonly groups: GroupReport[]
  deleteFilesRemoved: bigint
}

interface RewrittenGroup {
  readonly group: RewriteGroup
  readonly added: readonly DataFile[]
  readonly rowsDeleted: bigint
}

/** What a round works on: the branch as it was when the round began, and the plan for it. */
interface RoundBasis {
  readonly tools: CompactorTools
  readonly request: RewriteRequest
  readonly table: Table
  readonly snapshot: Snapshot
  readonly options: RewriteOptions
  readonly plan: RewritePlan
  readonly cache: ManifestCache
}

/** One plan and its execution. */
class RewriteRound {
  readonly #basis: RoundBasis

  /** Undefined for a branch without snapshots. */
  static async begin(
    tools: CompactorTools,
    identifier: TableIdentifier,
    request: RewriteRequest,
    cache: ManifestCache,
  ): Promise<RewriteRound | undefined> {
    const table = await tools.catalog.loadTable(identifier)
    const { metadata } = table
    const branch = request.branch ?? mainBranch
    if (branch === mainBranch && metadata.refs[branch] === undefined) return undefined
    const snapshot = snapshotByRef(metadata, branch)
    const scan = {
      snapshotId: snapshot.snapshotId,
      ...(request.filter === undefined ? {} : { filter: request.filter }),
    }
    const { tasks } = await planScan(tools.io, table, scan, cache)
    const options = request.options(metadata.properties)
    const plan = planRewrite(metadata, tasks, options)
    return new RewriteRound({ tools, request, table, snapshot, options, plan, cache })
  }

  private constructor(basis: RoundBasis) {
    this.#basis = basis
  }

  get plan(): RewritePlan {
    return this.#basis.plan
  }

  planned(): readonly GroupReport[] {
    return this.plan.groups.map((group) =>
      groupReport(this.#basis.table.metadata, group, undefined),
    )
  }

  /** Adds each group to `done` when it is committed. */
  async run(done: CommittedWork): Promise<void> {
    for (const groups of this.#commits()) {
      const uploaded = new Set<string>()
      const rewritten: RewrittenGroup[] = []
      try {
        for (const group of groups) rewritten.push(await this.#rewrite(group, uploaded))
      } catch (error) {
        await this.#discard(uploaded)
        throw error
      }
      try {
        done.deleteFilesRemoved += await this.#commit(rewritten)
      } catch (error) {
        if (isDefinite(error)) await this.#discard(uploaded)
        throw error
      }
      for (const result of rewritten) {
        done.groups.push(groupReport(this.#basis.table.metadata, result.group, result))
      }
    }
  }

  /** Which groups are committed together. */
  #commits(): readonly (readonly RewriteGroup[])[] {
    const { groups } = this.plan
    const { partialProgressEnabled, partialProgressMaxCommits } = this.#basis.options
    const commits = partialProgressEnabled ? partialProgressMaxCommits : 1
    const size = Math.max(1, Math.ceil(groups.length / commits))
    const parts: (readonly RewriteGroup[])[] = []
    for (let at = 0; at < groups.length; at += size) parts.push(groups.slice(at, at + size))
    return parts
  }

  async #rewrite(group: RewriteGroup, uploaded: Set<string>): Promise<RewrittenGroup> {
    const { io, rewriter, signal, workDirectory } = this.#basis.tools
    signal?.throwIfAborted()
    const { metadata } = this.#basis.table
    const schema = currentSchema(metadata)
    const spec = partitionSpecById(metadata, group.specId)
    await mkdir(workDirectory, { recursive: true })
    const directory = await mkdtemp(join(workDirectory, 'rewrite-'))
    try {
      const inputs = await fetchInputs(io, group.tasks, directory)
      await failpoint('compaction.fetched')
      const written = await rewriter.rewrite({
        metadata,
        schema,
        spec,
        inputs,
        directory,
        fileSizeBytesTarget: fileSizeBytesTarget(group.sizeBytes, this.#basis.options),
        ...(signal === undefined ? {} : { signal }),
      })
      signal?.throwIfAborted()
      await failpoint('compaction.rewritten')
      const added = await uploadDataFiles(this.#basis.tools, metadata, written.files, spec)
      for (const { filePath } of added) uploaded.add(filePath)
      await failpoint('compaction.uploaded')
      return { group, added, rowsDeleted: written.rowsDeleted }
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  }

  /** Returns how many delete files the commit removed. */
  async #commit(rewritten: readonly RewrittenGroup[]): Promise<bigint> {
    const { catalog, clock, io, logger, random, signal } = this.#basis.tools
    const { branch } = this.#basis.request
    const action = new RewriteFiles(
      { io, clock, random, cache: this.#basis.cache },
      {
        startingSnapshotId: this.#basis.snapshot.snapshotId,
        removed: rewritten.flatMap(({ group }) => group.tasks.map(({ file }) => file)),
        added: rewritten.flatMap(({ added }) => added),
        summary: { [maintenanceKey]: maintenanceName },
        ...(branch === undefined ? {} : { branch }),
      },
    )
    const { metadata } = await commitAction(catalog, this.#basis.table.identifier, action, {
      clock,
      random,
      logger,
      retry: maintenanceRetry,
      ...(signal === undefined ? {} : { signal }),
    })
    const head = snapshotByRef(metadata, branch ?? mainBranch)
    for (const { summary } of ancestorsOf(metadata, head.snapshotId)) {
      if (summary?.[maintenanceKey] !== maintenanceName) continue
      return BigInt(summary['removed-delete-files'] ?? 0)
    }
    return 0n
  }

  /** Called only where it is certain that no snapshot names the files; the orphan sweep deletes what stays. */
  async #discard(uploaded: ReadonlySet<string>): Promise<void> {
    if (uploaded.size === 0) return
    const { io, logger } = this.#basis.tools
    try {
      await io.delete([...uploaded])
    } catch (failure) {
      const table = formatIdentifier(this.#basis.table.identifier)
      logger.warn('compaction.cleanup-failed', { table, error: errorMessage(failure) })
    }
  }
}

/** True when the commit certainly did not happen; an error of another kind says nothing about it. */
function isDefinite(error: unknown): boolean {
  return error instanceof LakeError && !(error instanceof CommitStateUnknownError)
}
