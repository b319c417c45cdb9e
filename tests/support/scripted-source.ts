/** A log in memory whose polls a test can watch, answer or fail. */
import { RecordColumns } from '../../ingest/record-batch/record-columns.ts'
import { partitionKey, type TopicPartition } from '../../ingest/offsets/topic-partition.ts'
import type { RecordBatch } from '../../ingest/record-batch/record-batch.ts'
import type {
  OffsetBounds,
  PollResult,
  RecordSource,
  TopicDescription,
} from '../../ingest/source/record-source.ts'

export interface TestRecord {
  readonly key?: string
  readonly value: string | null
  /** One header `h`. */
  readonly header?: string
}

/** Records of partition `partition` of topic `t`, the first at `offset`; times are 1000. */
export function recordBatch(
  partition: number,
  offset: number,
  records: readonly (TestRecord | string | null)[],
): RecordBatch {
  const columns = new RecordColumns(records.length)
  const parts: Buffer[] = []
  let at = 0
  const put = (text: string, encoding: BufferEncoding = 'utf8'): number => {
    const bytes = Buffer.from(text, encoding)
    parts.push(bytes)
    at += bytes.length
    return at
  }
  for (const [row, each] of records.entries()) {
    const { key, value, header } =
      typeof each === 'object' && each !== null ? each : { value: each }
    columns.setOffsetBigint(row, BigInt(offset + row))
    columns.setTimestampBigint(row, 1000n)
    columns.keyStarts[row] = key === undefined ? -1 : at
    columns.keyEnds[row] = key === undefined ? -1 : put(key)
    columns.valueStarts[row] = value === null ? -1 : at
    columns.valueEnds[row] = value === null ? -1 : put(value)
    columns.headerStarts[row] = at
    // Zigzag varints: one header, a name of one byte, a short value.
    columns.headerEnds[row] =
      header === undefined
        ? at
        : put(`\u0002\u0002h${String.fromCharCode(header.length * 2)}${header}`, 'latin1')
  }
  columns.count = records.length
  const data = Buffer.concat(parts)
  const nextOffset = BigInt(offset + records.length)
  return columns.toBatch({ topic: 't', partition, data, timestampType: 0, nextOffset })
}

export interface ScriptedSourceOptions {
  /** Values by partition. */
  readonly log: readonly (readonly (string | null)[])[]
  /** Records of each partition that a poll brings. */
  readonly recordsPerPoll?: number
  /** Called before each poll but the first; what it returns is the poll's answer. */
  readonly onPoll?: (poll: number) => PollResult | undefined | Promise<PollResult | undefined>
  /** Called with the name of each other call that the stream makes of it. */
  readonly onCall?: (call: string) => void | Promise<void>
}

export class ScriptedSource implements RecordSource {
  readonly #options: ScriptedSourceOptions
  readonly #positions = new Map<number, number>()
  #polls = 0

  constructor(options: ScriptedSourceOptions) {
    this.#options = options
  }

  get partitions(): readonly TopicPartition[] {
    return this.#options.log.map((_, partition) => ({ topic: 't', partition }))
  }

  async start(): Promise<void> {
    await this.#options.onCall?.('start')
  }

  async clusterId(): Promise<string> {
    return 'cluster'
  }

  async describeTopics(): Promise<readonly TopicDescription[]> {
    return [{ topic: 't', topicId: 'id', partitionCount: this.#options.log.length }]
  }

  async offsetBounds(
    partitions: readonly TopicPartition[],
  ): Promise<ReadonlyMap<string, OffsetBounds>> {
    const bounds = (partition: number): OffsetBounds => ({
      earliest: 0n,
      latest: BigInt(this.#options.log[partition]?.length ?? 0),
    })
    return new Map(partitions.map((each) => [partitionKey(each), bounds(each.partition)]))
  }

  async offsetsForTime(): Promise<ReadonlyMap<string, bigint | undefined>> {
    return new Map()
  }

  async poll(bytesMax: number, waitMs: number, signal?: AbortSignal): Promise<PollResult> {
    void bytesMax
    void waitMs
    signal?.throwIfAborted()
    const poll = this.#polls++
    if (poll === 0) return { kind: 'assigned', partitions: this.partitions }
    const answer = await this.#options.onPoll?.(poll)
    if (answer !== undefined) {
      if (answer.kind === 'assigned') this.#positions.clear()
      return answer
    }
    const { log, recordsPerPoll = 1000 } = this.#options
    const batches = [...this.#positions].flatMap(([partition, from]) => {
      const values = (log[partition] ?? []).slice(from, from + recordsPerPoll)
      if (values.length === 0) return []
      this.#positions.set(partition, from + values.length)
      return [recordBatch(partition, from, values)]
    })
    return { kind: 'records', batches }
  }

  seek({ partition }: TopicPartition, nextOffset: bigint): void {
    this.#positions.set(partition, Number(nextOffset))
    void this.#options.onCall?.(`seek ${partition} ${nextOffset}`)
  }

  pause(): void {
    throw new Error('a stream pauses nothing')
  }

  resume(): void {
    throw new Error('a stream resumes nothing')
  }

  async reportCommitted(nextOffsets: ReadonlyMap<string, bigint>): Promise<void> {
    const offsets = [...nextOffsets].map(([key, next]) => `${key}=${next}`)
    await this.#options.onCall?.(`report ${offsets.join(' ')}`)
  }

  async stop(): Promise<void> {
    await this.#options.onCall?.('stop')
  }
}
