/**
 * Reads what readers of a partition may see, without writing: the end that the writer published (durable-end.ts), or,
 * where that file is missing or torn, the end of the last sound batch, once it is known to be on the disk.
 */
import { open, stat, type FileHandle } from 'node:fs/promises'
import { type Clock, NotFoundError, hasCode } from '../../../common/index.ts'
import type { TopicPartition } from '../../offsets/topic-partition.ts'
import { durableFile, readDurableEnd, type DurableEnd } from './durable-end.ts'
import { listSegments, segmentFile } from './log-layout.ts'
import { scanSegment } from './segment-scan.ts'

export interface PartitionEndOptions extends TopicPartition {
  readonly directory: string
  readonly clock: Clock
}

/** A writer may replace the file while we have the old one open; checked this often. */
const lookMs = 1_000

export class PartitionEnd {
  readonly #options: PartitionEndOptions
  /** The partition's directory, kept open so that its inode number is not given to another. */
  #folder: FileHandle | undefined
  #published: FileHandle | undefined
  #last: DurableEnd | undefined
  #lookedMs = Number.NEGATIVE_INFINITY
  #derived: DurableEnd | undefined

  constructor(options: PartitionEndOptions) {
    this.#options = options
  }

  /** Throws NotFoundError when there is no such partition. */
  async read(): Promise<DurableEnd> {
    const { directory, clock } = this.#options
    await this.#openFolder()
    for (;;) {
      this.#published ??= await openIfThere(durableFile(directory))
      if (this.#published === undefined) return this.#derive()
      const end = await readDurableEnd(this.#published, clock)
      if (await this.#isReplaced(end)) {
        await this.#closePublished()
        continue
      }
      return end ?? this.#derive()
    }
  }

  /**
   * Segments are opened by name: when the topic was created again in between, they are of another topic than the
   * end.
   */
  async requireSameTopic(): Promise<void> {
    const mine = await this.#folder?.stat()
    const named = await stat(this.#options.directory).catch(() => undefined)
    if (named === undefined || named.ino !== mine?.ino) throw this.#missingError(undefined)
  }

  async close(): Promise<void> {
    await this.#closePublished()
    const folder = this.#folder
    this.#folder = undefined
    await folder?.close()
  }

  async #openFolder(): Promise<void> {
    if (this.#folder !== undefined) return
    try {
      this.#folder = await open(this.#options.directory, 'r')
    } catch (error) {
      if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error
      throw this.#missingError(error)
    }
  }

  /** Asked when the end has moved, because one who lost the partition may still write into the old file. */
  async #isReplaced(end: DurableEnd | undefined): Promise<boolean> {
    const now = this.#options.clock.monotonic()
    const hasMoved = end?.nextOffset !== this.#last?.nextOffset
    if (!hasMoved && now - this.#lookedMs < lookMs) return false
    this.#lookedMs = now
    this.#last = end
    return (await this.#published?.stat())?.nlink === 0
  }

  async #derive(): Promise<DurableEnd> {
    const { directory, topic, partition } = this.#options
    const segments = await listSegments(directory)
    const base = segments.at(-1)
    const [startOffset = 0n] = segments
    if (base === undefined) {
      await this.requireSameTopic()
      return { startOffset, nextOffset: 0n, segmentBase: 0n, segmentBytes: 0 }
    }
    const before = this.#derived?.segmentBase === base ? this.#derived : undefined
    const handle = await open(segmentFile(directory, base), 'r')
    try {
      const { size } = await handle.stat()
      // What is read must survive a power cut; a disk that cannot be written has nothing to write back.
      await handle.datasync().catch(() => undefined)
      const from = {
        nextOffset: before?.nextOffset ?? base,
        bytes: before?.segmentBytes ?? 0,
      }
      const scan = await scanSegment(handle, { topic, partition, from, size })
      this.#derived = {
        startOffset,
        nextOffset: scan.nextOffset,
        segmentBase: base,
        segmentBytes: scan.bytes,
      }
      return this.#derived
    } finally {
      await handle.close()
    }
  }

  async #closePublished(): Promise<void> {
    const published = this.#published
    this.#published = undefined
    await published?.close()
  }

  #missingError(cause: unknown): NotFoundError {
    const { topic, partition, directory } = this.#options
    return new NotFoundError('the embedded log has no such topic or partition (any more)', {
      facts: { topic, partition, directory },
      cause,
    })
  }
}

async function openIfThere(file: string): Promise<FileHandle | undefined> {
  try {
    return await open(file, 'r')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}
