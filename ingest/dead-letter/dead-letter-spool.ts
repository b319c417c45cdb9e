/**
 * The dead letters of one batch, on disk: a stream of nothing but bad records must not need more
 * memory than one of good ones.
 *
 * The rows of the dead-letter table are written as the records are refused, so no record stays in memory.
 */
import { createReadStream } from 'node:fs'
import { appendFile, mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import type { RowSpool } from '../../catalog/index.ts'
import {
  asBigint,
  type Clock,
  CorruptDataError,
  isJsonObject,
  parseJson,
} from '../../common/index.ts'
import type { OffsetRange } from '../offsets/offset-range.ts'
import { isInstant } from '../record-batch/instants.ts'
import type { DeadLetter } from './dead-letter.ts'
import { nextOffsetOf, type StreamOffsets } from '../offsets/offset-map.ts'
import { partitionKey, type TopicPartition } from '../offsets/topic-partition.ts'

/** Rows stay in memory up to about this size, plus those of one poll. */
const bufferedBytesMax = 1 << 20

/** Letters to commit, with the range of offsets in each partition that they come from. */
export interface LettersToCommit {
  readonly spool: RowSpool
  readonly ranges: readonly OffsetRange[]
}

export interface DeadLetterSpoolOptions {
  readonly path: string
  readonly stream: string
  readonly clock: Clock
}

export class DeadLetterSpool {
  readonly #options: DeadLetterSpoolOptions
  readonly #file: RowFile
  #copies = 0

  constructor(options: DeadLetterSpoolOptions) {
    this.#options = options
    this.#file = new RowFile(options.path)
  }

  get count(): number {
    return this.#file.rowCount
  }

  /** `letter` may point into buffers that are reused after this call. Returns the bytes of its row. */
  add(letter: DeadLetter): number {
    const { stream, clock } = this.#options
    return this.#file.add(deadLetterRow(letter, stream, clock.now()), letter, letter.offset)
  }

  /** Writes the rows in memory to the file when there are many, or in any case with `always`. */
  async spill(always = false): Promise<void> {
    await this.#file.spill(always)
  }

  /**
   * The letters at and after the offsets in `committed`; undefined when there are none. A batch that is
   * repeated after a crash may hold letters that the table has already (E5).
   */
  async uncommitted(committed: StreamOffsets | undefined): Promise<LettersToCommit | undefined> {
    await this.#file.spill(true)
    const isUncommitted = (at: TopicPartition, offset: bigint): boolean =>
      offset >= (nextOffsetOf(committed, at) ?? offset)
    if (this.#file.partitions.every((each) => isUncommitted(each, each.firstOffset))) {
      return this.#file.contents(committed)
    }
    const rest = new RowFile(`${this.#options.path}.${++this.#copies}`)
    const lines = createInterface({ input: createReadStream(this.#file.path), crlfDelay: Infinity })
    for await (const line of lines) {
      const { offset, ...partition } = coordinatesOf(line)
      if (isUncommitted(partition, offset)) rest.add(line, partition, offset)
      await rest.spill()
    }
    await rest.spill(true)
    return rest.contents(committed)
  }
}

interface PartitionReach extends TopicPartition {
  firstOffset: bigint
  endOffset: bigint
}

/** Lines of JSON, with the range of offsets in each partition that they come from. */
class RowFile {
  readonly path: string
  rowCount = 0
  #sizeBytes = 0
  #rowBytesMax = 0
  #waiting: string[] = []
  #waitingBytes = 0
  readonly #partitions = new Map<string, PartitionReach>()

  constructor(path: string) {
    this.path = path
  }

  get partitions(): readonly PartitionReach[] {
    return [...this.#partitions.values()]
  }

  /** Returns the bytes of the row. */
  add(row: string, partition: TopicPartition, offset: bigint): number {
    const bytes = Buffer.byteLength(row) + 1
    this.#waiting.push(row)
    this.#waitingBytes += bytes
    this.#sizeBytes += bytes
    this.rowCount++
    this.#rowBytesMax = Math.max(this.#rowBytesMax, bytes)
    this.#reach(partition, offset)
    return bytes
  }

  async spill(always = false): Promise<void> {
    if (this.#waiting.length === 0 || (!always && this.#waitingBytes < bufferedBytesMax)) return
    const rows = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    await mkdir(dirname(this.path), { recursive: true })
    await appendFile(this.path, `${rows.join('\n')}\n`)
  }

  contents(committed: StreamOffsets | undefined): LettersToCommit | undefined {
    if (this.rowCount === 0) return undefined
    const { path, rowCount } = this
    return {
      spool: { path, rowCount, sizeBytes: this.#sizeBytes, rowBytesMax: this.#rowBytesMax },
      ranges: this.partitions.map(({ topic, partition, endOffset }) => ({
        topic,
        partition,
        from: nextOffsetOf(committed, { topic, partition }),
        to: endOffset,
      })),
    }
  }

  #reach({ topic, partition }: TopicPartition, offset: bigint): void {
    const key = partitionKey({ topic, partition })
    const reach = this.#partitions.get(key)
    const endOffset = offset + 1n
    if (reach === undefined) {
      this.#partitions.set(key, { topic, partition, firstOffset: offset, endOffset })
      return
    }
    if (offset < reach.firstOffset) reach.firstOffset = offset
    if (endOffset > reach.endOffset) reach.endOffset = endOffset
  }
}

/** Without `JSON.stringify` of an object, because a stream of only bad records writes one row for each of them. */
function deadLetterRow(letter: DeadLetter, stream: string, failedAtMs: number): string {
  const { timestampMs, topic, partition, offset, key, value, reason } = letter
  const headers = letter.headers.map(
    (header) => `{"key":${text(header.name)},"value":${base64(header.value)}}`,
  )
  // The column of the timestamp is NULL where it cannot hold it.
  const error = isInstant(timestampMs)
    ? reason
    : `${reason}; its kafka timestamp ${timestampMs} lies outside of years 1 to 9999`
  return `{"$timestamp":${timestampMs},"$failed_at":${failedAtMs},"stream":${text(
    stream,
  )},"topic":${text(topic)},"partition":${partition},"offset":${offset},"key":${base64(
    key,
  )},"value":${base64(value)},"headers":[${headers.join(',')}],"error":${text(error)}}`
}

/** A JSON string that the engine takes whatever it holds: half a surrogate pair is no text to it. */
function text(value: string): string {
  return JSON.stringify(Buffer.from(value, 'utf8').toString('utf8'))
}

/** A JSON string, or null. */
function base64(bytes: Uint8Array | null): string {
  if (bytes === null) return 'null'
  return `"${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')}"`
}

function coordinatesOf(line: string): TopicPartition & { readonly offset: bigint } {
  const row = parseJson(line, 'a spooled dead letter')
  const { topic, partition, offset } = isJsonObject(row) ? row : {}
  if (typeof topic !== 'string') throw new CorruptDataError('a spooled dead letter has no topic')
  return {
    topic,
    partition: Number(asBigint(partition, 'partition')),
    offset: asBigint(offset, 'offset'),
  }
}
