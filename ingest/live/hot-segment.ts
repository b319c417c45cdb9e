/**
 * Rows that were read together and are not in a snapshot yet: spool files that never change, the
 * offsets they cover, and, once a query has asked, the same rows as one typed Parquet file.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  currentSchema,
  type DataFileWriter,
  livePlaceColumns,
  type NestedField,
  type SideField,
  type Table,
  type WrittenFile,
} from '../../catalog/index.ts'
import type { OffsetRange } from '../checkpoint.ts'
import type { PendingSpool } from '../json/spool-writer.ts'
import type { PlaceKeys } from '../metadata-columns.ts'
import type { HeldFolder } from './held-folder.ts'

export interface SegmentContent {
  readonly folder: HeldFolder
  readonly spools: readonly PendingSpool[]
  /** Every record in them is a row of the spools, a dead letter or a hole of the log. */
  readonly ranges: readonly OffsetRange[]
  readonly table: Table
  readonly sideFields: readonly SideField[]
  readonly placeKeys: PlaceKeys
}

export class HotSegment {
  readonly folder: HeldFolder
  readonly ranges: readonly OffsetRange[]
  readonly #content: SegmentContent
  #typed: Promise<readonly WrittenFile[]> | undefined

  constructor(content: SegmentContent) {
    this.#content = content
    this.folder = content.folder
    this.ranges = content.ranges
  }

  get tableUuid(): string {
    return this.#content.table.metadata.tableUuid
  }

  /** The rows with the table's field ids; typed at the first call. Rows that the engine refuses are none. */
  typed(writer: DataFileWriter): Promise<readonly WrittenFile[]> {
    const typing = this.#typed ?? this.#type(writer)
    this.#typed = typing
    typing.catch(() => {
      // The next query tries again.
      if (this.#typed === typing) this.#typed = undefined
    })
    return typing
  }

  async #type(writer: DataFileWriter): Promise<readonly WrittenFile[]> {
    const { spools, table, sideFields, placeKeys } = this.#content
    if (spools.length === 0) return []
    await Promise.all(spools.map((spool) => spool.written))
    const directory = await mkdtemp(join(this.folder.path, 'typed-'))
    const schema = currentSchema(table.metadata)
    const place = placeFields(placeKeys)
    try {
      const { files } = await writer.write({
        schema: { ...schema, fields: [...schema.fields, ...place.fields] },
        spec: { specId: 0, fields: [] },
        spools,
        directory,
        sideFields: [...sideFields, ...place.sideFields],
        // Read a few times from this disk, then gone.
        properties: { 'write.parquet.compression-codec': 'uncompressed' },
      })
      return files
    } catch (error) {
      await rm(directory, { recursive: true, force: true })
      throw error
    }
  }
}

function placeFields(keys: PlaceKeys): {
  readonly fields: readonly NestedField[]
  readonly sideFields: readonly SideField[]
} {
  const { topic, partition, offset } = livePlaceColumns
  const columns = [
    { ...partition, key: keys.partition },
    { ...offset, key: keys.offset },
    ...(keys.topic === undefined ? [] : [{ ...topic, key: keys.topic }]),
  ]
  return {
    fields: columns.map(({ id, name, type }) => ({ id, name, required: false, type: { type } })),
    sideFields: columns.map(({ name, key, type }) => ({
      field: name,
      from: { kind: 'key', key, type },
    })),
  }
}
