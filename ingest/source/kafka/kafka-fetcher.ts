/**
 * Keeps one Fetch in flight per broker while the caller processes earlier records.
 *
 * Answers stay as raw record sets until they are taken, so what waits here is compressed and bounded
 * by bytes. A record set belongs to the seek it was fetched for; one of an older seek or assignment is
 * dropped, which is what keeps records of an older assignment from following a newer one.
 */
import {
  CorruptDataError,
  UnavailableError,
  errorMessage,
  isRetryable,
} from '../../../common/index.ts'
import { OffsetOutOfRangeError } from '../offset-out-of-range-error.ts'
import { type TopicPartition, partitionKey } from '../../offsets/topic-partition.ts'
import type { RecordBatch } from '../../record-batch/record-batch.ts'
import { batchBytes, notAssignedError } from '../source-support.ts'
import { kafkaErrorCodes } from './kafka-errors.ts'
import { protocolCodeError } from './protocol-faults.ts'
import type { KafkaNode } from './kafka-node.ts'
import { fetchRequest, type FetchLimits, type FetchedPartition } from './kafka-requests.ts'
import type { KafkaTools } from './kafka-tools.ts'
import { batchBehindDamage } from '../../record-batch/batch-behind-damage.ts'
import { recordSetEnd, type RecordSetOrigin } from '../../record-batch/record-batch-header.ts'
import { ByteArena } from '../../record-batch/byte-arena.ts'
import { ColumnsPool } from '../../record-batch/record-columns.ts'
import { RecordSetSlicer } from '../../record-batch/record-batch-slicer.ts'
import type { RecordCompression } from '../../record-batch/record-compression.ts'

export interface FetcherOptions extends KafkaTools {
  readonly compression: RecordCompression
  readonly limits: FetchLimits
  /** No further Fetch is sent while more than this waits to be taken. */
  readonly prefetchBytesMax: number
  readonly verifyChecksums: boolean
  /** A partition that could not be read for this long makes `take` throw UnavailableError. */
  readonly unavailableMs: number
}

/** A record set that waits to be taken, and the function that frees its memory. */
interface ReadySet {
  readonly fetched: FetchedPartition
  readonly release: () => void
}

interface Feed {
  readonly partition: TopicPartition
  /** Undefined until the caller has called `seek`. */
  position: bigint | undefined
  fetchOffset: bigint
  /** Counts seeks, so that answers to requests before the last one are recognized. */
  seekCount: number
  paused: boolean
  ready: ReadySet[]
  slicer: RecordSetSlicer | undefined
  /** Not fetched before this time. */
  retryAtMs: number
  failingSinceMs: number | undefined
  /** Since when the broker sends nothing although it has more. */
  starvedSinceMs: number | undefined
  /** Why it cannot be read any further; every `take` throws it until the caller seeks. */
  stopped: Error | undefined
}

const backoffMs = 200

export class KafkaFetcher {
  readonly #options: FetcherOptions
  readonly #inFlight = new Set<KafkaNode>()
  #feeds = new Map<string, Feed>()
  #readyBytes = 0
  /** The records of one poll; invalid after the next. */
  readonly #arena = new ByteArena()
  readonly #columns = new ColumnsPool()
  /** Completely read, but the records of the last poll may be in their memory. */
  #spent: ReadySet[] = []
  #turn = 0
  #failure: Error | undefined
  /** An error of a feed in the last poll, thrown after the batches of other feeds were returned. */
  #deferred: Error | undefined
  #refreshing = false
  #closed = false

  constructor(options: FetcherOptions) {
    this.#options = options
  }

  get partitions(): readonly TopicPartition[] {
    return [...this.#feeds.values()].map(({ partition }) => partition)
  }

  /** Replaces the assignment; all positions are dropped. */
  assign(partitions: readonly TopicPartition[]): void {
    for (const feed of this.#feeds.values()) this.#dropReady(feed)
    this.#feeds = new Map(
      partitions.map((partition) => [
        partitionKey(partition),
        {
          partition,
          position: undefined,
          fetchOffset: 0n,
          seekCount: 0,
          paused: false,
          ready: [],
          slicer: undefined,
          retryAtMs: 0,
          failingSinceMs: undefined,
          starvedSinceMs: undefined,
          stopped: undefined,
        },
      ]),
    )
    this.#readyBytes = 0
    this.#failure = undefined
    this.#deferred = undefined
  }

  seek(partition: TopicPartition, nextOffset: bigint): void {
    const feed = this.#require(partition)
    this.#dropReady(feed)
    feed.position = nextOffset
    feed.fetchOffset = nextOffset
    feed.seekCount++
    feed.retryAtMs = 0
    feed.failingSinceMs = undefined
    feed.starvedSinceMs = undefined
    feed.stopped = undefined
    // This feed is fetched again; an error of another feed would occur again.
    this.#deferred = undefined
    this.#pump()
  }

  pause(partition: TopicPartition): void {
    this.#require(partition).paused = true
  }

  resume(partition: TopicPartition): void {
    this.#require(partition).paused = false
    this.#pump()
  }

  /** About `bytesMax` of the fetched records; also sends further requests. */
  take(bytesMax: number): RecordBatch[] {
    this.#throwFailure()
    this.#arena.reset()
    this.#columns.reset()
    for (const { release } of this.#spent) release()
    this.#spent = []
    const feeds = [...this.#feeds.values()]
    const batches: RecordBatch[] = []
    let bytes = 0
    for (let misses = 0; misses < feeds.length && bytes < bytesMax; this.#turn++) {
      const feed = feeds[this.#turn % feeds.length]
      let batch: RecordBatch | undefined
      try {
        batch = feed === undefined ? undefined : this.#takeFrom(feed, bytesMax - bytes)
      } catch (error) {
        // The positions of the taken records have moved, so these are returned first and the error with the next poll.
        if (batches.length === 0) throw error
        this.#deferred = error as Error
        break
      }
      misses = batch === undefined ? misses + 1 : 0
      if (batch === undefined) continue
      batches.push(batch)
      bytes += batchBytes(batch)
    }
    this.#pump()
    return batches
  }

  close(): void {
    this.#closed = true
    this.assign([])
  }

  #takeFrom(feed: Feed, bytesMax: number): RecordBatch | undefined {
    if (feed.paused || feed.position === undefined) return undefined
    for (;;) {
      feed.slicer ??= this.#openNext(feed, feed.position)
      if (feed.slicer === undefined) {
        // What was fetched before is given first.
        if (feed.stopped !== undefined) throw feed.stopped
        return undefined
      }
      try {
        const batch = feed.slicer.next(bytesMax)
        feed.position = feed.slicer.position
        if (batch !== undefined) return batch
      } catch (error) {
        // The bytes may have been damaged in transit: the next poll fetches them again.
        this.#dropReady(feed)
        feed.fetchOffset = feed.position
        feed.seekCount++
        throw error
      }
      this.#dropFirst(feed)
    }
  }

  #openNext(feed: Feed, position: bigint): RecordSetSlicer | undefined {
    const [first] = feed.ready
    if (first === undefined) return undefined
    const { compression, verifyChecksums } = this.#options
    const { abortedTransactions, recordSet } = first.fetched
    const origin = { ...feed.partition, compression, position, verifyChecksums }
    return new RecordSetSlicer(recordSet, {
      ...origin,
      remedy: (next) => damageRemedy(feed.partition, next),
      abortedTransactions,
      arena: this.#arena,
      columns: this.#columns,
    })
  }

  #dropReady(feed: Feed): void {
    while (feed.ready.length > 0) this.#dropFirst(feed)
  }

  #dropFirst(feed: Feed): void {
    feed.slicer = undefined
    const first = feed.ready.shift()
    if (first === undefined) return
    this.#readyBytes -= first.fetched.recordSet.length
    this.#spent.push(first)
  }

  #throwFailure(): void {
    const failure = this.#failure ?? this.#deferred
    // Thrown once: a further poll tries again.
    this.#failure = undefined
    this.#deferred = undefined
    if (failure !== undefined) throw failure
  }

  /** Sends a Fetch to every broker that has feeds to fetch and no request in flight. */
  #pump(): void {
    const metadata = this.#options.cluster.lastMetadata
    if (this.#closed || metadata === undefined) return
    if (this.#readyBytes >= this.#options.prefetchBytesMax) return
    const now = this.#options.clock.monotonic()
    const byNode = new Map<KafkaNode, Feed[]>()
    for (const feed of this.#feeds.values()) {
      if (!this.#isDue(feed, now)) continue
      const leader = this.#options.cluster.leaderOf(metadata, feed.partition)
      if (leader === undefined) this.#fail(feed, leaderlessError(feed.partition))
      else byNode.set(leader, [...(byNode.get(leader) ?? []), feed])
    }
    for (const [node, feeds] of byNode) {
      if (!this.#inFlight.has(node)) void this.#fetch(node, feeds)
    }
  }

  #isDue(feed: Feed, now: number): boolean {
    if (feed.paused || feed.position === undefined) return false
    if (feed.stopped !== undefined || feed.retryAtMs > now) return false
    const waiting = feed.ready.reduce((total, { fetched }) => total + fetched.recordSet.length, 0)
    return waiting < this.#options.limits.partitionBytesMax
  }

  async #fetch(node: KafkaNode, feeds: readonly Feed[]): Promise<void> {
    this.#inFlight.add(node)
    // The broker fills an answer in this order, so feeds with the fewest waiting record sets come first.
    const ordered = [...feeds].sort((left, right) => left.ready.length - right.ready.length)
    const seekCounts = ordered.map(({ seekCount }) => seekCount)
    const { limits } = this.#options
    try {
      const requested = ordered.map(({ partition, fetchOffset }) => ({ ...partition, fetchOffset }))
      const response = await node.send(fetchRequest(requested, limits))
      if (response.errorCode !== kafkaErrorCodes.none) {
        throw protocolCodeError(
          response.errorCode,
          this.#options.cluster.call({ broker: node.address }),
        )
      }
      const current = ordered.filter((feed, index) => feed.seekCount === seekCounts[index])
      const release = recycler(node, response.partitions)
      for (const fetched of response.partitions) this.#receive(current, { fetched, release })
    } catch (error) {
      for (const feed of ordered) this.#fail(feed, error as Error)
    } finally {
      this.#inFlight.delete(node)
      this.#pump()
      this.#options.wakeup.wake()
    }
  }

  #receive(feeds: readonly Feed[], set: ReadySet): void {
    const { fetched } = set
    const key = partitionKey(fetched)
    const feed = feeds.find(({ partition }) => partitionKey(partition) === key)
    // Reassigned, or moved by a seek, since the request was sent.
    if (feed === undefined || this.#feeds.get(key) !== feed) return
    const { errorCode, recordSet } = fetched
    if (errorCode === kafkaErrorCodes.offsetOutOfRange) {
      void this.#outOfRange(feed)
    } else if (errorCode !== kafkaErrorCodes.none) {
      const { topic, partition } = feed.partition
      const call = this.#options.cluster.call({ topic, right: 'READ' })
      this.#fail(feed, protocolCodeError(errorCode, call, { topic, partition }))
    } else {
      feed.failingSinceMs = undefined
      if (recordSet.length === 0) return this.#noteNothing(feed, fetched.stableEnd)
      feed.starvedSinceMs = undefined
      try {
        feed.fetchOffset = recordSetEnd(recordSet, originOf(feed, recordSet), feed.fetchOffset)
        feed.ready.push(set)
        this.#readyBytes += recordSet.length
      } catch (error) {
        this.#stop(feed, error as Error)
      }
    }
  }

  /** Nothing is sent at the end of the log, and where the head of a batch is damaged so that the broker sees no batch. */
  #noteNothing(feed: Feed, stableEnd: bigint): void {
    const now = this.#options.clock.monotonic()
    if (stableEnd <= feed.fetchOffset) feed.starvedSinceMs = undefined
    else feed.starvedSinceMs ??= now
    if (now - (feed.starvedSinceMs ?? now) < this.#options.unavailableMs) return
    const { fetchOffset, partition } = feed
    const facts = { ...partition, offset: fetchOffset, latest: stableEnd }
    const message = 'the broker has records from here on, but sends none, as with a damaged batch'
    const remedy = damageRemedy(partition, undefined)
    this.#stop(feed, new CorruptDataError(`${message}; ${remedy}`, { facts }))
  }

  /** The offset is lost only when the broker's own bounds say so; a new leader may lag for a moment. */
  async #outOfRange(feed: Feed): Promise<void> {
    const { partition, fetchOffset, seekCount } = feed
    // Not fetched again until the bounds are known.
    feed.retryAtMs = Number.POSITIVE_INFINITY
    try {
      const bounds = await this.#options.cluster.offsetBounds([partition])
      if (this.#feeds.get(partitionKey(partition)) !== feed || feed.seekCount !== seekCount) return
      const limits = bounds.get(partitionKey(partition))
      const error = new OffsetOutOfRangeError(partition, fetchOffset, limits)
      const within =
        limits !== undefined && fetchOffset >= limits.earliest && fetchOffset <= limits.latest
      if (within) this.#fail(feed, error)
      else this.#stop(feed, error)
    } catch (error) {
      this.#fail(feed, error as Error)
    }
    this.#options.wakeup.wake()
  }

  /** Tries again later with new metadata; a permanent failure, or one that lasts too long, ends the poll. */
  #fail(feed: Feed, error: Error): void {
    if (this.#closed) return
    const { clock, logger, unavailableMs } = this.#options
    const now = clock.monotonic()
    if (error instanceof CorruptDataError) return this.#stop(feed, error)
    const passing = isRetryable(error) || error instanceof OffsetOutOfRangeError
    // Metadata may be old: a topic counts as deleted only when new metadata says so.
    const mayPass = passing || protocolCodeOf(error) === kafkaErrorCodes.unknownTopicOrPartition
    feed.failingSinceMs ??= now
    feed.retryAtMs = now + backoffMs
    logger.debug('kafka.fetch-failed', { ...feed.partition, error: errorMessage(error) })
    if (!mayPass || now - feed.failingSinceMs >= unavailableMs) {
      feed.failingSinceMs = now
      this.#failure ??= error
    }
    void this.#refreshLater()
  }

  #stop(feed: Feed, error: Error): void {
    feed.stopped = error
  }

  async #refreshLater(): Promise<void> {
    if (this.#refreshing) return
    this.#refreshing = true
    const { cluster, clock, logger, wakeup } = this.#options
    try {
      await clock.sleep(backoffMs)
      if (this.#closed) return
      const metadata = await cluster.refresh()
      for (const topic of cluster.topics) cluster.requireTopic(metadata, topic)
    } catch (error) {
      logger.debug('kafka.refresh-failed', { error: errorMessage(error) })
      if (!this.#closed && !isRetryable(error)) this.#failure ??= error as Error
    } finally {
      this.#refreshing = false
      this.#pump()
      wakeup.wake()
    }
  }

  #require(partition: TopicPartition): Feed {
    const feed = this.#feeds.get(partitionKey(partition))
    if (feed === undefined) throw notAssignedError(partition)
    return feed
  }
}

/**
 * Returns a function to call once for each record set of an answer; the last call frees the answer's memory for
 * reuse. When a call is missing, the memory is not reused, but still collected.
 */
function recycler(node: KafkaNode, partitions: readonly FetchedPartition[]): () => void {
  const sets = partitions.filter(({ recordSet }) => recordSet.length > 0)
  const memory = sets[0]?.recordSet.buffer
  let left = sets.length
  return () => {
    if (--left === 0 && memory instanceof ArrayBuffer) node.recycle(memory)
  }
}

/** For the head of a fetched record set that turns out to be damaged. */
function originOf({ partition, fetchOffset }: Feed, recordSet: Buffer): RecordSetOrigin {
  return {
    ...partition,
    noteDamage: () => {
      const next = batchBehindDamage(recordSet, 0, fetchOffset, partition)?.baseOffset
      return { remedy: damageRemedy(partition, next), facts: { soundFrom: next } }
    },
  }
}

function damageRemedy({ topic, partition }: TopicPartition, next: bigint | undefined): string {
  const to = next === undefined ? 'N, the first offset behind the damage' : String(next)
  return `what precedes it was read; to go on behind it: tide stream offsets NAME set ${topic}:${partition}=${to}`
}

function leaderlessError(partition: TopicPartition): UnavailableError {
  return new UnavailableError('a partition has no leader now', { facts: { ...partition } })
}

function protocolCodeOf(error: unknown): unknown {
  return (error as { readonly facts?: Readonly<Record<string, unknown>> }).facts?.['code']
}
