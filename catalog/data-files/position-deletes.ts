/**
 * What a position delete file looks like (spec, "Position Delete Files"): its two columns with their
 * reserved ids, and its manifest entry, whose path bounds tell planners which data files it concerns.
 */
import { ValidationError } from '../../common/index.ts'
import { compareUtf8, encodeValue } from '../format/single-value.ts'
import type { DataFile, Schema, Value } from '../format/types.ts'

export const deletePathFieldId = 2147483546
export const deletePosFieldId = 2147483545

/** Rows are sorted by path, then by position; a path is the exact text of the data file's entry. */
export const positionDeleteSchema: Schema = {
  schemaId: 0,
  identifierFieldIds: [],
  fields: [
    { id: deletePathFieldId, name: 'file_path', required: true, type: { type: 'string' } },
    { id: deletePosFieldId, name: 'pos', required: true, type: { type: 'long' } },
  ],
}

export interface WrittenPositionDeletes {
  readonly filePath: string
  readonly fileSizeInBytes: bigint
  /** The spec and partition of every data file it names: deletes apply within one partition. */
  readonly specId: number
  readonly partition: readonly (Value | null)[]
  readonly recordCount: bigint
  /** Every data file it names. */
  readonly referencedFiles: readonly string[]
  readonly posMin: bigint
  readonly posMax: bigint
}

/** A position delete file in the table's folder, ready to be committed. */
export interface PositionDeletes {
  readonly file: DataFile
  /** Every data file that it names, active on the branch or added by the same change. */
  readonly referencedFiles: readonly string[]
}

/** The file of the manifest entry; path bounds are never truncated, because a truncated path names another file. */
export function positionDeleteFile(written: WrittenPositionDeletes): DataFile {
  const { referencedFiles, posMin, posMax, recordCount } = written
  const paths = [...referencedFiles].sort(compareUtf8)
  const [first] = paths
  const last = paths.at(-1)
  if (first === undefined || last === undefined || recordCount <= 0n) {
    throw new ValidationError('a position delete file names no row', {
      facts: { file: written.filePath },
    })
  }
  const bounds = (path: string, pos: bigint): ReadonlyMap<number, Uint8Array> =>
    new Map([
      [deletePosFieldId, encodeValue({ type: 'long' }, pos)],
      [deletePathFieldId, encodeValue({ type: 'string' }, path)],
    ])
  const counts = (count: bigint): ReadonlyMap<number, bigint> =>
    new Map([
      [deletePosFieldId, count],
      [deletePathFieldId, count],
    ])
  return {
    content: 'position-deletes',
    filePath: written.filePath,
    fileFormat: 'PARQUET',
    specId: written.specId,
    partition: written.partition,
    recordCount,
    fileSizeInBytes: written.fileSizeInBytes,
    valueCounts: counts(recordCount),
    nullValueCounts: counts(0n),
    lowerBounds: bounds(first, posMin),
    upperBounds: bounds(last, posMax),
    ...(paths.length === 1 ? { referencedDataFile: first } : {}),
  }
}
