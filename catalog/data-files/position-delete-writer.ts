/**
 * The seam between who decides which rows go (models, upserts) and the engine that writes the Parquet
 * files that say so (`sql` implements it over DuckDB). Spec, "Position Delete Files".
 */
import type { DataFile } from '../format/types.ts'

export interface WritePositionDeletesRequest {
  /**
   * A query of the writer's engine that gives `file_path`, the exact location of a data file, and `pos`,
   * a row's place in it counted from 0. Rows may repeat, in any order.
   */
  readonly rows: string
  /** The data files that may be named, as their manifests have them. */
  readonly targets: readonly DataFile[]
  /** Existing local directory that receives the files; the caller deletes it. */
  readonly directory: string
  /** Table properties: `write.parquet.*` are honoured. */
  readonly properties: Readonly<Record<string, string>>
}

/** A delete file on this machine: the sorted positions of the rows that one data file loses. */
export interface LocalPositionDeletes {
  readonly localPath: string
  /** Its spec and partition are the delete file's too. */
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
   * Throws CorruptDataError for rows of files that are no target, or positions that a file has not.
   */
  write(request: WritePositionDeletesRequest): Promise<readonly LocalPositionDeletes[]>
}
