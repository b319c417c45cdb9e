/**
 * The seam between the code that decides which rows are deleted (models, upserts) and the engine that writes
 * position delete files (`sql` implements it over DuckDB). Spec, "Position Delete Files".
 */
import type { DataFile } from '../format/types.ts'

export interface WritePositionDeletesRequest {
  /**
   * A query of the writer's engine with the columns `file_path`, the exact location of a data file, and
   * `pos`, a row's position in it, from 0. Rows may repeat and come in any order.
   */
  readonly rows: string
  /** The data files that may be named, as their manifests have them. */
  readonly targets: readonly DataFile[]
  /** Existing local directory that receives the files; the caller deletes it. */
  readonly directory: string
  /** Table properties, of which `write.parquet.*` apply. */
  readonly properties: Readonly<Record<string, string>>
}

/** A delete file on this machine: the sorted positions of the rows that one data file loses. */
export interface LocalPositionDeletes {
  readonly localPath: string
  /** The delete file has the same spec and partition. */
  readonly target: DataFile
  readonly recordCount: bigint
  readonly fileSizeInBytes: bigint
  readonly posMin: bigint
  readonly posMax: bigint
}

export interface PositionDeleteWriter {
  /**
   * One file for each data file that loses rows, in the order of the targets: readers open just the
   * deletes of the files that they read, and a later commit replaces the deletes of one data file.
   * Throws CorruptDataError for a file that is not a target, or a position beyond the end of its file.
   */
  write(request: WritePositionDeletesRequest): Promise<readonly LocalPositionDeletes[]>
}
