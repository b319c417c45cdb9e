import type { DuckDBConnection } from '@duckdb/node-api'
import type { FileIO } from '../../io/index.ts'
import type { BoundTable } from './bound-tables.ts'
export const metadataTableKinds = ['snapshots']
export async function metadataTable(
  _io: FileIO,
  _t: BoundTable,
): Promise<(c: DuckDBConnection, n: string) => Promise<void>> {
  throw new Error('soon')
}
