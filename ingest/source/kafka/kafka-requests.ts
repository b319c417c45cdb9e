/**
 * The requests that we speak ourselves: Fetch, because its answer must not become an object per
 * record; Metadata, because kafkajs stops below the version that has topic ids; ListOffsets, because
 * kafkajs's admin cannot be asked for partitions at their leader with an isolation level.
 *
 * Layouts: Kafka documentation, "The Messages".
 */
import type { AbortedTransaction } from '../../record-batch/aborted-transactions.ts'
import { ProtocolReader, ProtocolWriter } from './protocol-io.ts'

/** One version of one request of the protocol. */
interface KafkaApi {
  readonly apiKey: number
  readonly apiVersion: number
  readonly apiName: string
}

export interface KafkaRequest<T> extends KafkaApi {
  readonly body: Buffer
  decode(payload: Buffer): T
}

/** Version 11 is of Kafka 2.3. */
const fetchApi: KafkaApi = { apiKey: 1, apiVersion: 11, apiName: 'Fetch' }
const listOffsetsApi: KafkaApi = { apiKey: 2, apiVersion: 2, apiName: 'ListOffsets' }
/** Version 10 is the first with topic ids (Kafka 2.8) and of the flexible kind. */
const metadataApi: KafkaApi = { apiKey: 3, apiVersion: 10, apiName: 'Metadata' }

const findCoordinatorApi: KafkaApi = { apiKey: 10, apiVersion: 0, apiName: 'FindCoordinator' }

const readCommitted = 1

export interface ClusterMetadata {
  readonly clusterId: string
  readonly brokers: readonly {
    readonly nodeId: number
    readonly host: string
    readonly port: number
  }[]
  readonly topics: readonly TopicMetadata[]
}

export interface TopicMetadata {
  readonly errorCode: number
  readonly topic: string
  readonly topicId: string
  readonly partitions: readonly PartitionMetadata[]
}

export interface PartitionMetadata {
  readonly errorCode: number
  readonly partition: number
  /** The node that leads, -1 while there is none. */
  readonly leader: number
}

export function metadataRequest(topics: readonly string[]): KafkaRequest<ClusterMetadata> {
  const noTopicId = new Uint8Array(16)
  const body = new ProtocolWriter()
  body
    // Flexible requests carry tags at the end of their head, which kafkajs does not write.
    .noTags()
    .compactArray(topics, (topic) => body.bytes(noTopicId).compactString(topic).noTags())
    .bool(false)
    .bool(false)
    .bool(false)
    .noTags()
  return { ...metadataApi, body: body.finish(), decode: decodeMetadata }
}

function decodeMetadata(payload: Buffer): ClusterMetadata {
  const reader = new ProtocolReader(payload)
  reader.skipTags()
  reader.int32()
  const brokers = reader.compactArray(() => {
    const broker = { nodeId: reader.int32(), host: reader.compactString(), port: reader.int32() }
    reader.compactString()
    reader.skipTags()
    return broker
  })
  const clusterId = reader.compactString()
  reader.int32()
  const topics = reader.compactArray(() => {
    const errorCode = reader.int16()
    const topic = reader.compactString()
    const topicId = reader.uuid()
    reader.bool()
    const partitions = reader.compactArray(() => decodePartitionMetadata(reader))
    reader.int32()
    reader.skipTags()
    return { errorCode, topic, topicId, partitions }
  })
  return { clusterId, brokers, topics }
}

function decodePartitionMetadata(reader: ProtocolReader): PartitionMetadata {
  const metadata = { errorCode: reader.int16(), partition: reader.int32(), leader: reader.int32() }
  reader.int32()
  reader.compactArray(() => reader.int32())
  reader.compactArray(() => reader.int32())
  reader.compactArray(() => reader.int32())
  reader.skipTags()
  return metadata
}

/** kafkajs forgets why there is no coordinator: its error code. */
export function findCoordinatorRequest(group: string): KafkaRequest<number> {
  const body = new ProtocolWriter()
  body.string(group)
  return {
    ...findCoordinatorApi,
    body: body.finish(),
    decode: (payload) => new ProtocolReader(payload).int16(),
  }
}

export interface ListOffsetsTopic {
  readonly topic: string
  readonly partitions: readonly number[]
}

export interface ListedOffset {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  /** -1 when no record is that recent. */
  readonly offset: bigint
}

export const earliestTime = -2n
/** For a read_committed reader: the last stable offset. */
export const latestTime = -1n

export function listOffsetsRequest(
  topics: readonly ListOffsetsTopic[],
  time: bigint,
): KafkaRequest<readonly ListedOffset[]> {
  const body = new ProtocolWriter()
  body
    .int32(-1)
    .int8(readCommitted)
    .array(topics, ({ topic, partitions }) =>
      body.string(topic).array(partitions, (partition) => body.int32(partition).int64(time)),
    )
  return { ...listOffsetsApi, body: body.finish(), decode: decodeListedOffsets }
}

function decodeListedOffsets(payload: Buffer): readonly ListedOffset[] {
  const reader = new ProtocolReader(payload)
  reader.int32()
  const topics = reader.array(() => {
    const topic = reader.string()
    return reader.array(() => {
      const partition = reader.int32()
      const errorCode = reader.int16()
      reader.int64()
      return { topic, partition, errorCode, offset: reader.int64() }
    })
  })
  return topics.flat()
}

export interface FetchPartition {
  readonly topic: string
  readonly partition: number
  readonly fetchOffset: bigint
}

export interface FetchLimits {
  readonly waitMsMax: number
  readonly bytesMin: number
  readonly bytesMax: number
  readonly partitionBytesMax: number
}

export interface FetchedPartition {
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  /** The last stable offset: what a reader can have ends here. */
  readonly stableEnd: bigint
  readonly abortedTransactions: readonly AbortedTransaction[]
  /** Record batches, the last possibly cut short; a view of the response. */
  readonly recordSet: Buffer
}

export interface FetchResponse {
  readonly errorCode: number
  readonly partitions: readonly FetchedPartition[]
}

/** Without a fetch session: a session saves little for few partitions. */
export function fetchRequest(
  partitions: readonly FetchPartition[],
  limits: FetchLimits,
): KafkaRequest<FetchResponse> {
  const body = new ProtocolWriter()
  body
    .int32(-1)
    .int32(limits.waitMsMax)
    .int32(limits.bytesMin)
    .int32(limits.bytesMax)
    .int8(readCommitted)
    .int32(0)
    .int32(-1)
    .array(groupByTopic(partitions), ([topic, group]) =>
      body
        .string(topic)
        .array(group, ({ partition, fetchOffset }) =>
          body
            .int32(partition)
            .int32(-1)
            .int64(fetchOffset)
            .int64(-1n)
            .int32(limits.partitionBytesMax),
        ),
    )
    .array([], () => undefined)
    .string('')
  return { ...fetchApi, body: body.finish(), decode: decodeFetch }
}

function decodeFetch(payload: Buffer): FetchResponse {
  const reader = new ProtocolReader(payload)
  reader.int32()
  const errorCode = reader.int16()
  reader.int32()
  const topics = reader.array(() => {
    const topic = reader.string()
    return reader.array(() => decodeFetchedPartition(reader, topic))
  })
  return { errorCode, partitions: topics.flat() }
}

function decodeFetchedPartition(reader: ProtocolReader, topic: string): FetchedPartition {
  const partition = reader.int32()
  const errorCode = reader.int16()
  // High watermark before it, log start behind it.
  reader.int64()
  const stableEnd = reader.int64()
  reader.int64()
  const abortedTransactions = reader.array(() => ({
    producerId: reader.int64(),
    firstOffset: reader.int64(),
  }))
  reader.int32()
  const recordSet = reader.bytes()
  return { topic, partition, errorCode, stableEnd, abortedTransactions, recordSet }
}

/** Adjoining partitions of one topic share an entry, and their order, which is the broker's, stays. */
function groupByTopic(
  partitions: readonly FetchPartition[],
): readonly (readonly [string, readonly FetchPartition[]])[] {
  const groups: [string, FetchPartition[]][] = []
  for (const partition of partitions) {
    const last = groups.at(-1)
    if (last !== undefined && last[0] === partition.topic) last[1].push(partition)
    else groups.push([partition.topic, [partition]])
  }
  return groups
}
