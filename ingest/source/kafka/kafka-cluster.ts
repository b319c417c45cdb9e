/**
 * The cluster as a reader needs it: who leads which partition, topic ids, where partitions begin and
 * end. Metadata is cached until `refresh`, which callers use when a broker says it was wrong.
 */
import {
  type Clock,
  type Logger,
  type Random,
  type RetryPolicy,
  AccessDeniedError,
  UnavailableError,
  UnsupportedError,
  errorMessage,
  isRetryable,
  withRetry,
} from '../../../common/index.ts'
import { type TopicPartition, partitionKey } from '../../offsets/topic-partition.ts'
import type { OffsetBounds, TopicDescription } from '../record-source.ts'
import { parseBrokerAddress, type KafkaConnectionSettings } from './kafka-connection.ts'
import { isUnknownHost } from './connection-faults.ts'
import type { KafkaCall } from './kafka-call.ts'
import { kafkaErrorCodes } from './kafka-errors.ts'
import { KafkaNode } from './kafka-node.ts'
import { missingTopicError, protocolCodeError } from './protocol-faults.ts'
import {
  earliestTime,
  findCoordinatorRequest,
  latestTime,
  listOffsetsRequest,
  metadataRequest,
  type ClusterMetadata,
  type ListOffsetsTopic,
  type TopicMetadata,
} from './kafka-requests.ts'

export interface KafkaClusterOptions {
  readonly connection: KafkaConnectionSettings
  readonly topics: readonly string[]
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly retry?: RetryPolicy
}

const retryDefault: RetryPolicy = {
  retriesMax: 8,
  waitMsMin: 100,
  waitMsMax: 2_000,
  totalMsMax: 15_000,
}

export class KafkaCluster {
  readonly topics: readonly string[]
  readonly #options: KafkaClusterOptions
  readonly #nodes = new Map<string, KafkaNode>()
  #metadata: ClusterMetadata | undefined
  #refreshing: Promise<ClusterMetadata> | undefined

  constructor(options: KafkaClusterOptions) {
    this.#options = options
    this.topics = options.topics
  }

  /** The last metadata; requested from a broker the first time. */
  async metadata(): Promise<ClusterMetadata> {
    return this.#metadata ?? this.refresh()
  }

  /** The last metadata without a request; undefined before the first answer. */
  get lastMetadata(): ClusterMetadata | undefined {
    return this.#metadata
  }

  /** Calls at the same time share one request. Throws UnavailableError when no broker answers. */
  refresh(): Promise<ClusterMetadata> {
    this.#refreshing ??= this.#askAnyBroker().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  /** Requests metadata until all topics exist with all their leaders, or the retries end. */
  async loadTopics(signal?: AbortSignal): Promise<ClusterMetadata> {
    return this.#retrying(async () => {
      const metadata = await this.refresh()
      for (const topic of this.topics) this.requireTopic(metadata, topic)
      return metadata
    }, signal)
  }

  /** For errors: what was requested, and with which settings. */
  call(request: Omit<KafkaCall, 'connection'>): KafkaCall {
    return { connection: this.#options.connection, ...request }
  }

  /**
   * Throws when a broker names itself by a host that this machine does not know: a source that has just been
   * started would wait for it in vain.
   */
  async requireResolvedHosts(metadata: ClusterMetadata): Promise<void> {
    const partitions = this.topics.flatMap((topic) =>
      this.requireTopic(metadata, topic).partitions.map(({ partition }) => ({ topic, partition })),
    )
    const leaders = new Set(partitions.flatMap((one) => this.leaderOf(metadata, one) ?? []))
    for (const node of leaders) {
      await node.connect().catch((error: unknown) => {
        if (error instanceof Error && isUnknownHost(error)) throw error
      })
    }
  }

  /** The error code with which the brokers answer who coordinates the group; 0 when one does. */
  async coordinatorCode(group: string): Promise<number> {
    const request = findCoordinatorRequest(group)
    for (const node of this.#candidates()) {
      const code = await node.send(request).catch(() => undefined)
      if (code !== undefined) return code
    }
    return kafkaErrorCodes.none
  }

  describe(metadata: ClusterMetadata): readonly TopicDescription[] {
    return this.topics.map((topic) => {
      const { topicId, partitions } = this.requireTopic(metadata, topic)
      return { topic, topicId, partitionCount: partitions.length }
    })
  }

  /** Throws NotFoundError, AccessDeniedError, UnavailableError (a topic that is being created). */
  requireTopic(metadata: ClusterMetadata, topic: string): TopicMetadata {
    const { seedBrokers } = this.#options.connection
    const description = metadata.topics.find((candidate) => candidate.topic === topic)
    if (
      description === undefined ||
      description.errorCode === kafkaErrorCodes.unknownTopicOrPartition
    ) {
      throw missingTopicError(topic, seedBrokers)
    }
    if (description.errorCode !== kafkaErrorCodes.none) {
      throw protocolCodeError(description.errorCode, this.call({ topic, right: 'DESCRIBE' }))
    }
    return description
  }

  /** The node that leads the partition now, or undefined while there is none. */
  leaderOf(metadata: ClusterMetadata, { topic, partition }: TopicPartition): KafkaNode | undefined {
    const partitions = metadata.topics.find((candidate) => candidate.topic === topic)?.partitions
    const leader = partitions?.find((candidate) => candidate.partition === partition)?.leader
    const broker = metadata.brokers.find(({ nodeId }) => nodeId === leader)
    return broker === undefined ? undefined : this.#node(broker.host, broker.port)
  }

  async offsetBounds(
    partitions: readonly TopicPartition[],
  ): Promise<ReadonlyMap<string, OffsetBounds>> {
    const earliest = await this.#listOffsets(partitions, earliestTime)
    const latest = await this.#listOffsets(partitions, latestTime)
    const bounds = new Map<string, OffsetBounds>()
    for (const key of partitions.map(partitionKey)) {
      bounds.set(key, { earliest: earliest.get(key) ?? 0n, latest: latest.get(key) ?? 0n })
    }
    return bounds
  }

  async offsetsForTime(
    partitions: readonly TopicPartition[],
    timestampMs: number,
  ): Promise<ReadonlyMap<string, bigint | undefined>> {
    const time = BigInt(Math.max(0, Math.floor(timestampMs)))
    const listed = await this.#listOffsets(partitions, time)
    return new Map([...listed].map(([key, offset]) => [key, offset < 0n ? undefined : offset]))
  }

  async close(): Promise<void> {
    const nodes = [...this.#nodes.values()]
    this.#nodes.clear()
    await Promise.all(nodes.map((node) => node.close()))
  }

  /** A partition without a leader is requested again, and so is one whose leader has moved. */
  async #listOffsets(
    partitions: readonly TopicPartition[],
    time: bigint,
  ): Promise<ReadonlyMap<string, bigint>> {
    const offsets = new Map<string, bigint>()
    await this.#retrying(async (attempt) => {
      const metadata = attempt === 0 ? await this.metadata() : await this.refresh()
      const missing = partitions.filter((partition) => !offsets.has(partitionKey(partition)))
      for (const [node, led] of this.#byLeader(metadata, missing)) {
        for (const listed of await node.send(listOffsetsRequest(groupPartitions(led), time))) {
          const { topic, partition, errorCode, offset } = listed
          if (errorCode !== kafkaErrorCodes.none) {
            throw retryable(
              protocolCodeError(errorCode, this.call({ topic, right: 'DESCRIBE' }), { partition }),
              this.requireTopic(metadata, topic).partitions.length > partition,
            )
          }
          offsets.set(partitionKey(listed), offset)
        }
      }
    })
    return offsets
  }

  #byLeader(
    metadata: ClusterMetadata,
    partitions: readonly TopicPartition[],
  ): Map<KafkaNode, TopicPartition[]> {
    const groups = new Map<KafkaNode, TopicPartition[]>()
    for (const partition of partitions) {
      this.requireTopic(metadata, partition.topic)
      const node = this.leaderOf(metadata, partition)
      if (node === undefined) {
        throw new UnavailableError('a partition has no leader now', {
          facts: { topic: partition.topic, partition: partition.partition },
        })
      }
      groups.set(node, [...(groups.get(node) ?? []), partition])
    }
    return groups
  }

  #retrying<T>(attempt: (number: number) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const { clock, random, retry = retryDefault } = this.#options
    const tools = signal === undefined ? { clock, random } : { clock, random, signal }
    return withRetry(retry, tools, attempt)
  }

  async #askAnyBroker(): Promise<ClusterMetadata> {
    const request = metadataRequest(this.topics)
    const failures: Error[] = []
    for (const node of this.#candidates()) {
      try {
        const metadata = await node.send(request)
        await this.#forgetOthers(metadata)
        this.#metadata = metadata
        return metadata
      } catch (error) {
        // Another broker would refuse the same user and speak no other version.
        if (error instanceof AccessDeniedError || error instanceof UnsupportedError) throw error
        failures.push(error as Error)
      }
    }
    const [first] = failures
    const isHopeless = failures.every((failure) => !isRetryable(failure))
    if (first !== undefined && (failures.length === 1 || isHopeless)) throw first
    const brokers = this.#options.connection.seedBrokers.join(',')
    throw new UnavailableError(
      `no kafka broker answers (${failures.map(errorMessage).join('; ')})`,
      { facts: { brokers }, cause: first },
    )
  }

  /** Known brokers first, then the seeds. */
  #candidates(): readonly KafkaNode[] {
    const brokers = (this.#metadata?.brokers ?? []).map(({ host, port }) => this.#node(host, port))
    const seeds = this.#options.connection.seedBrokers.map((address) => {
      const { host, port } = parseBrokerAddress(address)
      return this.#node(host, port)
    })
    return [...new Set([...brokers, ...seeds])]
  }

  #node(host: string, port: number): KafkaNode {
    const key = `${host}:${port}`
    const existing = this.#nodes.get(key)
    if (existing !== undefined) return existing
    const node = new KafkaNode(host, port, this.#options.connection, this.#options.logger)
    this.#nodes.set(key, node)
    return node
  }

  /** Closes the connections to brokers that left the cluster. */
  async #forgetOthers(metadata: ClusterMetadata): Promise<void> {
    const keep = new Set(metadata.brokers.map(({ host, port }) => `${host}:${port}`))
    for (const address of this.#options.connection.seedBrokers) {
      const { host, port } = parseBrokerAddress(address)
      keep.add(`${host}:${port}`)
    }
    for (const [key, node] of this.#nodes) {
      if (keep.has(key)) continue
      this.#nodes.delete(key)
      await node.close()
    }
  }
}

function groupPartitions(partitions: readonly TopicPartition[]): readonly ListOffsetsTopic[] {
  const groups = new Map<string, number[]>()
  for (const { topic, partition } of partitions) {
    groups.set(topic, [...(groups.get(topic) ?? []), partition])
  }
  return [...groups].map(([topic, numbers]) => ({ topic, partitions: numbers }))
}

/** A broker that has just lost or got a partition reports it as unknown, so the request is repeated. */
function retryable(error: Error, exists: boolean): Error {
  if (!exists || error instanceof AccessDeniedError) return error
  return new UnavailableError(errorMessage(error), { cause: error })
}
