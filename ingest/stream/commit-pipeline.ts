/**
 * Sealed batches on their way into the table, while reading goes on: one is typed and uploaded as the
 * one before it commits.
 *
 * E7: batches commit in the order they were sealed, each only after the one before it. The first
 * failure stops everything behind it; whoever drives the pipeline then begins anew from the table.
 */
import { join } from 'node:path'
import type { DataFile } from '../../catalog/format/index.ts'
import type { SideField, Table } from '../../catalog/index.ts'
import { UnavailableError } from '../../common/index.ts'
import type { BatchCommitter, StagedFiles } from './committer.ts'
import type { OffsetRange } from '../offsets/offset-range.ts'
import type { MicroBatch } from './batch.ts'
import { refusedLetters } from './refused-rows.ts'

export interface SealedBatch {
  readonly batch: MicroBatch
  /** Holds the batch's spool files; deleted when it is done. */
  readonly directory: string
  readonly table: Table
  readonly sideFields: readonly SideField[]
  /** Partitions of the stream that the batch has nothing of: nobody else may have moved them. */
  readonly idle: readonly OffsetRange[]
}

/** Commits one batch whose files are uploaded: dead letters, then rows and offsets. */
export type CommitBatch = (sealed: SealedBatch, files: readonly DataFile[]) => Promise<void>

export class CommitPipeline {
  readonly #committer: BatchCommitter
  readonly #commitBatch: CommitBatch
  readonly #removeFolder: (directory: string) => Promise<void>
  #sizeBytes = 0
  #typing: Promise<unknown> = Promise.resolve()
  #committing: Promise<void> = Promise.resolve()
  /** The end of each batch under way, oldest first. */
  readonly #ends: Promise<void>[] = []
  #failure: { readonly error: unknown } | undefined

  /** `removeFolder` deletes the folder of a batch that is done. */
  constructor(
    committer: BatchCommitter,
    commitBatch: CommitBatch,
    removeFolder: (directory: string) => Promise<void>,
  ) {
    this.#committer = committer
    this.#commitBatch = commitBatch
    this.#removeFolder = removeFolder
  }

  /** Batches handed over and not yet done. */
  get count(): number {
    return this.#ends.length
  }

  /** Their bytes. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  push(sealed: SealedBatch): void {
    const { batch, directory } = sealed
    const sizeBytes = batch.sizeBytes
    this.#sizeBytes += sizeBytes
    const staged = this.#typing.then(async () => {
      this.throwFailure()
      await Promise.all(batch.spools.map((spool) => spool.written))
      const outDirectory = join(directory, 'out')
      return this.#committer.stage(sealed.table, batch.spools, sealed.sideFields, outDirectory)
    })
    this.#typing = staged.catch(() => undefined)
    this.#committing = this.#commitAfter(this.#committing, staged, sealed).finally(() => {
      void this.#ends.shift()
      this.#sizeBytes -= sizeBytes
    })
    this.#ends.push(this.#committing)
  }

  /** Never rejects: what goes wrong is kept for `throwFailure`. */
  async #commitAfter(
    before: Promise<void>,
    staged: Promise<StagedFiles>,
    sealed: SealedBatch,
  ): Promise<void> {
    const { batch, directory } = sealed
    try {
      const [{ files, refused }] = await Promise.all([staged, before])
      this.throwFailure()
      for await (const letter of refusedLetters(batch, refused)) {
        batch.letters.add(letter)
        await batch.letters.spill()
      }
      await this.#commitBatch(sealed, files)
    } catch (error) {
      this.#failure ??= { error }
    } finally {
      await this.#removeFolder(directory)
    }
  }

  /** Resolves when the oldest batch is done, well or not. */
  async settleOldest(): Promise<void> {
    await this.#ends[0]
  }

  /** Resolves when every batch handed over so far is done, well or not. */
  async settle(): Promise<void> {
    await this.#typing
    await this.#committing
  }

  throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined
  }

  /** Gives up what has not begun to commit; a commit under way is awaited, so that it cannot land later. */
  async reset(): Promise<void> {
    if (this.count > 0) this.#failure ??= { error: new UnavailableError('the batch was given up') }
    await this.settle()
    this.#failure = undefined
  }
}
