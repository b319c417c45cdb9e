/**
 * What the table names of one query stand for (files of a snapshot, streaming rows after them, metadata
 * tables, views), held until the query ends. All names of a query, those in views too, see one state.
 */
import { metadataTableNames, type ManifestSource, type Table } from '../../catalog/index.ts'
import type { StreamingScan } from '../../catalog/scan/index.ts'
import { formatIdentifier } from '../../catalog/format/index.ts'
import { UnsupportedError } from '../../common/index.ts'
import { bindTables, planTables, type PlannedTable } from './bound-tables.ts'
import { deletedRowsSelect, withDeletes } from './deleted-rows.ts'
import type { OpenFiles } from './file-access.ts'
import { groupByLayout, namesAreCertain } from './file-layout.ts'
import { streamingSelects } from './streaming-rows.ts'
import { metadataTable } from './metadata-table.ts'
import { nameResolver, type NameResolver } from '../bind/name-resolution.ts'
import type { QueryOptions, QueryTools } from './query-tools.ts'
import type { TableSummary } from '../session/query-result.ts'
import type { QuerySession } from '../session/query-session.ts'
import { pointAtRelations, withoutCatalogNames, type Relation } from './query-views.ts'
import {
  escapeGlob,
  type FileGroup,
  type HiddenColumns,
  hiddenColumns,
  type ScanFile,
  scanSelect,
} from './scan-sql.ts'
import { splice } from '../text/spliced-text.ts'
import { tokenizedText } from '../text/tokens.ts'
import { parseQuery } from '../bind/syntax-tree.ts'
import {
  findReferences,
  type QueryReferences,
  type TableReference,
} from '../bind/table-references.ts'

export class TableRelations {
  readonly #tools: QueryTools
  readonly #options: QueryOptions
  readonly #resolver: NameResolver
  /** Pinned before any table is loaded: rows committed in between are then in both, and cut off in the pin. */
  readonly #pin: ReturnType<NonNullable<QueryTools['live']>['pin']> | undefined
  readonly #streamingRows = new Map<Table, Promise<StreamingScan | undefined>>()
  readonly #opened: OpenFiles[] = []
  readonly #held: OpenFiles[] = []
  readonly #summaries: TableSummary[] = []
  #streamingPaths: readonly string[] = []

  constructor(tools: QueryTools, options: QueryOptions) {
    this.#tools = tools
    this.#options = options
    this.#pin = tools.live?.pin()
    this.#resolver = nameResolver({
      catalog: tools.catalog,
      defaultNamespace: options.defaultNamespace,
      metadataKinds: metadataTableNames,
    })
  }

  /** State and cost of each table, in the order in which they were bound. */
  get summaries(): readonly TableSummary[] {
    return this.#summaries
  }

  get bytesFetched(): number {
    return this.#opened.reduce((sum, { bytesFetched }) => sum + bytesFetched, 0)
  }

  /** The relations in an order in which they can be created: those of a view before the view. */
  async bind(session: QuerySession, references: QueryReferences): Promise<readonly Relation[]> {
    const tables: TableReference[] = []
    const relations: Relation[] = []
    for (const reference of references.tables) {
      const query = await this.#viewQuery(reference)
      if (query === undefined) tables.push(reference)
      else relations.push(...(await this.#view(session, reference, query)))
    }
    return [...relations, ...(await this.#bindTables(session, references, tables))]
  }

  async release(): Promise<void> {
    // `#opened` stays filled: the summary and messages name the files after the last row too.
    const held = this.#held.splice(0)
    await Promise.all([this.#pin?.release(), ...held.map((each) => each.release())])
  }

  /** Every local name that the relations may open, as the manifest has it and as a pattern. */
  localFiles(): readonly string[] {
    const paths = this.#opened.flatMap(({ files }) => files.map(({ path }) => path))
    return [
      ...new Set([...paths, ...this.#streamingPaths].flatMap((path) => [path, escapeGlob(path)])),
    ]
  }

  /** Replaces names of throw-away catalogs and of cached files by what the user knows. */
  inUsersTerms(message: string): string {
    const files = this.#opened.flatMap((opened) => opened.files)
    return files.reduce(
      (text, { path, location }) => (text.includes(path) ? text.replaceAll(path, location) : text),
      withoutCatalogNames(message),
    )
  }

  async #viewQuery({ parts, timeTravel }: TableReference): Promise<string | undefined> {
    const { views } = this.#tools
    if (views === undefined || timeTravel !== undefined) return undefined
    const state = {
      load: this.#resolver.load,
      streamingRows: (table: Table) => this.#streamingRowsOf(table),
    }
    for (const identifier of this.#resolver.identifiers(parts)) {
      const query = await views.viewOf(identifier, state)
      if (query !== undefined) return query
    }
    return undefined
  }

  /** Names in a view's query are tables; a view that would need another one is refused where it is declared (B11). */
  async #view(
    session: QuerySession,
    reference: TableReference,
    query: string,
  ): Promise<readonly Relation[]> {
    const references = findReferences(await parseQuery(session, splice(query, []), query))
    const relations = await this.#bindTables(session, references, references.tables)
    const { text } = pointAtRelations(tokenizedText(query), relations)
    const catalogName = this.#tools.nextCatalogName()
    const make = (view: string): readonly { readonly sql: string }[] => [
      { sql: `CREATE VIEW ${view} AS ${text}` },
    ]
    const inner = relations.map((each) => ({ ...each, isInner: true as const }))
    return [...inner, { reference, catalogName, make }]
  }

  async #bindTables(
    session: QuerySession,
    { columnNames }: QueryReferences,
    tables: readonly TableReference[],
  ): Promise<readonly Relation[]> {
    const bound = await bindTables(session, this.#resolver, tables)
    const prune = this.#options.prune !== false
    const planned = await planTables(session, this.#source(), bound, prune)
    const relations: Relation[] = []
    for (const table of planned) {
      this.#options.signal?.throwIfAborted()
      relations.push(await this.#relation(session, table, hiddenColumns(columnNames)))
    }
    return relations
  }

  #source(): ManifestSource {
    return { io: this.#tools.io, cache: this.#tools.manifests }
  }

  async #relation(
    session: QuerySession,
    planned: PlannedTable,
    hidden: HiddenColumns,
  ): Promise<Relation> {
    const { reference, plan, table, layer } = planned
    const catalogName = this.#tools.nextCatalogName()
    if (plan === undefined) {
      const make = await metadataTable(this.#source(), planned, planned.metadataKind ?? '')
      return { reference, catalogName, make }
    }
    const name = formatIdentifier(table.identifier)
    const { keepFile } = this.#options
    const tasks = plan.tasks.filter(
      ({ file }) => layer !== 'live' && (keepFile === undefined || keepFile(name, file)),
    )
    const files = tasks.map(({ file }) => file)
    const deletes = [...new Set(tasks.flatMap((task) => task.deletes))]
    const opened = await this.#tools.files.open([...files, ...deletes])
    const scanFiles = opened.files.slice(0, files.length)
    this.#opened.push(opened)
    this.#held.push(opened)
    const streaming = await this.#layerOf(planned)
    this.#summaries.push({
      name,
      ...(streaming === undefined ? {} : { live: streaming.state }),
      snapshotId: plan.snapshot?.snapshotId,
      filesRead: files.length,
      filesTotal: plan.filesTotal,
      bytesRead: files.reduce((sum, file) => sum + file.fileSizeInBytes, 0n),
    })
    const { schema } = plan
    const certain = namesAreCertain(table.metadata, schema)
    const grouped = async <File extends ScanFile>(
      each: readonly File[],
    ): Promise<readonly FileGroup<File>[]> =>
      certain ? [{ files: each, layout: undefined }] : groupByLayout(session, schema, each)
    const groups = await grouped(scanFiles)
    const streamingFiles = (streaming?.files ?? []).map((file) => ({
      ...file,
      location: file.path,
    }))
    const selects = streamingSelects(schema, await grouped(streamingFiles), hidden)
    const rowCount = files.reduce((sum, file) => sum + file.recordCount, 0n)
    const scan = { schema, groups, rowCount, ...hidden, streamingSelects: selects }
    const deleted = deletedRowsSelect(withDeletes(tasks, opened.files))
    return {
      reference,
      catalogName,
      make: (view) => {
        if (deleted === undefined) return [{ sql: `CREATE VIEW ${view} AS ${scanSelect(scan)}` }]
        const deletedRows = view.replace(/"$/, '$deleted-rows"')
        return [
          { sql: `CREATE TABLE ${deletedRows} AS ${deleted}` },
          { sql: `CREATE VIEW ${view} AS ${scanSelect({ ...scan, deletedRows })}` },
        ]
      },
    }
  }

  /** The streaming rows that belong to the reference. A past state of a table has none. */
  async #layerOf({ reference, table, layer }: PlannedTable): Promise<StreamingScan | undefined> {
    if (layer === 'live' && (this.#pin === undefined || reference.timeTravel !== undefined)) {
      throw new UnsupportedError(
        this.#pin === undefined
          ? 'this process runs no streams, so it has no live rows: ask the server that runs them'
          : 'time travel has no live rows',
        { facts: { table: formatIdentifier(table.identifier) } },
      )
    }
    if (layer === 'batch' || reference.timeTravel !== undefined) return undefined
    const streaming = await this.#streamingRowsOf(table)
    this.#streamingPaths = [
      ...this.#streamingPaths,
      ...(streaming?.files ?? []).map(({ path }) => path),
    ]
    return streaming
  }

  /** Once for each table, so that a query that names it twice sees one state of it. */
  #streamingRowsOf(table: Table): Promise<StreamingScan | undefined> {
    const rows =
      this.#streamingRows.get(table) ?? this.#pin?.rowsAfter(table) ?? Promise.resolve(undefined)
    this.#streamingRows.set(table, rows)
    return rows
  }
}
