/**
 * Looks at the table of a running stream between its commits: whether a person has set its offsets or rolled
 * it back (E13), and, for a member of a group that has no partition, whether the others are done.
 */
import { loadTableIfExists, type Table } from '../../catalog/index.ts'
import { errorMessage, isRetryable } from '../../common/index.ts'
import {
  checkRanges,
  OffsetConflictError,
  OffsetsSetError,
  restoreOffsets,
} from '../offsets/checkpoint.ts'
import type { StreamSettings } from '../settings/stream-settings.ts'
import type { Positions } from './positions.ts'
import type { StreamParts } from './stream-parts.ts'

/** A member without partitions looks this often. */
const heldIntervalMs = 500

export class TableWatch {
  readonly #settings: StreamSettings
  readonly #parts: Pick<StreamParts, 'catalog' | 'clock' | 'logger'>
  #heldLookedMs = Number.NEGATIVE_INFINITY
  #isHeld = false

  constructor(settings: StreamSettings, parts: Pick<StreamParts, 'catalog' | 'clock' | 'logger'>) {
    this.#settings = settings
    this.#parts = parts
  }

  /**
   * To be called while no batch is on its way to the table. Throws OffsetsSetError, or CorruptDataError
   * after a rollback by another engine.
   */
  async look(positions: Positions): Promise<void> {
    const table = await this.#load()
    if (table === undefined) return
    const { name, output } = this.#settings
    try {
      checkRanges(table, output.branch, name, positions.idle([]), positions.starts)
    } catch (error) {
      // What another sink has committed fails the next commit.
      const isRival = error instanceof OffsetConflictError && !(error instanceof OffsetsSetError)
      if (!isRival) throw error
    }
  }

  /** True when the table has everything that stood in the log at the start. */
  async isHeld(positions: Positions): Promise<boolean> {
    const { clock, logger } = this.#parts
    const now = clock.monotonic()
    if (now - this.#heldLookedMs < heldIntervalMs) return this.#isHeld
    const { name, output } = this.#settings
    if (this.#heldLookedMs === Number.NEGATIVE_INFINITY) {
      const reason = 'other members of the consumer group read all partitions of its topics'
      logger.info('stream.waits-for-others', { stream: name, reason })
    }
    this.#heldLookedMs = now
    const table = await this.#load()
    const offsets = table === undefined ? undefined : restoreOffsets(table, output.branch).get(name)
    this.#isHeld = positions.isHeldBy(offsets)
    return this.#isHeld
  }

  /** A store that does not answer for a while is the next commit's matter. */
  async #load(): Promise<Table | undefined> {
    try {
      return await loadTableIfExists(this.#parts.catalog, this.#settings.output.table)
    } catch (error) {
      if (!isRetryable(error)) throw error
      this.#parts.logger.debug('stream.table-not-seen', { error: errorMessage(error) })
      return undefined
    }
  }
}
