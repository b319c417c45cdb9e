/**
 * Metadata files of tables: immutable, uniquely named, so a parsed one may be kept.
 */
import { type RetryPolicy, randomUuid, withRetry } from '../../common/index.ts'
import { parseTableMetadata, serializeTableMetadata } from '../format/table-metadata-json.ts'
import { metadataLocation } from '../data-files/locations.ts'
import { propertyOf, tableProperties } from '../table/properties.ts'
import type { TableMetadata } from '../format/types.ts'
import type { SwapTools } from './swap-object.ts'

const cachedFilesMax = 128

export class MetadataFiles {
  readonly #tools: SwapTools
  /** In order of last use, oldest first. */
  readonly #cache = new Map<string, TableMetadata>()

  constructor(tools: SwapTools) {
    this.#tools = tools
  }

  async read(location: string): Promise<TableMetadata> {
    const known = this.#cache.get(location)
    if (known !== undefined) {
      this.remember(location, known)
      return known
    }
    const metadata = await this.peek(location)
    this.remember(location, metadata)
    return metadata
  }

  /** For a look at many tables at once: what is kept of those in use stays as it is. */
  async peek(location: string): Promise<TableMetadata> {
    const known = this.#cache.get(location)
    return known ?? parseTableMetadata(await this.#tools.io.read(location), location)
  }

  /** Writes a new file for version `version` of the table and returns its location. */
  async write(metadata: TableMetadata, version: number, policy: RetryPolicy): Promise<string> {
    const gzip = propertyOf(metadata.properties, tableProperties.metadataCodec) === 'gzip'
    const name = `${String(version).padStart(5, '0')}-${randomUuid(this.#tools.random)}`
    const location = `${metadataFolder(metadata)}/${name}${gzip ? '.gz' : ''}.metadata.json`
    const bytes = serializeTableMetadata(metadata, gzip ? 'gzip' : 'none')
    // The name is ours alone: finding it taken means that an earlier try landed.
    await withRetry(policy, this.#tools, () =>
      this.#tools.io.write(location, bytes, { kind: 'if-absent' }),
    )
    return location
  }

  /** Deletes files that no table refers to; what fails stays behind for the orphan sweep. */
  async discard(locations: readonly string[]): Promise<void> {
    if (locations.length === 0) return
    for (const location of locations) this.#cache.delete(location)
    try {
      await this.#tools.io.delete(locations)
    } catch {
      // Best effort: a left-over file harms nobody, failing the commit that won would.
    }
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
