/** What a run of a stream is given, and what it tells: shared by the runner and its callers. */
import type { Catalog, DataFileRewriter, DataFileWriter } from '../../catalog/index.ts'
import type { Clock, Logger, Random } from '../../common/index.ts'
import type { FileIO } from '../../io/index.ts'
import type { RecordSource } from '../source/record-source.ts'
import type { StreamingRows } from './streaming-rows.ts'

export interface StreamParts {
  readonly source: RecordSource
  readonly catalog: Catalog
  readonly io: FileIO
  readonly writer: DataFileWriter
  /** Writes files again for a column whose type changes; without it no column's type is replaced. */
  readonly rewriter?: DataFileRewriter
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Shows queries what is read and not committed yet; for this run only. */
  readonly streaming?: StreamingRows
  /** Spool files go below; default: the system's temporary directory. */
  readonly workDirectory?: string
  /** The branch of the dead-letter table that letters go to; default `main`. */
  readonly deadLetterBranch?: string
}

export interface StreamRunOptions {
  /** `latest`: ends once everything that stood in the log at the start is committed. */
  readonly until: 'latest' | 'stopped'
  /** Ends the run cleanly: what was read is committed first. */
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: StreamProgress) => void
}

export interface StreamProgress {
  readonly state: 'starting' | 'sampling' | 'running' | 'stopping'
  /** Records taken from the log in this run. */
  readonly recordsRead: number
  /** Records whose fate is in a snapshot: rows, dead letters and those that the settings leave out. */
  readonly recordsCommitted: number
  readonly rowsCommitted: number
  readonly deadLetters: number
  /** Tombstones that `schema.tombstones: skip` leaves out. */
  readonly recordsSkipped: number
  readonly commits: number
  readonly snapshotId: bigint | undefined
  /** Records between the positions read and the log's end as last seen. */
  readonly readLag: bigint
  readonly elapsedMs: number
}

export type StreamRunResult = Omit<StreamProgress, 'state'>
