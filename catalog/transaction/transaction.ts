/**
 * The retry loop of a commit (table properties `commit.retry.*`).
 *
 * A lost race runs only `commit` again, on the newest table. While the outcome of an attempt is
 * unknown nothing is deleted; what is left behind by attempts that surely lost is (failures.md 2, 5).
 */
import { formatIdentifier, type TableIdentifier } from '../format/identifiers.ts'
import {
  CommitFailedError,
  CommitStateUnknownError,
  errorMessage,
  LakeError,
  NotFoundError,
  silentLogger,
  withRetry,
  type Clock,
  type Logger,
  type Random,
  type RetryPolicy,
} from '../../common/index.ts'
import type { Catalog, Table } from '../catalog.ts'
import { commitRetryPolicy } from '../table/properties.ts'
import type { TransactionAction } from './action.ts'

export interface CommitTools {
  readonly clock: Clock
  readonly random: Random
  readonly logger?: Logger
  readonly signal?: AbortSignal
  /** Replaces the table's own properties, for writers with a patience of their own. */
  readonly retry?: Partial<RetryPolicy>
}

/** A base that keeps turning prepared work stale is met with this many preparations per attempt. */
const preparationsMax = 5

/**
 * Commits `action` and returns the table that holds it. Throws CommitFailedError when the retries end,
 * CommitStateUnknownError when the change may or may not be in the table.
 */
export async function commitAction<Prepared>(
  catalog: Catalog,
  identifier: TableIdentifier,
  action: TransactionAction<Prepared>,
  tools: CommitTools,
): Promise<Table> {
  const first = await catalog.loadTable(identifier)
  const run = new CommitRun(catalog, action, first, await action.prepare(first))
  try {
    const own = commitRetryPolicy(first.metadata.properties)
    const policy = { ...own, ...tools.retry }
    const table = await withRetry(policy, tools, (attempt) => run.attempt(attempt))
    await run.discard(table, tools.logger ?? silentLogger)
    return table
  } catch (error) {
    if (isDefinite(error)) await run.discard(undefined, tools.logger ?? silentLogger)
    throw error
  }
}

class CommitRun<Prepared> {
  readonly #catalog: Catalog
  readonly #action: TransactionAction<Prepared>
  readonly #first: Table
  #prepared: Prepared

  constructor(
    catalog: Catalog,
    action: TransactionAction<Prepared>,
    first: Table,
    prepared: Prepared,
  ) {
    this.#catalog = catalog
    this.#action = action
    this.#first = first
    this.#prepared = prepared
  }

  async attempt(attempt: number): Promise<Table> {
    const base = attempt === 0 ? this.#first : await this.#reload()
    if (attempt > 0 && this.#action.committedIn?.(base, this.#prepared) === true) return base
    for (let preparations = 0; ; preparations++) {
      const commit = await this.#onBase(base, () => this.#action.commit(base, this.#prepared))
      if (commit !== 'stale') {
        // Nothing is left to do: a rival has done it, or it was there from the start.
        if (commit.updates.length === 0) return base
        return this.#catalog.commitTable({ identifier: base.identifier, ...commit })
      }
      if (preparations === preparationsMax) {
        throw new CommitFailedError('prepared work is stale on every base', {
          facts: { table: formatIdentifier(base.identifier) },
        })
      }
      this.#prepared = await this.#onBase(base, () => this.#action.prepare(base))
    }
  }

  /** Expiry may delete manifests of a base that others have moved on from: a lost race, not a loss. */
  async #onBase<T>(base: Table, step: () => Promise<T>): Promise<T> {
    try {
      return await step()
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error
      const now = await this.#reload()
      if (now.metadataLocation === base.metadataLocation) throw error
      throw new CommitFailedError('the table moved on and its older state has expired', {
        facts: { table: formatIdentifier(base.identifier) },
        cause: error,
      })
    }
  }

  /** Best effort: what stays behind is found by the orphan sweep. */
  async discard(committed: Table | undefined, logger: Logger): Promise<void> {
    try {
      await this.#action.discard?.(this.#prepared, committed)
    } catch (error) {
      const table = formatIdentifier(this.#first.identifier)
      logger.warn('commit.cleanup-failed', { table, error: errorMessage(error) })
    }
  }

  /** A table dropped and made anew under the same name is another table. */
  async #reload(): Promise<Table> {
    const table = await this.#catalog.loadTable(this.#first.identifier)
    if (table.metadata.tableUuid === this.#first.metadata.tableUuid) return table
    throw new NotFoundError('table was dropped and created again during the commit', {
      facts: { table: formatIdentifier(table.identifier) },
    })
  }
}

/** Only errors of ours say whether anything happened; of a stranger's we know nothing. */
function isDefinite(error: unknown): boolean {
  return error instanceof LakeError && !(error instanceof CommitStateUnknownError)
}
