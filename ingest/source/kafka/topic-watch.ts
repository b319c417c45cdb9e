/**
 * Watches a source's topics in the background: one that is created again under the same name ends the source,
 * and added partitions are reported. Errors are kept for the next poll to throw.
 */
import { errorMessage, isRetryable } from '../../../common/index.ts'
import type { TopicDescription } from '../record-source.ts'
import { recreatedTopicError } from '../source-support.ts'
import type { KafkaTools } from './kafka-tools.ts'

export interface TopicWatchOptions extends KafkaTools {
  /** How long a change may go unnoticed. */
  readonly intervalMs: number
  /** A topic has more partitions than before. */
  readonly onGrown?: (topics: readonly TopicDescription[]) => void
}

export class TopicWatch {
  readonly #options: TopicWatchOptions
  #topics: readonly TopicDescription[] = []
  #seenAtMs = 0
  #failure: Error | undefined
  #stopped = false

  constructor(options: TopicWatchOptions) {
    this.#options = options
  }

  /** The last descriptions. */
  get topics(): readonly TopicDescription[] {
    return this.#topics
  }

  /** Compares with the last descriptions. Throws when a topic was created again. */
  note(topics: readonly TopicDescription[]): void {
    const before = this.#topics
    this.#topics = topics
    this.#seenAtMs = this.#options.clock.monotonic()
    let hasGrown = false
    for (const [index, topic] of topics.entries()) {
      const old = before[index]
      if (old === undefined) continue
      if (old.topicId !== topic.topicId) throw recreatedTopicError(old, topic)
      hasGrown ||= old.partitionCount !== topic.partitionCount
    }
    if (hasGrown) this.#options.onGrown?.(topics)
  }

  /** Requests the topics again when it is time; the next poll reports the result. */
  look(): void {
    const { cluster, clock, logger, wakeup, intervalMs } = this.#options
    const now = clock.monotonic()
    if (now - this.#seenAtMs < intervalMs) return
    this.#seenAtMs = now
    cluster
      .refresh()
      .then((metadata) => this.note(cluster.describe(metadata)))
      .catch((error: unknown) => {
        logger.debug('kafka.refresh-failed', { error: errorMessage(error) })
        // Fetches report a broker that is down; a deleted topic is reported here.
        if (!isRetryable(error) && !this.#stopped) this.fail(error as Error)
      })
      .finally(() => wakeup.wake())
  }

  /** Keeps a failure of the source for the next poll. */
  fail(error: Error): void {
    this.#failure = error
  }

  /** Throws an error since the last call once: a further poll tries again. */
  throwFailure(): void {
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure
  }

  stop(): void {
    this.#stopped = true
  }
}
