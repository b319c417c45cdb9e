/**
 * A partitioned, offset-addressed, durable log in a directory: what the demo and most tests use in
 * place of Kafka, with the same record format and the same contract.
 *
 * Any number of processes read; one at a time appends to a partition. All on one host.
 */
import { rename, rm, writeFile } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import {
  type Clock,
  AlreadyExistsError,
  LakeError,
  NotFoundError,
  UnavailableError,
  ValidationError,
  errorMessage,
  systemClock,
  hasCode,
  syncDirectory,
} from '../../../common/index.ts'
import { RecordBatchEncoder } from '../../record-batch/record-batch-encoder.ts'
import type { RecordHeader } from '../../record-batch/record-header.ts'
import {
  loadRecordCompression,
  type RecordCodec,
  type RecordCompression,
} from '../../record-batch/record-compression.ts'
import { type TopicPartition, partitionKey } from '../../offsets/topic-partition.ts'
import type { OffsetBounds, TopicDescription } from '../record-source.ts'
import { checkTopicName } from '../topic-name.ts'
import { partitionDirectory, replaceFile, topicDirectory, topicsDirectory } from './log-layout.ts'
import {
  createHead,
  listTopicNames,
  readClusterId,
  readTopic,
  topicFile,
  topicJson,
} from './log-head.ts'
import { inspectPartition, type PartitionInspection } from './partition-inspection.ts'
import { PartitionReader } from './partition-reader.ts'
import { createPartition } from './partition-files.ts'
import { repairPartition } from './partition-repair.ts'
import { PartitionWriter } from './partition-writer.ts'
import type { WriterLockOptions } from './writer-lock.ts'

export interface EmbeddedLogOptions {
  readonly clock?: Clock
  /** Of the batches that this process appends. */
  readonly codec?: RecordCodec
  readonly segmentBytesMax?: number
  readonly retentionBytes?: number
  readonly retentionMs?: number
  /** Who appends and how it shows that it lives; other than the default in tests. */
  readonly lock?: WriterLockOptions
}

export interface EmbeddedRecord {
  readonly key?: Uint8Array | string | null
  readonly value: Uint8Array | string | null
  readonly headers?: readonly RecordHeader[]
  /** Now, when left out; a bigint where it is beyond the safe integers. */
  readonly timestampMs?: number | bigint
}

/** Offsets [baseOffset, nextOffset) are durable. */
export interface AppendResult {
  readonly baseOffset: bigint
  readonly nextOffset: bigint
}

interface WriterSlot {
  readonly opening: Promise<PartitionWriter>
  /** Once it is open. */
  writer?: PartitionWriter
}

const partitionCountMax = 10_000
const batchBytesTarget = 1 << 20
/** 128 MiB; Kafka's default is 1 MiB. */
const recordBytesMax = 128 << 20
const segmentBytesMaxDefault = 256 << 20

export class EmbeddedLog {
  readonly directory: string
  readonly clusterId: string
  readonly clock: Clock
  readonly compression: RecordCompression
  readonly #options: EmbeddedLogOptions
  readonly #writers = new Map<string, WriterSlot>()
  readonly #encoder: RecordBatchEncoder

  private constructor(
    directory: string,
    clusterId: string,
    compression: RecordCompression,
    options: EmbeddedLogOptions,
  ) {
    this.directory = directory
    this.clusterId = clusterId
    this.clock = options.clock ?? systemClock
    this.compression = compression
    this.#options = options
    this.#encoder = new RecordBatchEncoder(compression, 2 * batchBytesTarget)
  }

  /** Opens the log in `directory`, which is created when it does not exist. */
  static async open(directory: string, options: EmbeddedLogOptions = {}): Promise<EmbeddedLog> {
    try {
      return await EmbeddedLog.openExisting(directory, options)
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error
    }
    await createHead(directory)
    return EmbeddedLog.openExisting(directory, options)
  }

  /**
   * Opens a log that is there, without writing anything. Throws NotFoundError, which names `topics`, when the
   * directory is none.
   */
  static async openExisting(
    directory: string,
    options: EmbeddedLogOptions = {},
    topics: readonly string[] = [],
  ): Promise<EmbeddedLog> {
    const clusterId = await readClusterId(directory, topics)
    return new EmbeddedLog(directory, clusterId, await loadRecordCompression(), options)
  }

  async createTopic(topic: string, partitionCount: number): Promise<TopicDescription> {
    checkTopicName(topic)
    checkPartitionCount(topic, partitionCount)
    const target = topicDirectory(this.directory, topic)
    const staging = join(this.directory, `create-${randomUUID()}.tmp`)
    for (let partition = 0; partition < partitionCount; partition++) {
      await createPartition(join(staging, String(partition)))
    }
    const topicId = randomUUID()
    await writeFile(join(staging, 'topic.json'), topicJson(topicId, partitionCount), {
      flush: true,
    })
    await syncDirectory(staging)
    try {
      await rename(staging, target)
    } catch (error) {
      await rm(staging, { recursive: true, force: true })
      if (!hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw error
      throw new AlreadyExistsError('the topic exists already', { facts: { topic } })
    }
    await syncDirectory(topicsDirectory(this.directory))
    return { topic, topicId, partitionCount }
  }

  async deleteTopic(topic: string): Promise<void> {
    const { partitionCount } = await this.describeTopic(topic)
    for (let partition = 0; partition < partitionCount; partition++) {
      await this.#closeWriter({ topic, partition })
    }
    // Renamed first: a topic is there as a whole or not at all.
    const doomed = join(this.directory, `delete-${randomUUID()}.tmp`)
    await rename(topicDirectory(this.directory, topic), doomed)
    await syncDirectory(topicsDirectory(this.directory))
    await rm(doomed, { recursive: true, force: true })
  }

  /** Adds partitions to the topic; none is ever removed. */
  async addPartitions(topic: string, partitionCount: number): Promise<TopicDescription> {
    const described = await this.describeTopic(topic)
    checkPartitionCount(topic, partitionCount)
    if (partitionCount < described.partitionCount) {
      throw new ValidationError('a topic cannot lose partitions', {
        facts: { topic, partitions: described.partitionCount, requested: partitionCount },
      })
    }
    for (let partition = described.partitionCount; partition < partitionCount; partition++) {
      const directory = partitionDirectory(this.directory, topic, partition)
      // One that a crash left behind was never visible, so it holds nothing.
      await rm(directory, { recursive: true, force: true })
      await createPartition(directory)
    }
    const file = topicFile(this.directory, topic)
    await replaceFile(file, topicJson(described.topicId, partitionCount))
    return { ...described, partitionCount }
  }

  listTopics(): Promise<readonly string[]> {
    return listTopicNames(this.directory)
  }

  /** Throws NotFoundError. */
  async describeTopic(topic: string): Promise<TopicDescription> {
    checkTopicName(topic)
    return readTopic(this.directory, topic)
  }

  /** Resolves when the records are durable, in order, as one range of offsets. */
  async append(
    partition: TopicPartition,
    records: readonly EmbeddedRecord[],
  ): Promise<AppendResult> {
    const now = this.clock.now()
    for (const record of records) checkRecordSize(partition, record)
    return this.#append(partition, records.length, (encoder, index) => {
      const record = records[index] as EmbeddedRecord
      const { key = null, value, headers, timestampMs = now } = record
      encoder.append({ key, value, timestampMs, ...(headers === undefined ? {} : { headers }) })
    })
  }

  /** The fast path for values without key and headers. */
  async appendValues(
    partition: TopicPartition,
    values: readonly (Uint8Array | string)[],
    timestampMs = this.clock.now(),
  ): Promise<AppendResult> {
    return this.#append(partition, values.length, (encoder, index) => {
      encoder.append({ key: null, value: values[index] ?? null, timestampMs })
    })
  }

  async offsetBounds(partition: TopicPartition): Promise<OffsetBounds> {
    const reader = this.openReader(partition)
    try {
      return await reader.bounds()
    } finally {
      await reader.close()
    }
  }

  /** Removes the records below the offset, as retention does. */
  async deleteRecords(partition: TopicPartition, beforeOffset: bigint): Promise<void> {
    await (await this.#writer(partition)).deleteRecords(beforeOffset)
  }

  openReader({ topic, partition }: TopicPartition): PartitionReader {
    const directory = partitionDirectory(this.directory, topic, partition)
    const { clock, compression } = this
    return new PartitionReader({ topic, partition, directory, clock, compression })
  }

  /** Makes sure that this process may append to all of them, or throws before anything is written to any. */
  async claim(partitions: readonly TopicPartition[]): Promise<void> {
    for (const outcome of await Promise.allSettled(partitions.map((one) => this.#writer(one)))) {
      if (outcome.status === 'rejected') throw outcome.reason
    }
  }

  /** What a scan of all checksums finds damaged or missing; nothing is written. */
  async inspect(partition: TopicPartition): Promise<PartitionInspection> {
    const directory = partitionDirectory(this.directory, partition.topic, partition.partition)
    return inspectPartition(directory, partition, this.clock)
  }

  /** Puts a hole of the same offsets in place of what `inspect` finds; the damaged segments are kept beside. */
  async repair(partition: TopicPartition): Promise<PartitionInspection> {
    await this.#closeWriter(partition)
    const directory = partitionDirectory(this.directory, partition.topic, partition.partition)
    const { clock, compression } = this
    return repairPartition(directory, partition, { clock, compression, lock: this.#options.lock })
  }

  /** Waits for the writes in progress and lets other processes append. */
  async close(): Promise<void> {
    const writers = [...this.#writers.values()]
    this.#writers.clear()
    for (const writer of await Promise.allSettled(writers.map(({ opening }) => opening))) {
      if (writer.status === 'fulfilled') await writer.value.close()
    }
  }

  async #append(
    partition: TopicPartition,
    count: number,
    encodeRecord: (encoder: RecordBatchEncoder, index: number) => void,
  ): Promise<AppendResult> {
    const writer = await this.#writer(partition)
    const baseOffset = await writer.append((first) => ({
      batches: this.#encode(first, count, encodeRecord),
      nextOffset: first + BigInt(count),
    }))
    return { baseOffset, nextOffset: baseOffset + BigInt(count) }
  }

  #encode(
    first: bigint,
    count: number,
    encodeRecord: (encoder: RecordBatchEncoder, index: number) => void,
  ): Uint8Array[] {
    const encoder = this.#encoder
    const codec = this.#options.codec ?? 'none'
    const batches: Uint8Array[] = []
    let baseOffset = first
    for (let index = 0; index < count; index++) {
      encodeRecord(encoder, index)
      if (encoder.byteLength < batchBytesTarget && index + 1 < count) continue
      const nextOffset = baseOffset + BigInt(encoder.count)
      batches.push(encoder.finish({ baseOffset, codec }))
      baseOffset = nextOffset
    }
    return batches
  }

  /** Not async: appends that are called one after the other must get to the writer in that order. */
  #writer(partition: TopicPartition): Promise<PartitionWriter> {
    const key = partitionKey(partition)
    const before = this.#writers.get(key)
    if (before !== undefined && before.writer?.isUsable !== false) return before.opening
    const closed = before?.writer?.close() ?? Promise.resolve()
    const slot: WriterSlot = { opening: closed.then(() => this.#openWriter(partition)) }
    this.#writers.set(key, slot)
    slot.opening.then(
      (writer) => (slot.writer = writer),
      // After a failure (another process appends) the next call must try again.
      () => {
        if (this.#writers.get(key) === slot) this.#writers.delete(key)
      },
    )
    return slot.opening
  }

  async #openWriter({ topic, partition }: TopicPartition): Promise<PartitionWriter> {
    const { partitionCount } = await this.describeTopic(topic)
    if (!Number.isInteger(partition) || partition < 0 || partition >= partitionCount) {
      throw new NotFoundError('the topic has no such partition', {
        facts: { topic, partition, partitions: partitionCount },
      })
    }
    const settings = {
      segmentBytesMax: this.#options.segmentBytesMax ?? segmentBytesMaxDefault,
      retentionBytes: this.#options.retentionBytes,
      retentionMs: this.#options.retentionMs,
      ...(this.#options.lock === undefined ? {} : { lock: this.#options.lock }),
    }
    const directory = partitionDirectory(this.directory, topic, partition)
    try {
      return await PartitionWriter.open(directory, { topic, partition }, settings, this.clock)
    } catch (error) {
      if (error instanceof LakeError) throw error
      throw new UnavailableError(`cannot append to the embedded log: ${errorMessage(error)}`, {
        facts: { topic, partition, directory },
        cause: error,
      })
    }
  }

  async #closeWriter(partition: TopicPartition): Promise<void> {
    const key = partitionKey(partition)
    const slot = this.#writers.get(key)
    this.#writers.delete(key)
    await (await slot?.opening)?.close()
  }
}

/** A reader holds a record whole, in the memory of one batch. */
function checkRecordSize({ topic, partition }: TopicPartition, record: EmbeddedRecord): void {
  const bytes = byteLength(record.key ?? null) + byteLength(record.value)
  if (bytes <= recordBytesMax) return
  throw new ValidationError(
    'a record is larger than the embedded log takes; nothing of this append was written',
    { facts: { topic, partition, bytes, limit: recordBytesMax } },
  )
}

function byteLength(value: Uint8Array | string | null): number {
  if (value === null) return 0
  return typeof value === 'string' ? Buffer.byteLength(value) : value.length
}

function checkPartitionCount(topic: string, partitionCount: number): void {
  if (
    Number.isInteger(partitionCount) &&
    partitionCount > 0 &&
    partitionCount <= partitionCountMax
  ) {
    return
  }
  throw new ValidationError(`a topic has 1 to ${partitionCountMax} partitions`, {
    facts: { topic, partitions: partitionCount },
  })
}
