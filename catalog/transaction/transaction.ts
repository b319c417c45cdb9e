/**
 * Several actions in one commit, and the retry loop of a commit (table properties `commit.retry.*`).
 *
 * Each action is applied to the table as the actions before it leave it, and the updates of all go to
 * the catalog in one request, applied whole or not at all. A lost race applies all of them again, on the
 * newest table; what an action has prepared is kept. While the outcome of an attempt is unknown nothing
 * is deleted; files of attempts that were certainly lost are (failures.md 2, 5).
 */
import { formatIdentifier, type TableIdentifier } from '../format/identifiers.ts'
import {
  CommitFailedError,
  CommitStateUnknownError,
  errorMessage,
  isRetryable,
  LakeError,
  NotFoundError,
  silentLogger,
  withRetry,
  type Clock,
  type Logger,
  type Random,
  type RetryPolicy,
  type RetryTools,
} from '../../common/index.ts'
import type { Catalog, Table } from '../catalog.ts'
import { applyUpdates } from '../table/apply-updates.ts'
import { commitRetryPolicy } from '../table/properties.ts'
import type { TableUpdate } from '../table/update.ts'
import type { ActionCommit, FileAction, TransactionAction } from './action.ts'
import { mergeRequirements, type StagedRequirements } from './merge-requirements.ts'

export interface CommitTools {
  readonly clock: Clock
  readonly random: Random
  readonly logger?: Logger
  readonly signal?: AbortSignal
  /** Overrides the table's `commit.retry.*`, for writers that retry more or less often. */
  readonly retry?: Partial<RetryPolicy>
  /**
   * True for a change that must come through beside busy writers: an attempt that lost to a new snapshot
   * does not count against `commit.retry.num-retries`, and `commit.retry.total-timeout-ms` ends the retries.
   */
  readonly persistsWhileTableMoves?: boolean
}

/** At most this many preparations in one attempt, when the newer table makes each of them stale. */
const preparationsMax = 5

/** Commits one action; throws as `Transaction.commit` does. */
export function commitAction<Prepared>(
  catalog: Catalog,
  identifier: TableIdentifier,
  action: TransactionAction<Prepared>,
  tools: CommitTools,
): Promise<Table> {
  return new Transaction(catalog, identifier, tools).add(action).commit()
}

/** `new Transaction(catalog, identifier, tools).add(first).add(second).commit()`, once. */
export class Transaction {
  readonly #catalog: Catalog
  readonly #identifier: TableIdentifier
  readonly #tools: CommitTools
  readonly #steps: Step[] = []
  readonly #progress = new Progress()

  constructor(catalog: Catalog, identifier: TableIdentifier, tools: CommitTools) {
    this.#catalog = catalog
    this.#identifier = identifier
    this.#tools = tools
  }

  add<Prepared>(action: TransactionAction<Prepared>): this {
    this.#steps.push('prepare' in action ? new FileStep(action) : action)
    return this
  }

  /**
   * Returns the table that holds all of the actions. Throws CommitFailedError when the retries end,
   * CommitStateUnknownError when the changes may or may not be in the table.
   */
  async commit(): Promise<Table> {
    const first = await this.#catalog.loadTable(this.#identifier)
    try {
      const { policy, tools } = this.#retry(first)
      const table = await withRetry(policy, tools, (attempt) => this.#attempt(first, attempt))
      await this.#discard(table)
      return table
    } catch (error) {
      if (isDefinite(error)) await this.#discard(undefined)
      throw error
    }
  }

  #retry({ metadata }: Table): { readonly policy: RetryPolicy; readonly tools: RetryTools } {
    const own = commitRetryPolicy(metadata.properties)
    const policy = { ...own, ...this.#tools.retry }
    if (this.#tools.persistsWhileTableMoves !== true) return { policy, tools: this.#tools }
    const shouldRetry = (error: unknown): boolean =>
      isRetryable(error) && this.#progress.attemptsOnSameHistory <= policy.retriesMax
    return {
      policy: { ...policy, retriesMax: Number.POSITIVE_INFINITY },
      tools: { ...this.#tools, shouldRetry },
    }
  }

  async #attempt(first: Table, attempt: number): Promise<Table> {
    this.#progress.begin()
    const base = attempt === 0 ? first : await this.#reload(first)
    this.#progress.note(base)
    // One request holds the changes of all, so where one of them is, the others are.
    if (this.#steps.some((step) => step.isCommittedIn?.(base) === true)) return base
    const { requirements, updates } = await this.#onBase(base, () => this.#applyAll(base))
    // Nothing is left to do: the table had it from the start, or another writer has done it.
    if (updates.length === 0) return base
    return this.#catalog.commitTable({ identifier: base.identifier, requirements, updates })
  }

  async #applyAll(base: Table): Promise<ActionCommit> {
    const updates: TableUpdate[] = []
    const required: StagedRequirements[] = []
    let staged = base
    for (const [index, step] of this.#steps.entries()) {
      const commit = await step.commit(staged)
      updates.push(...commit.updates)
      required.push({ staged: staged.metadata, requirements: commit.requirements })
      if (index < this.#steps.length - 1) staged = this.#withUpdates(staged, commit.updates)
    }
    return { requirements: mergeRequirements(base.metadata, required), updates }
  }

  #withUpdates(table: Table, updates: readonly TableUpdate[]): Table {
    const metadata = applyUpdates(table.metadata, updates, { nowMs: this.#tools.clock.now() })
    return { ...table, metadata }
  }

  /** Expiry may have deleted manifests of an outdated base, which is then a lost race. */
  async #onBase<T>(base: Table, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error
      const now = await this.#reload(base)
      if (now.metadataLocation === base.metadataLocation) throw error
      throw new CommitFailedError('the table has changed and its older state has expired', {
        facts: { table: formatIdentifier(base.identifier) },
        cause: error,
      })
    }
  }

  /** Best effort: files that stay are left to the orphan sweep. */
  async #discard(committed: Table | undefined): Promise<void> {
    for (const step of this.#steps) {
      try {
        await step.discard?.(committed)
      } catch (error) {
        const table = formatIdentifier(this.#identifier)
        const { logger = silentLogger } = this.#tools
        logger.warn('commit.cleanup-failed', { table, error: errorMessage(error) })
      }
    }
  }

  /** A table that was dropped and created again under the same name is another table. */
  async #reload({ metadata }: Table): Promise<Table> {
    const table = await this.#catalog.loadTable(this.#identifier)
    if (table.metadata.tableUuid === metadata.tableUuid) return table
    throw new NotFoundError('table was dropped and created again during the commit', {
      facts: { table: formatIdentifier(table.identifier) },
    })
  }
}

/** Distinguishes attempts lost to a new snapshot from those that failed on an unchanged history. */
class Progress {
  #lastSequenceNumber: bigint | undefined
  #attempts = 0

  /** Attempts since the table's newest snapshot was first seen, the one under way included. */
  get attemptsOnSameHistory(): number {
    return this.#attempts
  }

  begin(): void {
    this.#attempts++
  }

  note({ metadata: { lastSequenceNumber } }: Table): void {
    if (lastSequenceNumber !== this.#lastSequenceNumber) this.#attempts = 1
    this.#lastSequenceNumber = lastSequenceNumber
  }
}

/** An action with what it has prepared; an action of metadata alone is its own step. */
interface Step {
  isCommittedIn?(base: Table): boolean
  commit(staged: Table): Promise<ActionCommit>
  discard?(committed: Table | undefined): Promise<void>
}

class FileStep<Prepared> implements Step {
  readonly #action: FileAction<Prepared>
  #prepared: { readonly work: Prepared } | undefined

  constructor(action: FileAction<Prepared>) {
    this.#action = action
  }

  isCommittedIn(base: Table): boolean {
    if (this.#prepared === undefined) return false
    return this.#action.committedIn?.(base, this.#prepared.work) === true
  }

  async commit(staged: Table): Promise<ActionCommit> {
    this.#prepared ??= { work: await this.#action.prepare(staged) }
    for (let preparations = 0; ; preparations++) {
      const commit = await this.#action.commit(staged, this.#prepared.work)
      if (commit !== 'stale') return commit
      if (preparations === preparationsMax) {
        throw new CommitFailedError('the table kept changing while the change was prepared', {
          facts: { table: formatIdentifier(staged.identifier) },
        })
      }
      this.#prepared = { work: await this.#action.prepare(staged) }
    }
  }

  async discard(committed: Table | undefined): Promise<void> {
    await this.#action.discard?.(committed)
  }
}

/** True when the commit certainly did not happen; an error of another kind says nothing about it. */
function isDefinite(error: unknown): boolean {
  return error instanceof LakeError && !(error instanceof CommitStateUnknownError)
}
