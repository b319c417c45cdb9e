/** The request and the plan of a scan: the files to read, and how many there would be without pruning. */
import type { DataFile, Schema, Snapshot } from '../format/types.ts'
import type { Expression } from './expression.ts'

export interface ScanRequest {
  /** Default: the current snapshot of `main`. */
  readonly snapshotId?: bigint
  /** A branch, read with the current schema as `main` is, or a tag, read with its snapshot's own. */
  readonly ref?: string
  readonly filter?: Expression
}

/** One data file with the delete files that apply to it. */
export interface FileScanTask {
  readonly file: DataFile
  readonly sequenceNumber: bigint
  readonly deletes: readonly DataFile[]
}

export interface ScanPlan {
  /** Undefined for a table without snapshots: no rows. */
  readonly snapshot: Snapshot | undefined
  /** The schema to project to: the snapshot's own for time travel, else the current one. */
  readonly schema: Schema
  readonly tasks: readonly FileScanTask[]
  /** Active data files of the snapshot, pruned ones included. */
  readonly filesTotal: number
}
