/**
 * DataFileRewriter over DuckDB: files of one partition become fewer or smaller ones, in the table's
 * current columns, without the rows that position deletes took away.
 *
 * Invariants (docs/spec/compaction.md): rows of the inputs = rows written + rows deleted (K4); values
 * pass through unchanged, nested ones by field id (K5). Rows stream from reader to writer: memory is
 * bounded by the instance's limit, whatever the files' size.
 */
import { join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import type { Schema } from '../../catalog/format/index.ts'
import type {
  DataFileRewriter,
  RewriteDataFilesRequest,
  RewriteDataFilesResult,
  WrittenFile,
} from '../../catalog/index.ts'
import { assert, CorruptDataError, UnsupportedError, ValidationError } from '../../common/index.ts'
import type { Database } from '../session/database.ts'
import { groupByLayout, namesAreCertain } from '../scan/file-layout.ts'
import { quoteIdentifier } from '../text/sql-text.ts'
import { duckdbTypeName } from '../text/type-name.ts'
import { footerRows } from '../session/local-session.ts'
import { type FileGroup, scanSelect } from '../scan/scan-sql.ts'
import { holdsType } from './column-sql.ts'
import { deletedRows, loadDeletedRows } from './rewrite-deletes.ts'
import { copyDataFiles } from './copy-files.ts'

/** Of values in memory, before encoding; bounds what one thread of the writer holds. */
const rowGroupBytesMax = 128 << 20
/** Each thread holds a row group as values, one as encoded pages, and what is read for the next. */
const rowGroupsHeld = 4

export function createDataFileRewriter(database: Database): DataFileRewriter {
  const share = (database.memoryLimitBytes ?? Infinity) / database.threads / rowGroupsHeld
  const rowGroupBytes = Math.floor(Math.min(rowGroupBytesMax, share))
  return {
    rewrite: (request) =>
      database.withConnection((connection) =>
        interruptible(connection, request.signal, async () => {
          // Keeping the order would hold back whole row groups in memory.
          await connection.run('SET SESSION preserve_insertion_order = false')
          return rewriteDataFiles(connection, request, rowGroupBytes)
        }),
      ),
  }
}

/** Interrupts the statement on abort, because a COPY of gigabytes would delay a process that stops. */
async function interruptible<T>(
  connection: DuckDBConnection,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted()
  const interrupt = (): void => {
    connection.interrupt()
  }
  signal?.addEventListener('abort', interrupt, { once: true })
  try {
    return await work()
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', interrupt)
  }
}

async function rewriteDataFiles(
  connection: DuckDBConnection,
  request: RewriteDataFilesRequest,
  rowGroupBytes: number,
): Promise<RewriteDataFilesResult> {
  const { inputs, schema } = request
  refuseFixed(schema)
  const deleted = await loadDeletedRows(connection, inputs)
  const rowsRead = inputs.reduce((sum, { file }) => sum + file.recordCount, 0n)
  const kept = rowsRead - deleted
  const groups = await layoutGroups(connection, request)
  const withDeletes = deleted > 0n
  // An interrupt between two statements is lost.
  request.signal?.throwIfAborted()
  const source = { groups, withDeletes, rowGroupBytes }
  const files = kept === 0n ? [] : await writeFiles(connection, request, source)
  const written = files.reduce((sum, file) => sum + file.recordCount, 0n)
  if (written !== kept) {
    throw new CorruptDataError('a rewrite read another number of rows than the manifests state', {
      facts: {
        expected: kept,
        written,
        deleted,
        files: inputs.length,
        first: inputs[0]?.file.filePath,
      },
    })
  }
  return { files, rowsRead, rowsDeleted: deleted }
}

interface RewriteSource {
  readonly groups: readonly FileGroup[]
  readonly withDeletes: boolean
  readonly rowGroupBytes: number
}

async function writeFiles(
  connection: DuckDBConnection,
  request: RewriteDataFilesRequest,
  { groups, rowGroupBytes, withDeletes }: RewriteSource,
): Promise<readonly WrittenFile[]> {
  const { directory, fileSizeBytesTarget, inputs, metadata, schema } = request
  const [first] = inputs
  assert(first !== undefined, 'a rewrite has inputs')
  const read = scanSelect({
    schema,
    groups,
    rowCount: inputs.reduce((sum, { file }) => sum + file.recordCount, 0n),
    withPath: false,
    ...(withDeletes ? { deletedRows } : {}),
  })
  const written = request.convertedTo ?? schema
  const select = await convertedSelect(connection, read, schema, written)
  const isOneFile = fileSizeBytesTarget === undefined
  const copy = {
    select,
    target: join(directory, isOneFile ? 'part.parquet' : 'parts'),
    schema: written,
    properties: metadata.properties,
    options: [
      `ROW_GROUP_SIZE_BYTES ${rowGroupBytes}`,
      ...(isOneFile
        ? []
        : [`FILE_SIZE_BYTES ${fileSizeBytesTarget}`, `FILENAME_PATTERN 'part-{uuid}'`]),
    ],
  }
  return copyDataFiles(connection, copy, () => first.file.partition)
}

/** The rows of `select` in the types of `to`. Throws where a value would not stay what it is. */
async function convertedSelect(
  connection: DuckDBConnection,
  select: string,
  from: Schema,
  to: Schema,
): Promise<string> {
  const casts = from.fields.map((field, index) => {
    const target = to.fields[index]
    assert(target?.name === field.name, 'a conversion keeps the order of columns')
    const name = quoteIdentifier(field.name)
    const [before, after] = [duckdbTypeName(field.type), duckdbTypeName(target.type)]
    return { name, before, after }
  })
  const changed = casts.filter(({ before, after }) => before !== after)
  if (changed.length === 0) return select
  const losses = changed.map(
    ({ name, before, after }) =>
      `${name} IS DISTINCT FROM TRY_CAST(TRY_CAST(${name} AS ${after}) AS ${before})`,
  )
  const check = `SELECT count(*) FROM (${select}) WHERE ${losses.join(' OR ')}`
  const lost = Number((await connection.runAndReadAll(check)).getRows()[0]?.[0])
  if (lost > 0) {
    throw new ValidationError(
      'a column cannot change its type: it holds values that would not be the same',
      {
        facts: { rows: lost, types: changed.map(({ after }) => after).join(', ') },
      },
    )
  }
  const items = casts.map(({ name, before, after }) =>
    before === after ? name : `CAST(${name} AS ${after}) AS ${name}`,
  )
  return `SELECT ${items.join(', ')} FROM (${select})`
}

async function layoutGroups(
  connection: DuckDBConnection,
  { inputs, metadata, schema }: RewriteDataFilesRequest,
): Promise<readonly FileGroup[]> {
  const files = inputs.map(({ file, path }) => ({ location: file.filePath, path }))
  if (namesAreCertain(metadata, schema)) return [{ files, layout: undefined }]
  const footers = (paths: readonly string[]) => footerRows(connection, paths)
  return groupByLayout({ footers }, schema, files)
}

/** DuckDB reads fixed-length binary as BLOB and would write it with another Parquet type. */
function refuseFixed(schema: Schema): void {
  const field = schema.fields.find(({ type }) => holdsType(type, 'fixed'))
  if (field === undefined) return
  throw new UnsupportedError('a fixed-length binary column cannot be rewritten by this engine', {
    facts: { column: field.name },
  })
}
