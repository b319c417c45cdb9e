/**
 * From the active files of a table to the groups of files that are worth rewriting, each with its
 * reasons. Pure: no file is opened, nothing is written.
 *
 * Invariants (docs/spec/compaction.md): no file is in two groups (K1); a group holds files of one
 * partition tuple of one spec and at most `max-file-group-size-bytes`, unless it is one file (K2);
 * over the files that a plan's rewrite leaves behind the plan is empty (K3).
 */
import {
  type DataFile,
  partitionTupleKey,
  partitionSpecById,
  partitionTypes,
  type PrimitiveType,
  type TableMetadata,
  type Value,
} from '../catalog/format/index.ts'
import { type FileScanTask, onlyReferencedFile } from '../catalog/scan/index.ts'
import {
  fileSizeBytesTarget,
  type RewriteJobOrder,
  type RewriteOptions,
} from './rewrite-options.ts'

export type RewriteReason =
  | 'small-files'
  | 'enough-content'
  | 'too-large'
  | 'many-deletes'
  | 'rewrite-all'

/** Files of one partition that are rewritten together, and committed together or not at all. */
export interface RewriteGroup {
  readonly specId: number
  readonly partition: readonly (Value | null)[]
  readonly tasks: readonly FileScanTask[]
  readonly sizeBytes: bigint
  readonly recordCount: bigint
  readonly reasons: readonly RewriteReason[]
  /** About how many files are written. */
  readonly outputFiles: number
}

/** A file that should be rewritten and cannot be. */
export interface SkippedFile {
  readonly file: DataFile
  readonly reason: 'not-parquet' | 'equality-deletes'
}

export interface RewritePlan {
  readonly groups: readonly RewriteGroup[]
  readonly skipped: readonly SkippedFile[]
  /** All files that were looked at. */
  readonly filesTotal: number
}

/** `tasks`: the active files that may be rewritten, with the deletes that apply to each. */
export function planRewrite(
  metadata: TableMetadata,
  tasks: readonly FileScanTask[],
  options: RewriteOptions,
): RewritePlan {
  const keys = new PartitionKeys(metadata)
  const candidates = new Map<string, Candidate[]>()
  const skipped: SkippedFile[] = []
  for (const task of tasks) {
    const candidate = candidateOf(task, options)
    if (candidate === undefined) continue
    const obstacle = obstacleOf(task)
    if (obstacle !== undefined) {
      skipped.push({ file: task.file, reason: obstacle })
      continue
    }
    const key = keys.of(task.file)
    const siblings = candidates.get(key)
    if (siblings === undefined) candidates.set(key, [candidate])
    else siblings.push(candidate)
  }
  const groups = [...candidates.values()]
    .map((siblings) => (options.boundsAmplification ? worthMerging(siblings) : siblings))
    .flatMap((siblings) => pack(siblings, options.maxFileGroupSizeBytes))
    .flatMap((members) => groupOf(members, options) ?? [])
  return { groups: limited(ordered(groups, options), options), skipped, filesTotal: tasks.length }
}

interface Candidate {
  readonly task: FileScanTask
  readonly isSmall: boolean
  readonly isLarge: boolean
  readonly hasManyDeletes: boolean
}

function candidateOf(task: FileScanTask, options: RewriteOptions): Candidate | undefined {
  const { file, deletes } = task
  const isSmall = file.fileSizeInBytes < options.minFileSizeBytes
  const isLarge = file.fileSizeInBytes > options.maxFileSizeBytes
  const { deleteFileThreshold, deleteRatioThreshold } = options
  const deletedRows = deletedRowsOf(task)
  const hasManyDeletes =
    (deleteFileThreshold !== undefined && deletes.length >= deleteFileThreshold) ||
    (deletedRows > 0n && Number(deletedRows) >= Number(file.recordCount) * deleteRatioThreshold)
  if (!isSmall && !isLarge && !hasManyDeletes && !options.rewriteAll) return undefined
  return { task, isSmall, isLarge, hasManyDeletes }
}

function obstacleOf({ file, deletes }: FileScanTask): SkippedFile['reason'] | undefined {
  if (file.fileFormat.toUpperCase() !== 'PARQUET') return 'not-parquet'
  return deletes.some(({ content }) => content === 'equality-deletes')
    ? 'equality-deletes'
    : undefined
}

/**
 * Rows deleted by delete files that name this file alone. A delete file that names other files too is not
 * counted, as in Java, because only reading it would show how many of its rows belong to this file.
 */
export function deletedRowsOf({ file, deletes }: FileScanTask): bigint {
  const own = deletes.filter((remove) => onlyReferencedFile(remove) === file.filePath)
  const rows = own.reduce((sum, { recordCount }) => sum + recordCount, 0n)
  return rows < file.recordCount ? rows : file.recordCount
}

/**
 * The files up to the largest one that is no larger than all smaller ones together, so that a file at least
 * doubles each time it is written again. Where a file is split or has many deletes,
 * the whole partition is rewritten, because what is left of that file would be small again.
 */
function worthMerging(candidates: readonly Candidate[]): readonly Candidate[] {
  if (candidates.some(({ isSmall, hasManyDeletes }) => !isSmall || hasManyDeletes)) {
    return candidates
  }
  const rising = [...candidates].sort((left, right) => compare(sizeOf(left), sizeOf(right)))
  let smaller = 0n
  let end = 0
  for (const [index, candidate] of rising.entries()) {
    if (index === 0 || sizeOf(candidate) <= smaller) end = index + 1
    smaller += sizeOf(candidate)
  }
  const merged = new Set(rising.slice(0, end))
  return candidates.filter((candidate) => merged.has(candidate))
}

/** Packs files in the order in which they were committed, so that rows of one time stay together. */
function pack(
  candidates: readonly Candidate[],
  sizeBytesMax: bigint,
): readonly (readonly Candidate[])[] {
  const inOrder = [...candidates].sort(
    (left, right) =>
      compare(left.task.sequenceNumber, right.task.sequenceNumber) ||
      compare(left.task.file.filePath, right.task.file.filePath),
  )
  const bins: Candidate[][] = []
  let bin: Candidate[] = []
  let size = 0n
  for (const candidate of inOrder) {
    if (bin.length > 0 && size + sizeOf(candidate) > sizeBytesMax) {
      bins.push(bin)
      bin = []
      size = 0n
    }
    bin.push(candidate)
    size += sizeOf(candidate)
  }
  if (bin.length > 0) bins.push(bin)
  return bins
}

function groupOf(members: readonly Candidate[], options: RewriteOptions): RewriteGroup | undefined {
  const [first] = members
  if (first === undefined) return undefined
  const sizeBytes = members.reduce((sum, member) => sum + sizeOf(member), 0n)
  const reasons = reasonsFor(members, sizeBytes, options)
  if (reasons.length === 0) return undefined
  return {
    specId: first.task.file.specId,
    partition: first.task.file.partition,
    tasks: members.map(({ task }) => task),
    sizeBytes,
    recordCount: members.reduce((sum, { task }) => sum + task.file.recordCount, 0n),
    reasons,
    outputFiles: outputFileCount(sizeBytes, options),
  }
}

function reasonsFor(
  members: readonly Candidate[],
  sizeBytes: bigint,
  options: RewriteOptions,
): readonly RewriteReason[] {
  const reasons: RewriteReason[] = []
  const several = members.length > 1
  if (several && members.length >= options.minInputFiles) reasons.push('small-files')
  else if (several && sizeBytes > options.targetFileSizeBytes) reasons.push('enough-content')
  if (members.some(({ isLarge }) => isLarge)) reasons.push('too-large')
  if (members.some(({ hasManyDeletes }) => hasManyDeletes)) reasons.push('many-deletes')
  if (options.rewriteAll) reasons.push('rewrite-all')
  return reasons
}

function outputFileCount(sizeBytes: bigint, options: RewriteOptions): number {
  const target = fileSizeBytesTarget(sizeBytes, options)
  return target === undefined ? 1 : Number((sizeBytes + target - 1n) / target)
}

const orders: {
  readonly [Order in RewriteJobOrder]: (l: RewriteGroup, r: RewriteGroup) => number
} = {
  none: (left, right) => compare(newest(left), newest(right)),
  'bytes-asc': (left, right) => compare(left.sizeBytes, right.sizeBytes),
  'bytes-desc': (left, right) => compare(right.sizeBytes, left.sizeBytes),
  'files-asc': (left, right) => left.tasks.length - right.tasks.length,
  'files-desc': (left, right) => right.tasks.length - left.tasks.length,
}

function ordered(
  groups: readonly RewriteGroup[],
  { rewriteJobOrder }: RewriteOptions,
): readonly RewriteGroup[] {
  return [...groups].sort(orders[rewriteJobOrder])
}

/** A group that exceeds the limit is cut only where the part that fits is worth a rewrite by itself. */
function limited(
  groups: readonly RewriteGroup[],
  options: RewriteOptions,
): readonly RewriteGroup[] {
  const limit = options.maxFilesToRewrite
  if (limit === undefined) return groups
  const kept: RewriteGroup[] = []
  let room = limit
  for (const group of groups) {
    const isWhole = group.tasks.length <= room
    const part = isWhole ? group : cut(group, room, options)
    if (part !== undefined) kept.push(part)
    room -= part?.tasks.length ?? 0
    if (room === 0) break
  }
  return kept
}

function cut(group: RewriteGroup, room: number, options: RewriteOptions): RewriteGroup | undefined {
  const members = group.tasks.slice(0, room).flatMap((task) => candidateOf(task, options) ?? [])
  return groupOf(members, options)
}

function newest(group: RewriteGroup): bigint {
  return group.tasks.reduce(
    (latest, { sequenceNumber }) => (sequenceNumber > latest ? sequenceNumber : latest),
    0n,
  )
}

function sizeOf(candidate: Candidate): bigint {
  return candidate.task.file.fileSizeInBytes
}

function compare<T extends bigint | string>(left: T, right: T): number {
  return left < right ? -1 : Number(left > right)
}

/** Equal partition tuples of one spec have equal keys. */
class PartitionKeys {
  readonly #metadata: TableMetadata
  readonly #types = new Map<number, readonly PrimitiveType[]>()

  constructor(metadata: TableMetadata) {
    this.#metadata = metadata
  }

  of({ specId, partition }: DataFile): string {
    const types =
      this.#types.get(specId) ??
      partitionTypes(this.#metadata, partitionSpecById(this.#metadata, specId))
    this.#types.set(specId, types)
    return partitionTupleKey(specId, types, partition)
  }
}
