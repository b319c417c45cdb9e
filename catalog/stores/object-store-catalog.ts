/**
 * The catalog that is only a bucket: one pointer object per table, replaced by compare-and-swap.
 *
 * `<warehouse>/_catalog/tables/<namespace>/<table>.json` names the table's metadata file. A commit
 * writes a new metadata file and then swaps the pointer; that one conditional PUT is the whole
 * commit. There is no lock, no database and no second pointer that could lag. How an unknown answer
 * is settled is in `swap-object.ts`, renames in `rename-intent.ts`, the rules with their numbers in
 * docs/spec/catalog-commit.md.
 */
import {
  type Namespace,
  type TableIdentifier,
  formatIdentifier,
  formatNamespace,
} from '../format/identifiers.ts'
import {
  type Clock,
  CommitFailedError,
  CorruptDataError,
  type Logger,
  NotFoundError,
  type Random,
  type RetryPolicy,
  backoffMs,
  failpoint,
  randomUuid,
  silentLogger,
  systemClock,
  systemRandom,
} from '../../common/index.ts'
import type { FileIO } from '../../io/index.ts'
import type { Catalog, CreateTableRequest, PurgeReport, Table, TableCommit } from '../catalog.ts'
import type { TableMetadata } from '../format/types.ts'
import { withoutSlash } from '../table/apply-update.ts'
import { metadataFilesCut } from '../table/apply-updates.ts'
import { newTableMetadata } from '../table/new-table-metadata.ts'
import {
  commitRetryDefaults,
  commitRetryPolicy,
  propertyOf,
  statusCheckDefaults,
  statusCheckPolicy,
  tableProperties,
} from '../table/properties.ts'
import { busy, exists, orUnknown } from './catalog-errors.ts'
import { checkTableLocation, checkUpdateLocations, isBelow } from './location-rules.ts'
import { MetadataFiles } from './metadata-files.ts'
import { NamespaceStore } from './namespace-store.ts'
import { nextMetadata } from './next-metadata.ts'
import {
  checkIdentifier,
  checkNamespace,
  checkNewIdentifier,
  encodeName,
  encodeNamespace,
} from './object-names.ts'
import { purgeTable } from './purge-table.ts'
import { refuseSecondName } from './refuse-second-name.ts'
import { type SwapTools, isDefinite } from './swap-object.ts'
import { pointerTo, type TablePointer } from './table-pointer.ts'
import { type PointerState, TablePointers } from './table-pointers.ts'

export interface ObjectStoreCatalogOptions {
  readonly io: FileIO
  /** For example `s3://lake/warehouse`; everything the catalog touches lies below. */
  readonly warehouse: string
  readonly clock?: Clock
  readonly random?: Random
  /** For events that no caller learns of: files that a purge left, pointers that were skipped. */
  readonly logger?: Logger
  /** Default for tables that do not state `commit.status-check.*`. */
  readonly statusCheck?: RetryPolicy
  /** Default for tables that do not state `commit.retry.*`. */
  readonly commitRetry?: RetryPolicy
}

/** Each further round means that another writer made progress in between. */
const roundsMax = 50

export class ObjectStoreCatalog implements Catalog {
  readonly warehouse: string
  readonly #tools: SwapTools
  readonly #logger: Logger
  readonly #statusCheck: RetryPolicy
  readonly #commitRetry: RetryPolicy
  readonly #namespaces: NamespaceStore
  readonly #pointers: TablePointers
  readonly #files: MetadataFiles

  constructor(options: ObjectStoreCatalogOptions) {
    this.warehouse = withoutSlash(options.warehouse)
    this.#tools = {
      io: options.io,
      clock: options.clock ?? systemClock,
      random: options.random ?? systemRandom,
    }
    this.#logger = options.logger ?? silentLogger
    this.#statusCheck = options.statusCheck ?? statusCheckDefaults
    this.#commitRetry = options.commitRetry ?? commitRetryDefaults
    const place = { tools: this.#tools, warehouse: this.warehouse, policy: this.#statusCheck }
    this.#namespaces = new NamespaceStore(place)
    this.#pointers = new TablePointers(place)
    this.#files = new MetadataFiles(this.#tools)
  }

  // ---- Namespaces -------------------------------------------------------------------------------

  listNamespaces(parent?: Namespace): Promise<readonly Namespace[]> {
    return this.#namespaces.list(parent)
  }

  createNamespace(
    namespace: Namespace,
    properties: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    return this.#namespaces.create(namespace, properties)
  }

  loadNamespace(namespace: Namespace): Promise<Readonly<Record<string, string>>> {
    return this.#namespaces.load(namespace)
  }

  updateNamespaceProperties(
    namespace: Namespace,
    changes: {
      readonly updates: Readonly<Record<string, string>>
      readonly removals: readonly string[]
    },
  ): Promise<void> {
    return this.#namespaces.update(namespace, changes)
  }

  async dropNamespace(namespace: Namespace): Promise<void> {
    await this.#namespaces.drop(namespace, async () => {
      const children = await this.#namespaces.list(namespace)
      return children.length > 0 || (await this.#pointers.list(namespace)).length > 0
    })
  }

  // ---- Tables -----------------------------------------------------------------------------------

  async listTables(namespace: Namespace): Promise<readonly TableIdentifier[]> {
    checkNamespace(namespace)
    await this.#namespaces.load(namespace)
    return this.#pointers.list(namespace)
  }

  async loadTable(identifier: TableIdentifier): Promise<Table> {
    checkIdentifier(identifier)
    for (let round = 0; round < roundsMax; round++) {
      const existing = await this.#pointers.readExisting(identifier)
      try {
        return await this.#tableAt(existing)
      } catch (error) {
        if (!(error instanceof NotFoundError)) throw error
        // A commit or a purge in between deletes the file that the pointer named before.
        const now = await this.#pointers.readExisting(identifier)
        const { metadataLocation: file } = existing.payload
        if (now.payload.metadataLocation !== file) continue
        throw new CorruptDataError('the metadata file of the table is missing', {
          facts: { table: formatIdentifier(identifier), file },
          cause: error,
        })
      }
    }
    throw busy(identifier)
  }

  async createTable(request: CreateTableRequest): Promise<Table> {
    const { identifier } = request
    for (let round = 0; round < roundsMax; round++) {
      const free = await this.#freeName(identifier)
      const table = await this.#publish(identifier, free, this.#newMetadata(request, free))
      if (table === undefined) continue
      await this.#keepNamespace(table)
      return table
    }
    throw busy(identifier)
  }

  async stageTable(request: CreateTableRequest): Promise<TableMetadata> {
    return this.#newMetadata(request, await this.#freeName(request.identifier))
  }

  async registerTable(identifier: TableIdentifier, metadataLocation: string): Promise<Table> {
    checkTableLocation(this.warehouse, metadataLocation)
    for (let round = 0; round < roundsMax; round++) {
      const free = await this.#freeName(identifier)
      const metadata = await this.#files.read(metadataLocation)
      checkTableLocation(this.warehouse, metadata.location)
      const { tableUuid } = metadata
      await refuseSecondName(this.#pointers, { metadataLocation, tableUuid }, this.#logger)
      const payload = pointerTo(identifier, metadataLocation, metadata)
      if ((await this.#pointers.swap(free, payload)).kind === 'lost') continue
      const table = { identifier, metadata, metadataLocation }
      await this.#keepNamespace(table)
      return table
    }
    throw busy(identifier)
  }

  async commitTable(commit: TableCommit): Promise<Table> {
    const { identifier } = commit
    const { clock, random } = this.#tools
    checkIdentifier(identifier)
    const startedMs = clock.monotonic()
    for (let tried = 0; ; tried++) {
      const current = await this.#pointers.read(identifier)
      const attempt = await this.#attemptCommit(commit, current)
      if (attempt.table !== undefined) return attempt.table
      // The swap was lost. The requirements may still hold on the newer table, which the next round checks.
      const policy = commitRetryPolicy(attempt.metadata.properties, this.#commitRetry)
      const waitMs = backoffMs(policy, tried, random)
      const elapsedMs = clock.monotonic() - startedMs
      if (tried >= policy.retriesMax || elapsedMs + waitMs > policy.totalMsMax) {
        throw new CommitFailedError('other writers changed the table in every attempt', {
          facts: { table: formatIdentifier(identifier), attempts: tried + 1 },
        })
      }
      await clock.sleep(waitMs)
    }
  }

  async dropTable(
    identifier: TableIdentifier,
    options: { readonly purge?: boolean } = {},
  ): Promise<PurgeReport | undefined> {
    checkIdentifier(identifier)
    const purge = options.purge ?? false
    for (let round = 0; round < roundsMax; round++) {
      const existing = await this.#pointers.readExisting(identifier)
      const outcome = await this.#pointers.swap(existing, {
        ...existing.payload,
        dropped: true,
        purge,
      })
      if (outcome.kind === 'lost') continue
      if (!purge) return undefined
      const listOthers = (): Promise<readonly TablePointer[]> => this.#pointers.listEverywhere()
      const tools = { io: this.#tools.io, files: this.#files, logger: this.#logger }
      return purgeTable(tools, existing.payload, listOthers)
    }
    throw busy(identifier)
  }

  async renameTable(from: TableIdentifier, to: TableIdentifier): Promise<void> {
    checkIdentifier(from)
    const id = randomUuid(this.#tools.random)
    for (let round = 0; round < roundsMax; round++) {
      const source = await this.#pointers.readExisting(from)
      await this.#freeName(to)
      const pending = { ...source.payload, intent: { kind: 'rename-to', id, to } } as const
      if ((await this.#pointers.swap(source, pending)).kind === 'lost') continue
      // From here on another process may finish the rename even if this one cannot.
      await orUnknown('the rename is under way', () => this.#finishRename(pending, to, id))
      return
    }
    throw busy(from)
  }

  // ---- Steps ------------------------------------------------------------------------------------

  async #finishRename(pending: TablePointer, to: TableIdentifier, id: string): Promise<void> {
    await this.#pointers.settle(pending)
    const after = await this.#pointers.readRaw(pending.identifier)
    if (!after?.trace.includes(id)) throw exists(to)
    // The table has its new name now, so a namespace that was dropped in between is restored.
    if (!(await this.#namespaces.keepAlive(to.namespace))) {
      await this.#namespaces.create(to.namespace, {})
    }
  }

  /** One attempt of a commit; no table means that the swap was lost. */
  async #attemptCommit(
    commit: TableCommit,
    current: PointerState | undefined,
  ): Promise<{ readonly metadata: TableMetadata; readonly table?: Table }> {
    const { identifier, updates } = commit
    const existing = current?.payload.dropped === false ? current : undefined
    if (existing === undefined) checkNewIdentifier(identifier)
    const base = existing === undefined ? undefined : await this.#tableAt(existing)
    const metadata = nextMetadata(commit, base, {
      nowMs: this.#tools.clock.now(),
      tableUuid: randomUuid(this.#tools.random),
      location: this.#defaultLocation(identifier, current),
    })
    if (base !== undefined && metadata === base.metadata) return { metadata, table: base }
    checkUpdateLocations(this.warehouse, base?.metadata, metadata, updates)
    if (base === undefined) await this.#namespaces.load(identifier.namespace)
    // Read before the swap: an error after it would be taken for a commit that did not happen.
    const deletesOldMetadata =
      base !== undefined && propertyOf(metadata.properties, tableProperties.deletesOldMetadata)
    const table = await this.#publish(identifier, current, metadata)
    if (table === undefined) return { metadata }
    if (base === undefined) await this.#keepNamespace(table)
    else if (deletesOldMetadata) await this.#deleteCutMetadata(base.metadata, metadata)
    return { metadata, table }
  }

  /** Writes the metadata file and swaps the pointer to it; undefined when the swap was lost. */
  async #publish(
    identifier: TableIdentifier,
    base: PointerState | undefined,
    metadata: TableMetadata,
  ): Promise<Table | undefined> {
    const statusCheck = statusCheckPolicy(metadata.properties, this.#statusCheck)
    const retry = commitRetryPolicy(metadata.properties, this.#commitRetry)
    const metadataLocation = await this.#files.write(metadata, base?.version ?? 0, retry)
    await failpoint('commit.metadata-written')
    const payload = pointerTo(identifier, metadataLocation, metadata)
    try {
      const outcome = await this.#pointers.swap(base, payload, statusCheck)
      if (outcome.kind === 'won') {
        this.#files.remember(metadataLocation, metadata)
        return { identifier, metadata, metadataLocation }
      }
    } catch (error) {
      // The file is deleted only if the swap was certainly not written.
      if (isDefinite(error)) await this.#files.discard([metadataLocation])
      throw error
    }
    await this.#files.discard([metadataLocation])
    return undefined
  }

  async #tableAt({ payload }: PointerState): Promise<Table> {
    const { identifier, metadataLocation } = payload
    return { identifier, metadata: await this.#files.read(metadataLocation), metadataLocation }
  }

  /** The tombstone under a name that a new table may take, if there is one. Throws AlreadyExistsError for a table. */
  async #freeName(identifier: TableIdentifier): Promise<PointerState | undefined> {
    checkNewIdentifier(identifier)
    await this.#namespaces.load(identifier.namespace)
    const current = await this.#pointers.read(identifier)
    if (current === undefined || current.payload.dropped) return current
    throw exists(identifier)
  }

  #newMetadata(request: CreateTableRequest, free: PointerState | undefined): TableMetadata {
    const metadata = newTableMetadata({
      ...request,
      tableUuid: randomUuid(this.#tools.random),
      location: request.location ?? this.#defaultLocation(request.identifier, free),
      nowMs: this.#tools.clock.now(),
    })
    checkUpdateLocations(this.warehouse, undefined, metadata, [])
    return metadata
  }

  /** A table under a name that was used before gets another folder than the older table. */
  #defaultLocation(identifier: TableIdentifier, earlier: PointerState | undefined): string {
    const suffix = earlier === undefined ? '' : `-${randomUuid(this.#tools.random).slice(0, 8)}`
    const folder = `${encodeNamespace(identifier.namespace)}/${encodeName(identifier.name)}`
    return `${this.warehouse}/${folder}${suffix}`
  }

  /** Drops the created table again if its namespace was dropped in between. */
  async #keepNamespace(table: Table): Promise<void> {
    const { identifier } = table
    const isAlive = await orUnknown('the table was created', async () => {
      if (await this.#namespaces.keepAlive(identifier.namespace)) return true
      await this.dropTable(identifier)
      return false
    })
    if (isAlive) return
    throw new NotFoundError('the namespace was dropped while the table was created', {
      facts: { namespace: formatNamespace(identifier.namespace) },
    })
  }

  async #deleteCutMetadata(base: TableMetadata, next: TableMetadata): Promise<void> {
    const cut = metadataFilesCut(base, next)
    await this.#files.discard(cut.filter((location) => isBelow(next.location, location)))
  }
}
