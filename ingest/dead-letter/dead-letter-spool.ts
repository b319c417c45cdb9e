/**
 * The dead letters of one batch, on disk: a stream of nothing but bad records must not need more
 * memory than one of good ones.
 *
 * Rows of the dead-letter table are made as the records are refused, so a letter holds no record.
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
import type { DeadLetter } from './dead-letter.ts'
import { nextOffsetOf, type StreamOffsets } from '../offsets/offset-map.ts'
import { partitionKey, type TopicPartition } from '../offsets/topic-partition.ts'

/** Rows wait in memory up to about this much, besides those of one poll. */
const bufferedBytesMax = 1 << 20

/** Letters to commit, and how far they reach in each partition. */
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

  /** `letter` may show into buffers that are reused after this call. Returns the bytes it takes. */
  add(letter: DeadLetter): number {
    const { stream, clock } = this.#options
    return this.#file.add(deadLetterRow(letter, stream, clock.now()), letter, letter.offset)
  }

  /** Brings what waits in memory to the file: when it is much, or with `always` in any case. */
  async spill(always = false): Promise<void> {
    await this.#file.spill(always)
  }

  /**
   * The letters at and beyond the offsets in `committed`; undefined when there are none. A batch
   * that is tried again after a crash may hold letters that are in the table already (E5).
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
      const { offset, ...place } = placeOf(line)
      if (isUncommitted(place, offset)) rest.add(line, place, offset)
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

/** Lines of JSON and how far they reach in each partition. */
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
  add(row: string, place: TopicPartition, offset: bigint): number {
    const bytes = Buffer.byteLength(row) + 1
    this.#waiting.push(row)
    this.#waitingBytes += bytes
    this.#sizeBytes += bytes
    this.rowCount++
    this.#rowBytesMax = Math.max(this.#rowBytesMax, bytes)
    this.#reach(place, offset)
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

/** Written by hand: a stream of nothing but bad records makes as many of these as rows. */
function deadLetterRow(letter: DeadLetter, stream: string, failedAtMs: number): string {
  const { timestampMs, topic, partition, offset, key, value, reason } = letter
  const headers = letter.headers.map(
    (header) => `{"key":${JSON.stringify(header.name)},"value":${base64(header.value)}}`,
  )
  return `{"$timestamp":${timestampMs},"$failed_at":${failedAtMs},"stream":${JSON.stringify(
    stream,
  )},"topic":${JSON.stringify(topic)},"partition":${partition},"offset":${offset},"key":${base64(
    key,
  )},"value":${base64(value)},"headers":[${headers.join(',')}],"error":${JSON.stringify(reason)}}`
}

/** A JSON string, or null. */
function base64(bytes: Uint8Array | null): string {
  if (bytes === null) return 'null'
  return `"${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')}"`
}

function placeOf(line: string): TopicPartition & { readonly offset: bigint } {
  const row = parseJson(line, 'a spooled dead letter')
  const { topic, partition, offset } = isJsonObject(row) ? row : {}
  if (typeof topic !== 'string') throw new CorruptDataError('a spooled dead letter has no topic')
  return {
    topic,
    partition: Number(asBigint(partition, 'partition')),
    offset: asBigint(offset, 'offset'),
  }
}
