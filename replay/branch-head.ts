/** The branches of a table as it was loaded. */
import type { Snapshot, TableMetadata } from '../catalog/format/index.ts'
import { headOf, type Table } from '../catalog/index.ts'

export function hasBranch({ refs }: TableMetadata, branch: string): boolean {
  return Object.hasOwn(refs, branch)
}

export function headSnapshot({ metadata }: Table, ref: string): Snapshot | undefined {
  return headOf(metadata, ref)
}
