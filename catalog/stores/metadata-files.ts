/**
 * Metadata files of tables: immutable, uniquely named, so a parsed one may be kept.
 *
 * Each file that is written, or read and understood, is published on Node's diagnostics channel
 * `tidewater:table-metadata` as a `TableMetadataEvent`, for tools that watch a process.
 */
import { channel } from 'node:diagnostics_channel'
import { type RetryPolicy, randomUuid, withRetry } from '../../common/index.ts'
import { parseTableMetadata, serializeTableMetadata } from '../format/table-metadata-json.ts'
import { metadataLocation } from '../data-files/locations.ts'
import { propertyOf, tableProperties } from '../table/properties.ts'
import type { TableMetadata } from '../format/types.ts'
import type { SwapTools } from './swap-object.ts'

const cachedFilesMax = 128

/** What is published on `tidewater:table-metadata`. */
export interface TableMetadataEvent {
  readonly location: string
  readonly metadata: TableMetadata
}

const seen = channel('tidewater:table-metadata')

export class MetadataFiles {
  readonly #tools: SwapTools
  /** In order of last use, oldest first. */
  readonly #cache = new Map<string, TableMetadata>()

  constructor(tools: SwapTools) {
    this.#tools = tools
  }

  async read(location: string): Promise<TableMetadata> {
    const cached = this.#cache.get(location)
    if (cached !== undefined) {
      this.remember(location, cached)
      return cached
    }
    const metadata = await this.peek(location)
    this.remember(location, metadata)
    return metadata
  }

  /** Reads without changing the cache, so that a pass over many tables does not evict those in use. */
  async peek(location: string): Promise<TableMetadata> {
    const cached = this.#cache.get(location)
    if (cached !== undefined) return cached
    const metadata = parseTableMetadata(await this.#tools.io.read(location), location)
    seen.publish({ location, metadata } satisfies TableMetadataEvent)
    return metadata
  }

  /** Writes a new file for version `version` of the table and returns its location. */
  async write(metadata: TableMetadata, version: number, policy: RetryPolicy): Promise<string> {
    const gzip = propertyOf(metadata.properties, tableProperties.metadataCodec) === 'gzip'
    const name = `${String(version).padStart(5, '0')}-${randomUuid(this.#tools.random)}`
    const location = `${metadataFolder(metadata)}/${name}${gzip ? '.gz' : ''}.metadata.json`
    const bytes = serializeTableMetadata(metadata, gzip ? 'gzip' : 'none')
    // The name is unique: if it is taken, an earlier try of this write succeeded.
    await withRetry(policy, this.#tools, () =>
      this.#tools.io.write(location, bytes, { kind: 'if-absent' }),
    )
    seen.publish({ location, metadata } satisfies TableMetadataEvent)
    return location
  }

  /** Deletes files that no table refers to; files that cannot be deleted are left to the orphan sweep. */
  async discard(locations: readonly string[]): Promise<void> {
    if (locations.length === 0) return
    for (const location of locations) this.#cache.delete(location)
    try {
      await this.#tools.io.delete(locations)
    } catch {
      // Best effort: a file that stays does no harm, but a failure here would fail a commit that has won.
    }
  }

  forget(location: string): void {
    this.#cache.delete(location)
  }

  remember(location: string, metadata: TableMetadata): void {
    this.#cache.delete(location)
    this.#cache.set(location, metadata)
    const oldest = this.#cache.keys().next()
    if (this.#cache.size > cachedFilesMax && !oldest.done) this.#cache.delete(oldest.value)
  }
}

export function metadataFolder(metadata: TableMetadata): string {
  return metadataLocation(metadata)
}
