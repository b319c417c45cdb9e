/**
 * Gives columns another type that Iceberg does not widen to, while few values chose the one that they have: in
 * one commit the column is dropped, one of the same name and place is added, and the files that hold values of it are
 * written again with them (docs/spec/json-rows.md, J14).
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  childFields,
  currentSchema,
  type DataFile,
  findField,
  indexFields,
  type NestedField,
  partitionSpecById,
  type TableMetadata,
} from '../../catalog/format/index.ts'
import {
  type Catalog,
  type DataFileRewriter,
  fetchInputs,
  RequireHead,
  RewriteFiles,
  type SchemaChange,
  stageSchema,
  type Table,
  Transaction,
  UpdateProperties,
  UpdateSchema,
  uploadDataFiles,
} from '../../catalog/index.ts'
import { type FileScanTask, planScan } from '../../catalog/scan/index.ts'
import { type Clock, type Logger, type Random, ValidationError } from '../../common/index.ts'
import type { FileIO } from '../../io/index.ts'
import type { ReplacedColumn } from '../decode/row-decoder.ts'
import { withInferred } from './inferred-columns.ts'

/** Files of more bytes are not written again for a type. */
const rewriteBytesMax = 64 << 20

export interface ReplaceTools {
  readonly catalog: Catalog
  readonly io: FileIO
  /** Without it no column's type is replaced. */
  readonly rewriter?: DataFileRewriter
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export interface ReplaceRequest {
  readonly table: Table
  readonly branch: string
  readonly columns: readonly ReplacedColumn[]
  /** A column with more values keeps its type. */
  readonly valuesMax: number
  /** Local directory for files on their way, which the caller deletes. */
  readonly directory: string
}

/**
 * The table with the new columns; undefined where they must stay as they are: too many values, other branches,
 * a partition column. Throws ConflictError when another commit came between.
 */
export async function replaceColumns(
  parts: ReplaceTools,
  { table, branch, columns, valuesMax, directory }: ReplaceRequest,
): Promise<Table | undefined> {
  const { catalog, clock, io, logger, random, rewriter } = parts
  const { metadata } = table
  const head = metadata.refs[branch]?.snapshotId
  const isAlone = Object.entries(metadata.refs).every(
    ([name, { type }]) => name === branch || type === 'tag',
  )
  if (rewriter === undefined || !isAlone) return undefined
  const tasks = head === undefined ? [] : (await planScan(io, table, { snapshotId: head })).tasks
  const held = tasks.filter((task) =>
    columns.some((column) => valuesIn(metadata, task, column) > 0n),
  )
  const isOpen = columns.every((column) => {
    const values = held.reduce((sum, task) => sum + valuesIn(metadata, task, column), 0n)
    return values <= BigInt(valuesMax)
  })
  const bytes = held.reduce((sum, { file }) => sum + file.fileSizeInBytes, 0n)
  if (!isOpen || bytes > BigInt(rewriteBytesMax)) return undefined
  const changes = columns.flatMap((column) => changesFor(metadata, column))
  try {
    const staged = stageSchema(table, changes, clock)
    const added = await rewritten(parts, { table, staged, tasks: held, directory })
    const transaction = new Transaction(catalog, table.identifier, { clock, random, logger })
    transaction.add(new RequireHead(branch, head)).add(new UpdateSchema(changes))
    if (head !== undefined && held.length > 0) {
      const removed = held.map(({ file }) => file)
      const writtenSchema = currentSchema(staged.metadata)
      transaction.add(
        new RewriteFiles(
          { io, clock, random },
          { branch, startingSnapshotId: head, removed, added, writtenSchema },
        ),
      )
    }
    const stillInferred = new UpdateProperties(({ metadata: { properties } }) => ({
      updates: columns.reduce<Readonly<Record<string, string>>>((done, { field, path, type }) => {
        const parent = path.slice(0, -1).join('.')
        const column = { name: field.name, type }
        return withInferred({ ...properties, ...done }, parent, [column], field.id)
      }, {}),
    }))
    return await transaction.add(stillInferred).commit()
  } catch (error) {
    // A partition column cannot be dropped, and a value that would change keeps its type.
    if (error instanceof ValidationError) return undefined
    throw error
  }
}

/** Out and in again at the same place. */
function changesFor(
  metadata: TableMetadata,
  { path, type }: ReplacedColumn,
): readonly SchemaChange[] {
  const parent = path.slice(0, -1)
  const name = path.at(-1) ?? ''
  const holder = findField(currentSchema(metadata), parent)
  const siblings = holder === undefined ? currentSchema(metadata).fields : childFields(holder.type)
  const before = siblings[siblings.findIndex((field) => field.name === name) - 1]
  return [
    { kind: 'drop-column', path },
    { kind: 'add-column', parent, name, type },
    {
      kind: 'move-column',
      path,
      position: before === undefined ? { kind: 'first' } : { kind: 'after', column: before.name },
    },
  ]
}

/** How many values of the column a file holds, at most. */
function valuesIn(
  metadata: TableMetadata,
  { file, sequenceNumber }: FileScanTask,
  { field }: ReplacedColumn,
): bigint {
  if (sequenceNumber <= newestWithout(metadata, field.id)) return 0n
  const [id, ...others] = leafIds(field)
  // A list or map may be empty, which its statistics do not tell from NULL.
  const isCounted = id === field.id && others.length === 0
  const values = id === undefined ? undefined : file.valueCounts?.get(id)
  if (values === undefined || id === undefined) return file.recordCount
  const present = values - (file.nullValueCounts?.get(id) ?? 0n)
  return isCounted || present > 0n ? present : file.recordCount
}

/** The sequence number up to which no file has the column, as far as snapshots that are left say. */
function newestWithout({ schemas, snapshots }: TableMetadata, fieldId: number): bigint {
  const having = new Set(
    schemas.filter((schema) => indexFields(schema).has(fieldId)).map(({ schemaId }) => schemaId),
  )
  return snapshots
    .filter(({ schemaId }) => schemaId !== undefined && !having.has(schemaId))
    .reduce((newest, { sequenceNumber }) => {
      return sequenceNumber > newest ? sequenceNumber : newest
    }, -1n)
}

function leafIds(field: NestedField): readonly number[] {
  const parts = childFields(field.type).filter(({ name }) => name !== 'key')
  return parts.length === 0 ? [field.id] : parts.flatMap(leafIds)
}

interface Rewrite {
  readonly table: Table
  /** The table with the new columns. */
  readonly staged: Table
  readonly tasks: readonly FileScanTask[]
  readonly directory: string
}

/** Each file as another one, of the same partition, with the new columns. */
async function rewritten(
  { io, random, rewriter }: Pick<ReplaceTools, 'io' | 'random' | 'rewriter'>,
  { table: { metadata }, staged, tasks, directory }: Rewrite,
): Promise<readonly DataFile[]> {
  const added: DataFile[] = []
  for (const [index, task] of tasks.entries()) {
    const into = join(directory, String(index))
    await mkdir(into, { recursive: true })
    const spec = partitionSpecById(metadata, task.file.specId)
    const written = await rewriter?.rewrite({
      metadata,
      schema: currentSchema(metadata),
      convertedTo: currentSchema(staged.metadata),
      spec,
      inputs: await fetchInputs(io, [task], into),
      directory: into,
      fileSizeBytesTarget: undefined,
    })
    const files = written?.files ?? []
    added.push(...(await uploadDataFiles({ io, random }, staged.metadata, files, spec)))
  }
  return added
}
