/**
 * Rows that were read together and are not in a snapshot yet: spool files that never change, the
 * offsets they cover, and, once a query has read them, the same rows as one typed Parquet file.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { currentSchema, type NestedField } from '../../catalog/format/index.ts'
import type { DataFileWriter, SideField, Table, WrittenFile } from '../../catalog/index.ts'
import { streamingCoordinateColumns } from '../../catalog/scan/index.ts'
import { tableProperties } from '../../catalog/table/index.ts'
import type { OffsetRange } from '../offsets/offset-range.ts'
import type { PendingSpool } from '../spool/spool-writer.ts'
import type { CoordinateKeys } from '../spool/coordinate-keys.ts'
import type { HeldFolder } from './held-folder.ts'

export interface SegmentContent {
  readonly folder: HeldFolder
  readonly spools: readonly PendingSpool[]
  /** Every offset in them is a row of the spools, a dead letter, or a hole of the log. */
  readonly ranges: readonly OffsetRange[]
  readonly table: Table
  readonly sideFields: readonly SideField[]
  readonly coordinateKeys: CoordinateKeys
}

export class HotSegment {
  readonly content: SegmentContent
  /** The typed files that hold its rows, maybe with those of other segments. */
  run: TypedRun | undefined

  constructor(content: SegmentContent) {
    this.content = content
  }

  get folder(): HeldFolder {
    return this.content.folder
  }

  get ranges(): readonly OffsetRange[] {
    return this.content.ranges
  }

  get tableUuid(): string {
    return this.content.table.metadata.tableUuid
  }
}

/** Segments whose rows are in the same typed files: those that had none when a query came. */
export interface TypedRun {
  readonly segments: readonly HotSegment[]
  readonly files: Promise<readonly WrittenFile[]>
}

/**
 * The runs that hold these segments, in order. Segments without typed files get them now, adjacent ones
 * together, because a call of the engine costs more than the rows of a small segment. Rows that the engine
 * refuses are left out.
 */
export function typedRuns(
  segments: readonly HotSegment[],
  writer: DataFileWriter,
): readonly TypedRun[] {
  let group: HotSegment[] = []
  const begin = (): void => {
    if (group.length > 0) beginRun(group, writer)
    group = []
  }
  for (const segment of segments) {
    const last = group.at(-1)
    if (last !== undefined && (segment.run !== undefined || !isAlike(last, segment))) begin()
    if (segment.run === undefined) group.push(segment)
  }
  begin()
  return [...new Set(segments.flatMap(({ run }) => (run === undefined ? [] : [run])))]
}

/** True when both segments can share typed files, which lie in one folder and have one schema. */
function isAlike(a: HotSegment, b: HotSegment): boolean {
  const schemaOf = ({ content }: HotSegment): number => content.table.metadata.currentSchemaId
  return a.folder === b.folder && schemaOf(a) === schemaOf(b)
}

function beginRun(segments: readonly HotSegment[], writer: DataFileWriter): void {
  const run: TypedRun = { segments, files: typeSegments(segments, writer) }
  for (const segment of segments) segment.run = run
  run.files.catch(() => {
    // The next query tries again.
    for (const segment of segments) segment.run = undefined
  })
}

async function typeSegments(
  segments: readonly HotSegment[],
  writer: DataFileWriter,
): Promise<readonly WrittenFile[]> {
  const spools = segments.flatMap(({ content }) => content.spools)
  const [first] = segments
  if (first === undefined || spools.length === 0) return []
  const { table, sideFields, coordinateKeys } = first.content
  await Promise.all(spools.map((spool) => spool.written))
  const directory = await mkdtemp(join(first.folder.path, 'typed-'))
  const schema = currentSchema(table.metadata)
  const coordinates = coordinateFields(coordinateKeys)
  try {
    const { files } = await writer.write({
      schema: { ...schema, fields: [...schema.fields, ...coordinates.fields] },
      spec: { specId: 0, fields: [] },
      spools,
      directory,
      sideFields: [...sideFields, ...coordinates.sideFields],
      // The file is read a few times from the local disk and then deleted.
      properties: { [tableProperties.parquetCodec.name]: 'uncompressed' },
    })
    return files
  } catch (error) {
    await rm(directory, { recursive: true, force: true })
    throw error
  }
}

function coordinateFields(keys: CoordinateKeys): {
  readonly fields: readonly NestedField[]
  readonly sideFields: readonly SideField[]
} {
  const { topic, partition, offset } = streamingCoordinateColumns
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
