/**
 * The part that every commit of files shares: from added and removed files to a new snapshot on a branch
 * (spec, "Optimistic Concurrency", "Sequence Numbers").
 *
 * The manifests of the added files are written once. A lost race rewrites only the manifest list, from
 * the new base's list, because added entries inherit their sequence number; manifests that files are
 * taken out of are written again only where the base has new ones. The snapshot id stays the same over
 * all attempts: if an attempt that seemed lost was applied, the next one finds its id in the table, and
 * nothing is done twice.
 */
import {
  failpoint,
  randomSafeId,
  randomUuid,
  ValidationError,
  type Clock,
  type Random,
  mapLimited,
} from '../../common/index.ts'
import type { FileIO } from '../../io/index.ts'
import type { Table } from '../catalog.ts'
import { manifestListLocation, manifestLocation } from '../data-files/locations.ts'
import type { ManifestCache } from '../manifest/manifest-cache.ts'
import { writeManifestList } from '../manifest/manifest-list.ts'
import { readSnapshotManifests, type ManifestSource } from '../manifest/snapshot-manifests.ts'
import { writeManifest } from '../manifest/write-manifest.ts'
import { partitionTypes } from '../format/partition-types.ts'
import {
  currentSchema,
  currentSnapshot,
  mainBranch,
  partitionSpecById,
  snapshotById,
} from '../format/table-metadata.ts'
import type {
  DataFile,
  ManifestFile,
  PartitionSpec,
  Schema,
  Snapshot,
  SnapshotOperation,
  TableMetadata,
} from '../format/types.ts'
import type { TableRequirement } from '../table/requirement.ts'
import type { TableUpdate } from '../table/update.ts'
import type { ActionCommit } from './action.ts'
import { checkNotActive } from './check-not-active.ts'
import { ManifestFilter } from './filter-manifests.ts'
import type { ActiveFile } from '../manifest/active-files.ts'
import { mergeManifests } from './merge-manifests.ts'
import { snapshotSummary } from './snapshot-summary.ts'
import { requireWrittenSchema } from './update-schema.ts'

export type SummaryEntries = Readonly<Record<string, string>>

export interface SnapshotOptions {
  /** Further summary entries, from the base where they depend on it; computed ones cannot be given. */
  readonly summary?: SummaryEntries | ((base: Table) => SummaryEntries)
  /** Default `main`. A branch that does not exist begins at the current snapshot of `main`. */
  readonly branch?: string
  /** Runs on each base before anything is written for it; throws to refuse the base for good. */
  readonly check?: (base: Table) => void | Promise<void>
  /** Further updates of the same commit, such as set-properties. */
  readonly extraUpdates?: (base: Table) => readonly TableUpdate[]
  /**
   * What the added files were written by, where their columns are made in the same transaction: the
   * files are refused (ConflictError) on a table whose current schema has other fields under these ids.
   */
  readonly writtenSchema?: Schema
  /** Refs that the change was computed from, and which must be as in the base when it is committed. */
  readonly standingOn?: readonly string[]
}

export interface SnapshotTools {
  readonly io: FileIO
  readonly clock: Clock
  readonly random: Random
  readonly cache?: ManifestCache
}

export interface PreparedSnapshot {
  readonly snapshotId: bigint
  readonly commitId: string
  /** Data and delete files. */
  readonly added: readonly DataFile[]
  readonly manifests: readonly ManifestFile[]
}

/** What an attempt builds on. */
export interface SnapshotBase {
  readonly table: Table
  readonly parent: Snapshot | undefined
  readonly manifests: readonly ManifestFile[]
}

export interface SnapshotPlan {
  readonly operation: SnapshotOperation
  readonly removed: readonly ActiveFile[]
  readonly summary?: SummaryEntries
}

export class SnapshotProducer {
  readonly branch: string
  readonly source: ManifestSource
  readonly #tools: SnapshotTools
  readonly #options: SnapshotOptions
  /** Every file written so far; `discard` deletes those that no table points at. */
  readonly #written = new Set<string>()
  #snapshotId: bigint | undefined
  #filter: ManifestFilter | undefined
  #preparations = 0
  #attempts = 0

  constructor(tools: SnapshotTools, options: SnapshotOptions) {
    this.#tools = tools
    this.#options = options
    this.branch = options.branch ?? mainBranch
    const { io, cache } = tools
    this.source = cache === undefined ? { io } : { io, cache }
  }

  /** Writes the manifests of the added files. `dataSequenceNumber` is for a rewrite's data files. */
  async prepare(
    table: Table,
    added: readonly DataFile[],
    dataSequenceNumber?: bigint,
  ): Promise<PreparedSnapshot> {
    const { metadata } = table
    checkWritable(metadata)
    checkDistinct(added)
    const { random } = this.#tools
    this.#preparations++
    this.#snapshotId ??= freshSnapshotId(metadata, random)
    const snapshotId = this.#snapshotId
    const commitId = randomUuid(random)
    const manifests: ManifestFile[] = []
    for (const files of byManifest(added)) {
      const [first] = files
      if (first === undefined) continue
      const spec = specOf(metadata, first.specId)
      const sequence = first.content === 'data' ? dataSequenceNumber : undefined
      const { body, manifest } = writeManifest({
        location: manifestLocation(metadata, commitId, manifests.length),
        content: first.content === 'data' ? 'data' : 'deletes',
        schema: currentSchema(metadata),
        spec,
        partitionTypes: partitionTypes(metadata, spec),
        entries: files.map((dataFile) => ({
          status: 'added',
          snapshotId,
          ...(sequence === undefined ? {} : { sequenceNumber: sequence }),
          dataFile,
        })),
        addedSnapshotId: snapshotId,
        syncMarker: random.bytes(16),
      })
      await this.#write(manifest.manifestPath, body)
      manifests.push(manifest)
    }
    await failpoint('commit.manifest-written')
    return { snapshotId, commitId, added, manifests }
  }

  committedIn(base: Table, prepared: PreparedSnapshot): boolean {
    return snapshotById(base.metadata, prepared.snapshotId) !== undefined
  }

  /** The branch as `base` has it, after the caller's own check of the base. */
  async open(base: Table): Promise<SnapshotBase> {
    checkWritable(base.metadata)
    const { check, writtenSchema } = this.#options
    await check?.(base)
    if (writtenSchema !== undefined) requireWrittenSchema(base.metadata, writtenSchema)
    const parent = this.parentIn(base.metadata)
    const manifests = parent === undefined ? [] : await readSnapshotManifests(this.source, parent)
    return { table: base, parent, manifests }
  }

  parentIn(metadata: TableMetadata): Snapshot | undefined {
    const ref = metadata.refs[this.branch]
    if (ref === undefined) return currentSnapshot(metadata)
    if (ref.type === 'tag') {
      throw new ValidationError('cannot commit to a tag; name a branch', {
        facts: { ref: this.branch },
      })
    }
    return snapshotById(metadata, ref.snapshotId)
  }

  async commit(
    base: SnapshotBase,
    prepared: PreparedSnapshot,
    plan: SnapshotPlan,
  ): Promise<ActionCommit> {
    const { metadata } = base.table
    const snapshot = await this.#newSnapshot(base, prepared, plan)
    const ref = metadata.refs[this.branch]
    return {
      requirements: [
        { type: 'assert-table-uuid', uuid: metadata.tableUuid },
        {
          type: 'assert-ref-snapshot-id',
          ref: this.branch,
          snapshotId: ref?.snapshotId ?? null,
        },
        ...(this.#options.standingOn ?? []).map((name): TableRequirement => {
          const snapshotId = metadata.refs[name]?.snapshotId ?? null
          return { type: 'assert-ref-snapshot-id', ref: name, snapshotId }
        }),
      ],
      updates: [
        { action: 'add-snapshot', snapshot },
        {
          action: 'set-snapshot-ref',
          refName: this.branch,
          ref: { ...ref, type: 'branch', snapshotId: prepared.snapshotId },
        },
        ...(this.#options.extraUpdates?.(base.table) ?? []),
      ],
    }
  }

  async discard(committed: Table | undefined): Promise<void> {
    // A first attempt that won left nothing behind, which is the ordinary case.
    const tidy = this.#attempts === 1 && this.#preparations === 1
    if (tidy && committed !== undefined && this.#isIn(committed)) return
    const unused = committed === undefined || this.#attempts === 0
    const kept = unused ? new Set<string>() : await this.#reachable(committed)
    const garbage = [...this.#written].filter((location) => !kept.has(location))
    if (garbage.length > 0) await this.#tools.io.delete(garbage)
  }

  async #newSnapshot(
    base: SnapshotBase,
    prepared: PreparedSnapshot,
    plan: SnapshotPlan,
  ): Promise<Snapshot> {
    const { parent } = base
    const { metadata } = base.table
    const { summary } = this.#options
    const given = typeof summary === 'function' ? summary(base.table) : summary
    const { clock, random } = this.#tools
    const { snapshotId, commitId } = prepared
    const sequenceNumber = metadata.lastSequenceNumber + 1n
    const manifestList = manifestListLocation(metadata, snapshotId, ++this.#attempts, commitId)
    const body = writeManifestList({
      snapshotId,
      parentSnapshotId: parent?.snapshotId,
      sequenceNumber,
      manifests: await this.#manifestsOver(base, prepared, plan),
      syncMarker: random.bytes(16),
    })
    await this.#write(manifestList, body)
    await failpoint('commit.manifest-list-written')
    const removed = plan.removed.map(({ entry }) => entry.dataFile)
    return {
      snapshotId,
      ...(parent === undefined ? {} : { parentSnapshotId: parent.snapshotId }),
      sequenceNumber,
      timestampMs: laterOf(BigInt(clock.now()), metadata.lastUpdatedMs),
      manifestList,
      summary: snapshotSummary(metadata, parent, {
        operation: plan.operation,
        added: prepared.added,
        removed,
        extra: { ...plan.summary, ...given },
      }),
      schemaId: metadata.currentSchemaId,
    }
  }

  /** The new manifests, then those of the base that still hold active files, small ones merged. */
  async #manifestsOver(
    { table: { metadata }, manifests: base }: SnapshotBase,
    prepared: PreparedSnapshot,
    plan: SnapshotPlan,
  ): Promise<readonly ManifestFile[]> {
    const { source } = this
    const { random } = this.#tools
    const { snapshotId, commitId } = prepared
    const addedData = prepared.added.filter((file) => file.content === 'data')
    await checkNotActive(source, metadata, base, addedData)
    const write = (location: string, body: Uint8Array): Promise<void> => this.#write(location, body)
    this.#filter ??= new ManifestFilter({
      source,
      snapshotId,
      random,
      location: () => manifestLocation(metadata, randomUuid(random), 0),
      write,
    })
    const { untouched, rewritten } = await this.#filter.filter(metadata, base, plan.removed)
    const merged = await mergeManifests(source, metadata, untouched, {
      snapshotId,
      random,
      location: (index) => manifestLocation(metadata, `${commitId}-a${this.#attempts}`, index),
      write,
    })
    return [...prepared.manifests, ...rewritten, ...merged]
  }

  async #reachable(table: Table): Promise<ReadonlySet<string>> {
    const { metadata } = table
    const ours = metadata.snapshots.filter(({ snapshotId }) => snapshotId === this.#snapshotId)
    // Nothing was left to do, or the snapshot has expired already: any other may list its manifests.
    const holders = ours.length === 0 ? metadata.snapshots : ours
    const kept = new Set<string>()
    await mapLimited(holders, async (snapshot) => {
      kept.add(snapshot.manifestList ?? '')
      const manifests = await readSnapshotManifests(this.source, snapshot)
      for (const manifest of manifests) kept.add(manifest.manifestPath)
    })
    return kept
  }

  #isIn({ metadata }: Table): boolean {
    return metadata.snapshots.some(({ snapshotId }) => snapshotId === this.#snapshotId)
  }

  async #write(location: string, body: Uint8Array): Promise<void> {
    // Recorded first: a write whose answer is lost may have happened.
    this.#written.add(location)
    await this.#tools.io.write(location, body)
  }
}

/** The operation of a snapshot by what it changes (spec, "Snapshots", operation). */
export function operationOf(change: {
  readonly addsData: boolean
  readonly removesData: boolean
  readonly addsDeletes: boolean
}): SnapshotOperation {
  const { addsData, removesData, addsDeletes } = change
  if (!removesData && !addsDeletes) return 'append'
  return addsData ? 'overwrite' : 'delete'
}

function checkDistinct(files: readonly DataFile[]): void {
  const seen = new Set<string>()
  for (const { filePath } of files) {
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

/** A manifest holds one spec, and either data or delete files. */
function byManifest(files: readonly DataFile[]): Iterable<readonly DataFile[]> {
  const groups = new Map<string, DataFile[]>()
  for (const file of files) {
    const key = `${file.content === 'data' ? 'data' : 'deletes'} ${file.specId}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [file])
    else group.push(file)
  }
  return groups.values()
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
