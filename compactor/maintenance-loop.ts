/**
 * Maintenance that runs by itself beside sinks: every so often each table is compacted and its snapshots
 * expired, one table at a time.
 *
 * Invariants (docs/spec/compaction.md): nothing that goes wrong here reaches a sink: a failure is logged
 * and the table left alone for a while (K12); a table that has not changed costs one look at its pointer
 * (K13); processes that keep the same table do not fight over it (K14).
 */
import {
  type TableMetadata,
  formatIdentifier,
  type TableIdentifier,
} from '../catalog/format/index.ts'
import {
  ConflictError,
  expireSnapshots,
  loadTableIfExists,
  retentionRules,
  type Table,
} from '../catalog/index.ts'
import { propertyOf, tableProperties, TablePropertyError } from '../catalog/table/index.ts'
import { CommitFailedError, errorMessage, NotFoundError } from '../common/index.ts'
import { allTables } from './all-tables.ts'
import { rewriteOptions, type RewriteOptions } from './rewrite-options.ts'
import type { RewriteReport } from './rewrite-report.ts'
import { type CompactorTools, maintenanceRetry, rewriteTable } from './rewrite-table.ts'

export interface MaintenancePolicy {
  readonly intervalMs: number
  /** More snapshots than this are expired, oldest first, where the table itself does not say. */
  readonly snapshotsMax: number
  /** Snapshots younger than this stay, however many there are: a query may still be reading them. */
  readonly snapshotAgeMsMin: number
}

/** What maintaining one table changed. */
export interface MaintenanceResult {
  readonly filesBefore: number
  readonly filesAfter: number
  readonly snapshotsExpired: number
}

const limits = {
  /** Bounded, so that a large backlog of one table does not keep the others waiting for long. */
  filesPerPass: 2_000,
  snapshotsPerPass: 1_000,
  /** Expiry begins at this multiple of `snapshotsMax`, so that not every pass makes a commit for it. */
  snapshotSlack: 1.2,
  /** A table that keeps failing is tried again after 1, 2, 4 … passes, this many at most. */
  passesSkippedMax: 32,
  /** This many lost races in a row count as a failure, because the work of each was thrown away. */
  lossesMax: 8,
  /** Share of the interval by which a wait varies at random, so that processes started together drift apart. */
  jitter: 0.2,
}

interface TableMemory {
  /** The metadata file at which nothing was left to do. */
  settledAt: string | undefined
  /** The metadata file for which it was logged that a property of expiry cannot be read. */
  expiryRefusedAt: string | undefined
  failures: number
  /** Races lost to other writers since the last pass that lost none. */
  losses: number
  passesToSkip: number
}

export class MaintenanceLoop {
  readonly #tools: CompactorTools
  readonly #policy: MaintenancePolicy
  readonly #tables: readonly TableIdentifier[] | undefined
  readonly #stopping = new AbortController()
  readonly #memory = new Map<string, TableMemory>()
  #running: Promise<void> | undefined

  /** Without `tables` it maintains every table of the catalog. Tables that do not exist yet are skipped until they do. */
  constructor(
    tools: CompactorTools,
    policy: MaintenancePolicy,
    tables?: readonly TableIdentifier[],
  ) {
    this.#tools = { ...tools, signal: this.#stopping.signal }
    this.#policy = policy
    this.#tables = tables
  }

  /** Returns at once; the first pass begins after about one interval. */
  start(): void {
    this.#running ??= this.#run()
  }

  /** Ends after the file that is being written; what is not committed is deleted again. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('maintenance is stopped'))
    await this.#running
  }

  /** One pass over the tables. Throws only for a pass that is stopped. */
  async runOnce(): Promise<void> {
    const { catalog, logger } = this.#tools
    try {
      for await (const identifier of this.#tables ?? allTables(catalog)) {
        this.#stopping.signal.throwIfAborted()
        await this.#visit(identifier)
      }
    } catch (error) {
      this.#stopping.signal.throwIfAborted()
      logger.warn('maintenance.pass-failed', { error: errorMessage(error) })
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping
    try {
      for (;;) {
        await this.#tools.clock.sleep(this.#waitMs(), signal)
        await this.runOnce()
      }
    } catch (error) {
      if (signal.aborted) return
      this.#tools.logger.error('maintenance.ended', { error: errorMessage(error) })
    }
  }

  #waitMs(): number {
    const swing = (this.#tools.random.fraction() * 2 - 1) * limits.jitter
    return Math.round(this.#policy.intervalMs * (1 + swing))
  }

  async #visit(identifier: TableIdentifier): Promise<void> {
    const name = formatIdentifier(identifier)
    const memory = this.#memoryOf(name)
    if (memory.passesToSkip > 0) {
      memory.passesToSkip--
      return
    }
    try {
      await this.#maintain(identifier, memory)
      memory.failures = 0
      memory.losses = 0
    } catch (error) {
      this.#stopping.signal.throwIfAborted()
      if (isLostRace(error) && ++memory.losses < limits.lossesMax) {
        this.#tools.logger.debug('maintenance.yielded', { table: name, to: errorMessage(error) })
        return
      }
      memory.passesToSkip = Math.min(limits.passesSkippedMax, 2 ** memory.failures++)
      const { passesToSkip } = memory
      const fields = { table: name, error: errorMessage(error), passesToSkip }
      this.#tools.logger.warn('maintenance.table-failed', fields)
    }
  }

  async #maintain(identifier: TableIdentifier, memory: TableMemory): Promise<void> {
    const { logger } = this.#tools
    // Undefined when it was dropped since it was listed, or is only planned.
    const table = await loadTableIfExists(this.#tools.catalog, identifier)
    if (table === undefined || !isOurs(table.metadata)) return
    const isExpiryDue = this.#isExpiryDue(table, memory)
    if (table.metadataLocation === memory.settledAt && !isExpiryDue) return
    const result = await maintainTable(this.#tools, identifier, this.#policy)
    const isSettled = result.filesBefore === 0 && result.snapshotsExpired === 0
    memory.settledAt = isSettled ? table.metadataLocation : undefined
    if (!isSettled)
      logger.info('maintenance.done', { table: formatIdentifier(identifier), ...result })
  }

  /** False, and an error in the log, where a property of expiry cannot be read. */
  #isExpiryDue({ identifier, metadata, metadataLocation }: Table, memory: TableMemory): boolean {
    const { clock, logger } = this.#tools
    try {
      return snapshotsOlderThan(metadata, clock.now(), this.#policy) !== undefined
    } catch (error) {
      if (!(error instanceof TablePropertyError)) throw error
      // Logged once for each metadata file: correcting the property makes another one.
      if (memory.expiryRefusedAt !== metadataLocation) {
        const table = formatIdentifier(identifier)
        logger.error('maintenance.expiry-refused', { table, error: error.message })
      }
      memory.expiryRefusedAt = metadataLocation
      return false
    }
  }

  #memoryOf(name: string): TableMemory {
    const existing = this.#memory.get(name)
    if (existing !== undefined) return existing
    const memory: TableMemory = {
      settledAt: undefined,
      expiryRefusedAt: undefined,
      failures: 0,
      losses: 0,
      passesToSkip: 0,
    }
    this.#memory.set(name, memory)
    return memory
  }
}

/**
 * Another process was first, and may even have removed the files that were to be rewritten. The next pass
 * plans what is left to do.
 */
function isLostRace(error: unknown): boolean {
  return (
    error instanceof ConflictError ||
    error instanceof CommitFailedError ||
    error instanceof NotFoundError
  )
}

/** Compacts with bounded amplification, cold partitions first, then expires. */
export async function maintainTable(
  tools: CompactorTools,
  identifier: TableIdentifier,
  policy: MaintenancePolicy,
): Promise<MaintenanceResult> {
  let groups: RewriteReport['groups'] = []
  let failure: unknown
  try {
    groups = (await rewriteTable(tools, identifier, { options: maintenanceOptions })).groups
  } catch (error) {
    tools.signal?.throwIfAborted()
    failure = error
  }
  // A file that cannot be rewritten must not let snapshots pile up.
  const snapshotsExpired = await expireByPolicy(tools, identifier, policy)
  if (failure !== undefined) throw failure
  return {
    filesBefore: groups.reduce((sum, group) => sum + group.filesBefore, 0),
    filesAfter: groups.reduce((sum, group) => sum + group.filesAfter, 0),
    snapshotsExpired,
  }
}

async function expireByPolicy(
  tools: CompactorTools,
  identifier: TableIdentifier,
  policy: MaintenancePolicy,
): Promise<number> {
  try {
    const { metadata } = await tools.catalog.loadTable(identifier)
    const olderThanMs = snapshotsOlderThan(metadata, tools.clock.now(), policy)
    if (olderThanMs === undefined) return 0
    const expiry = { olderThanMs, snapshotsMax: limits.snapshotsPerPass }
    const commit = { ...tools, retry: maintenanceRetry }
    const { snapshotIds } = await expireSnapshots(tools.catalog, identifier, commit, expiry)
    return snapshotIds.length
  } catch (error) {
    // `#isExpiryDue` has logged the property already.
    if (error instanceof TablePropertyError) return 0
    throw error
  }
}

function maintenanceOptions(properties: Readonly<Record<string, string>>): RewriteOptions {
  return {
    ...rewriteOptions(properties),
    boundsAmplification: true,
    partialProgressEnabled: true,
    maxFilesToRewrite: limits.filesPerPass,
  }
}

/**
 * The time before which snapshots are expired; undefined when none are. Throws TablePropertyError when
 * any property of expiry cannot be read.
 */
export function snapshotsOlderThan(
  { properties, snapshots }: TableMetadata,
  nowMs: number,
  { snapshotAgeMsMin, snapshotsMax }: MaintenancePolicy,
): bigint | undefined {
  const { snapshotAgeMsMax, statedAgeMsMax } = retentionRules(properties)
  let olderThan = BigInt(Math.trunc(nowMs)) - snapshotAgeMsMax
  if (statedAgeMsMax === undefined && snapshots.length > snapshotsMax * limits.snapshotSlack) {
    const times = snapshots.map(({ timestampMs }) => Number(timestampMs)).sort((a, b) => b - a)
    const byCount = times[snapshotsMax - 1] ?? nowMs
    const bounded = BigInt(Math.trunc(Math.min(byCount, nowMs - snapshotAgeMsMin)))
    if (bounded > olderThan) olderThan = bounded
  }
  // The newest snapshot is never expired.
  const oldest = [...snapshots]
    .sort((a, b) => Number(a.sequenceNumber - b.sequenceNumber))
    .slice(0, -1)
  return oldest.some(({ timestampMs }) => timestampMs < olderThan) ? olderThan : undefined
}

/** Tables that others manage, or that this release cannot write, are left alone. */
function isOurs({ formatVersion, properties }: TableMetadata): boolean {
  return (
    formatVersion === 2 &&
    propertyOf(properties, tableProperties.allowsGc) &&
    propertyOf(properties, tableProperties.isMaintained)
  )
}
