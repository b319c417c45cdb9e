/**
 * Appending data files as a new snapshot (spec, "Optimistic Concurrency", "Sequence Numbers").
 *
 * The manifests of the added files are written once. A lost race rewrites only the manifest list,
 * from the new base's list, because added entries inherit their sequence number. The snapshot id stays
 * the same over all attempts: should an attempt that looked lost have landed, the next one finds its
 * id in the table and the rows are not added twice.
 */
import {
  failpoint,
  randomSafeId,
  randomUuid,
  ValidationError,
  type Clock,
  type Random,
} from '../../common/index.ts'
import type { FileIO } from '../../io/index.ts'
import type { Table } from '../catalog.ts'
import { manifestListLocation, manifestLocation } from '../files/locations.ts'
import type { ManifestCache } from '../manifest/manifest-cache.ts'
import { writeManifestList } from '../manifest/manifest-list.ts'
import { readSnapshotManifests, type ManifestSource } from '../manifest/snapshot-manifests.ts'
import { writeManifest } from '../manifest/write-manifest.ts'
import { partitionTypes } from '../spec/partition-types.ts'
import {
  currentSchema,
  currentSnapshot,
  mainBranch,
  partitionSpecById,
  snapshotById,
} from '../spec/table-metadata.ts'
import type {
  DataFile,
  ManifestFile,
  PartitionSpec,
  Snapshot,
  TableMetadata,
} from '../spec/types.ts'
import type { TableUpdate } from '../table/update.ts'
import type { ActionCommit, TransactionAction } from './action.ts'
import { checkNotLive } from './check-not-live.ts'
import { mergeManifests } from './merge-manifests.ts'
import { appendSummary, countPartitions } from './snapshot-summary.ts'

export interface FastAppendOptions {
  /** May be empty: the snapshot then only carries summary entries. */
  readonly files: readonly DataFile[]
  /** Further summary entries, from the base where they depend on it; computed ones cannot be given. */
  readonly summary?: SummaryEntries | ((base: Table) => SummaryEntries)
  /** Default `main`. A branch that does not exist begins at the current snapshot of `main`. */
  readonly branch?: string
  /** Runs on each base before anything is written for it; throws to refuse the base for good. */
  readonly check?: (base: Table) => void | Promise<void>
  /** Further updates of the same commit, such as set-properties. */
  readonly extraUpdates?: (base: Table) => readonly TableUpdate[]
}

type SummaryEntries = Readonly<Record<string, string>>

export interface FastAppendTools {
  readonly io: FileIO
  readonly clock: Clock
  readonly random: Random
  readonly cache?: ManifestCache
}

export interface PreparedAppend {
  readonly snapshotId: bigint
  readonly commitId: string
  readonly manifests: readonly ManifestFile[]
}

export class FastAppend implements TransactionAction<PreparedAppend> {
  readonly #tools: FastAppendTools
  readonly #options: FastAppendOptions
  readonly #branch: string
  /** Everything written so far; what no table points at is deleted by `discard`. */
  readonly #written = new Set<string>()
  #attempts = 0

  constructor(tools: FastAppendTools, options: FastAppendOptions) {
    this.#tools = tools
    this.#options = options
    this.#branch = options.branch ?? mainBranch
    checkDistinct(options.files)
  }

  async prepare(table: Table): Promise<PreparedAppend> {
    const { metadata } = table
    checkWritable(metadata)
    const { random } = this.#tools
    const snapshotId = freshSnapshotId(metadata, random)
    const commitId = randomUuid(random)
    const manifests: ManifestFile[] = []
    for (const [specId, files] of bySpec(this.#options.files)) {
      const spec = specOf(metadata, specId)
      const { body, manifest } = writeManifest({
        location: manifestLocation(metadata, commitId, manifests.length),
        content: 'data',
        schema: currentSchema(metadata),
        spec,
        partitionTypes: partitionTypes(metadata, spec),
        entries: files.map((dataFile) => ({ status: 'added', snapshotId, dataFile })),
        addedSnapshotId: snapshotId,
        syncMarker: random.bytes(16),
      })
      await this.#write(manifest.manifestPath, body)
      manifests.push(manifest)
    }
    await failpoint('commit.manifest-written')
    return { snapshotId, commitId, manifests }
  }

  committedIn(base: Table, prepared: PreparedAppend): boolean {
    return snapshotById(base.metadata, prepared.snapshotId) !== undefined
  }

  async commit(base: Table, prepared: PreparedAppend): Promise<ActionCommit> {
    const { metadata } = base
    checkWritable(metadata)
    await this.#options.check?.(base)
    const parent = this.#parent(metadata)
    const snapshot = await this.#newSnapshot(base, parent, prepared)
    const ref = metadata.refs[this.#branch]
    return {
      requirements: [
        { type: 'assert-table-uuid', uuid: metadata.tableUuid },
        {
          type: 'assert-ref-snapshot-id',
          ref: this.#branch,
          snapshotId: ref?.snapshotId ?? null,
        },
      ],
      updates: [
        { action: 'add-snapshot', snapshot },
        {
          action: 'set-snapshot-ref',
          refName: this.#branch,
          ref: { ...ref, type: 'branch', snapshotId: prepared.snapshotId },
        },
        ...(this.#options.extraUpdates?.(base) ?? []),
      ],
    }
  }

  async discard(_prepared: PreparedAppend, committed: Table | undefined): Promise<void> {
    // A first attempt that won left nothing behind, which is the ordinary case.
    if (committed !== undefined && this.#attempts <= 1) return
    const kept = committed === undefined ? new Set<string>() : await this.#reachable(committed)
    const garbage = [...this.#written].filter((location) => !kept.has(location))
    if (garbage.length > 0) await this.#tools.io.delete(garbage)
  }

  #parent(metadata: TableMetadata): Snapshot | undefined {
    const ref = metadata.refs[this.#branch]
    if (ref === undefined) return currentSnapshot(metadata)
    if (ref.type === 'tag') {
      throw new ValidationError('cannot append to a tag; name a branch', {
        facts: { ref: this.#branch },
      })
    }
    return snapshotById(metadata, ref.snapshotId)
  }

  async #newSnapshot(
    base: Table,
    parent: Snapshot | undefined,
    prepared: PreparedAppend,
  ): Promise<Snapshot> {
    const { metadata } = base
    const { files, summary } = this.#options
    const extra = typeof summary === 'function' ? summary(base) : (summary ?? {})
    const { clock, random } = this.#tools
    const { snapshotId } = prepared
    const sequenceNumber = metadata.lastSequenceNumber + 1n
    const manifestList = manifestListLocation(
      metadata,
      snapshotId,
      ++this.#attempts,
      prepared.commitId,
    )
    const body = writeManifestList({
      snapshotId,
      parentSnapshotId: parent?.snapshotId,
      sequenceNumber,
      manifests: await this.#manifestsOver(metadata, parent, prepared),
      syncMarker: random.bytes(16),
    })
    await this.#write(manifestList, body)
    await failpoint('commit.manifest-list-written')
    const specs = new Map(metadata.partitionSpecs.map((spec) => [spec.specId, spec]))
    const partitionCount = countPartitions(files, specs, currentSchema(metadata))
    return {
      snapshotId,
      ...(parent === undefined ? {} : { parentSnapshotId: parent.snapshotId }),
      sequenceNumber,
      timestampMs: laterOf(BigInt(clock.now()), metadata.lastUpdatedMs),
      manifestList,
      summary: appendSummary(files, parent, partitionCount, extra),
      schemaId: metadata.currentSchemaId,
    }
  }

  /** Ours first, then the base's that still hold live files, small ones merged. */
  async #manifestsOver(
    metadata: TableMetadata,
    parent: Snapshot | undefined,
    prepared: PreparedAppend,
  ): Promise<readonly ManifestFile[]> {
    const source = this.#source()
    const base = parent === undefined ? [] : await readSnapshotManifests(source, parent)
    await checkNotLive(source, metadata, base, this.#options.files)
    const merged = await mergeManifests(source, metadata, base, {
      snapshotId: prepared.snapshotId,
      random: this.#tools.random,
      location: (index) =>
        manifestLocation(metadata, `${prepared.commitId}-a${this.#attempts}`, index),
      write: (location, body) => this.#write(location, body),
    })
    return [...prepared.manifests, ...merged]
  }

  async #reachable(table: Table): Promise<ReadonlySet<string>> {
    const { metadata } = table
    const ours = metadata.snapshots.filter(
      ({ manifestList }) => manifestList !== undefined && this.#written.has(manifestList),
    )
    const kept = new Set<string>()
    for (const snapshot of ours) {
      kept.add(snapshot.manifestList ?? '')
      const manifests = await readSnapshotManifests(this.#source(), snapshot)
      for (const manifest of manifests) kept.add(manifest.manifestPath)
    }
    // Our snapshot may be out of sight already; then nothing can be told apart and all is kept.
    return ours.length === 0 ? this.#written : kept
  }

  #source(): ManifestSource {
    const { io, cache } = this.#tools
    return cache === undefined ? { io } : { io, cache }
  }

  async #write(location: string, body: Uint8Array): Promise<void> {
    // Recorded first: a write whose answer is lost may have happened.
    this.#written.add(location)
    await this.#tools.io.write(location, body)
  }
}

function checkDistinct(files: readonly DataFile[]): void {
  const seen = new Set<string>()
  for (const { filePath, content } of files) {
    if (content !== 'data') {
      throw new ValidationError('an append adds data files only', { facts: { file: filePath } })
    }
    if (seen.has(filePath)) {
      throw new ValidationError('a file is added twice in one commit', {
        facts: { file: filePath },
      })
    }
    seen.add(filePath)
  }
}

function checkWritable(metadata: TableMetadata): void {
  if (metadata.formatVersion === 2) return
  throw new ValidationError('only tables of format version 2 can be written; v1 can be upgraded', {
    facts: { table: metadata.location, 'format-version': metadata.formatVersion },
  })
}

function freshSnapshotId(metadata: TableMetadata, random: Random): bigint {
  for (;;) {
    const id = randomSafeId(random)
    if (snapshotById(metadata, id) === undefined) return id
  }
}

function bySpec(files: readonly DataFile[]): ReadonlyMap<number, DataFile[]> {
  const groups = new Map<number, DataFile[]>()
  for (const file of files) {
    const group = groups.get(file.specId)
    if (group === undefined) groups.set(file.specId, [file])
    else group.push(file)
  }
  return groups
}

function specOf(metadata: TableMetadata, specId: number): PartitionSpec {
  if (metadata.partitionSpecs.some((spec) => spec.specId === specId)) {
    return partitionSpecById(metadata, specId)
  }
  throw new ValidationError('file names a partition spec that the table does not have', {
    facts: { spec: specId, table: metadata.location },
  })
}

function laterOf(left: bigint, right: bigint): bigint {
  return left > right ? left : right
}
