/**
 * The seam between the compactor, which decides what is rewritten and commits it, and the engine that
 * reads and writes Parquet (`sql` implements it over DuckDB).
 */
import type { DataFile, PartitionSpec, Schema, TableMetadata } from '../format/types.ts'
import type { WrittenFile } from './data-file-writer.ts'

/** A file of the table and its copy on this machine. */
export interface LocalFile {
  readonly file: DataFile
  readonly path: string
}

export interface RewriteInput extends LocalFile {
  /** Position delete files that apply to the file. */
  readonly deletes: readonly LocalFile[]
}

/** Files of one partition tuple of one spec, to be rewritten with the schema's current columns. */
export interface RewriteDataFilesRequest {
  readonly metadata: TableMetadata
  readonly schema: Schema
  /**
   * The columns to write instead, where some get another type and with it another id: as many, named alike
   * at the top. A value that is not the same again after the way there and back is refused (ValidationError).
   */
  readonly convertedTo?: Schema
  readonly spec: PartitionSpec
  readonly inputs: readonly RewriteInput[]
  /** Existing local directory that receives the files; the caller deletes it. */
  readonly directory: string
  /** Size at which another file is begun; undefined: everything goes into one file. */
  readonly fileSizeBytesTarget: bigint | undefined
  /** Aborts the rewrite, which then throws the signal's reason. */
  readonly signal?: AbortSignal
}

export interface RewriteDataFilesResult {
  /** None when every row of the inputs was deleted. */
  readonly files: readonly WrittenFile[]
  readonly rowsRead: bigint
  /** Rows read = rows of `files` + rows deleted; the rewriter asserts it. */
  readonly rowsDeleted: bigint
}

export interface DataFileRewriter {
  rewrite(request: RewriteDataFilesRequest): Promise<RewriteDataFilesResult>
}
