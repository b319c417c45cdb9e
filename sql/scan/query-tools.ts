/** The options of one query, and what all queries of an engine share. */
import type { DataFile, Namespace } from '../../catalog/format/index.ts'
import type { Catalog, ManifestCache } from '../../catalog/index.ts'
import type { StreamingLayer } from '../../catalog/scan/index.ts'
import type { Clock } from '../../common/index.ts'
import type { FileIO } from '../../io/index.ts'
import type { Database } from '../session/database.ts'
import type { FileAccess } from './file-access.ts'
import type { OpenSession } from '../session/query-session.ts'
import type { ViewSource } from './view-source.ts'

export interface QueryOptions {
  /** What a table name without a namespace belongs to. */
  readonly defaultNamespace?: Namespace
  readonly signal?: AbortSignal
  /** Texts for the placeholders `{name:Type}` of the query, by name. */
  readonly parameters?: Readonly<Record<string, string>>
  /** False: no file is pruned. The rows are the same and more files are read; for tests and diagnosis. */
  readonly prune?: boolean
  /** Reads only the data files of `table` (`namespace.table`) that this accepts. */
  readonly keepFile?: (table: string, file: DataFile) => boolean
}

/** What every query of an engine uses. */
export interface QueryTools {
  readonly catalog: Catalog
  readonly io: FileIO
  readonly openSession: OpenSession
  /** The instance of this process, where queries run in it. */
  readonly database?: Database
  /** Rows that no snapshot has yet. */
  readonly live?: StreamingLayer
  /** Views: names that stand for queries. */
  readonly views?: ViewSource
  readonly clock: Clock
  readonly files: FileAccess
  readonly manifests: ManifestCache
  readonly nextCatalogName: () => string
}
