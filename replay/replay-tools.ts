/** What a replay needs from outside; the caller provides it, for example from a lake. */
import type { Catalog, DataFileWriter } from '../catalog/index.ts'
import type { Clock, Logger, Random } from '../common/index.ts'
import type { RecordSource } from '../ingest/index.ts'
import type { InputSettings } from '../ingest/settings/index.ts'
import type { FileIO } from '../io/index.ts'
import type { QueryStage } from '../sql/index.ts'

export interface ReplayTools {
  readonly catalog: Catalog
  readonly io: FileIO
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** The log of an input. The caller stops the source. */
  readonly openSource: (input: InputSettings, logger: Logger) => Promise<RecordSource>
  /** Runs `work` with an engine that loads tables through `catalog`, and closes the engine after it. */
  readonly withQueryStage: <T>(
    catalog: Catalog,
    work: (stage: QueryStage) => Promise<T>,
  ) => Promise<T>
  /** Runs `work` with a writer of data files on `threads` threads, and closes the writer after it. */
  readonly withDataFileWriter: <T>(
    threads: number | undefined,
    work: (writer: DataFileWriter) => Promise<T>,
  ) => Promise<T>
}
