/**
 * The catalog seam: names to tables, and the one act that changes a table, `commitTable`.
 *
 * Implemented over a bucket (`stores/`) and over REST (`rest/`); both run the same conformance suite.
 */
import type { FileLeft } from './data-files/delete-files.ts'
import type { Namespace, TableIdentifier } from './format/identifiers.ts'
import type { PartitionSpec, Schema, SortOrder, TableMetadata } from './format/types.ts'
import type { TableRequirement } from './table/requirement.ts'
import type { TableUpdate } from './table/update.ts'

/** A table as it stood when it was loaded. Load again to see later commits. */
export interface Table {
  readonly identifier: TableIdentifier
  readonly metadata: TableMetadata
  /** Location of the metadata file that `metadata` was read from. */
  readonly metadataLocation: string
}

export interface CreateTableRequest {
  readonly identifier: TableIdentifier
  /** Field ids are reassigned by the catalog: use the ids of the returned table. */
  readonly schema: Schema
  readonly partitionSpec?: PartitionSpec
  readonly sortOrder?: SortOrder
  readonly properties?: Readonly<Record<string, string>>
  /** Default: `<warehouse>/<namespace>/<table>`; must lie under the warehouse. */
  readonly location?: string
}

/** Applied whole or not at all: every requirement is checked against the table that is replaced. */
export interface TableCommit {
  readonly identifier: TableIdentifier
  readonly requirements: readonly TableRequirement[]
  readonly updates: readonly TableUpdate[]
}

/** What a purge left, after the table was dropped. */
export interface PurgeReport {
  /** Those that are known. */
  readonly filesLeft: readonly FileLeft[]
  /** What ended the purge before it had tried all files; undefined: nothing did. */
  readonly failure?: string
}

export interface Catalog {
  listNamespaces(parent?: Namespace): Promise<readonly Namespace[]>
  /** Throws AlreadyExistsError. */
  createNamespace(
    namespace: Namespace,
    properties?: Readonly<Record<string, string>>,
  ): Promise<void>
  /** The namespace's properties. Throws NotFoundError. */
  loadNamespace(namespace: Namespace): Promise<Readonly<Record<string, string>>>
  updateNamespaceProperties(
    namespace: Namespace,
    changes: {
      readonly updates: Readonly<Record<string, string>>
      readonly removals: readonly string[]
    },
  ): Promise<void>
  /** Throws NotFoundError, ValidationError when it still holds tables. */
  dropNamespace(namespace: Namespace): Promise<void>
  listTables(namespace: Namespace): Promise<readonly TableIdentifier[]>
  /** Throws AlreadyExistsError, NotFoundError (namespace). */
  createTable(request: CreateTableRequest): Promise<Table>
  /**
   * The metadata that `createTable` would write, with nothing written; the table is then created
   * by a commit with `assert-create` (REST, "stage-create"). Only where the catalog makes the metadata.
   */
  stageTable?(request: CreateTableRequest): Promise<TableMetadata>
  /** Throws NotFoundError. */
  loadTable(identifier: TableIdentifier): Promise<Table>
  /**
   * Throws CommitFailedError (a requirement does not hold: reload, rebase, retry),
   * CommitStateUnknownError (may be applied: delete nothing), NotFoundError, ValidationError.
   */
  commitTable(commit: TableCommit): Promise<Table>
  /**
   * `purge` also deletes the table's files, as far as no other table may need them. Undefined without it, and
   * from a catalog that does not say what it left. Throws NotFoundError.
   */
  dropTable(
    identifier: TableIdentifier,
    options?: { readonly purge?: boolean },
  ): Promise<PurgeReport | undefined>
  /** Throws NotFoundError, AlreadyExistsError. */
  renameTable(from: TableIdentifier, to: TableIdentifier): Promise<void>
  /**
   * Adds a table by an existing metadata file. Refused for a table that the catalog has already, whose older
   * states are read by time travel, or registered after a drop without purge. Throws
   * AlreadyExistsError, NotFoundError, CorruptDataError.
   */
  registerTable(identifier: TableIdentifier, metadataLocation: string): Promise<Table>
}
