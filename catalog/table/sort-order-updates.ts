/** Adding sort orders to table metadata (spec, "Sorting"). */
import { isDeepStrictEqual } from 'node:util'
import type { SortOrder, TableMetadata } from '../format/types.ts'
import { checkSourceIds } from './check-source-ids.ts'
import type { TableUpdate } from './update.ts'

export function addSortOrder(
  metadata: TableMetadata,
  { sortOrder }: TableUpdate<'add-sort-order'>,
): TableMetadata {
  checkSourceIds(
    metadata,
    sortOrder.fields.map((field) => field.sourceId),
    'sort',
  )
  if (findSortOrder(metadata, sortOrder) !== undefined) return metadata
  // Order 0 is by definition the empty one (spec, "Sorting").
  const orderId =
    sortOrder.fields.length === 0
      ? 0
      : 1 + Math.max(0, ...metadata.sortOrders.map((existing) => existing.orderId))
  return { ...metadata, sortOrders: [...metadata.sortOrders, { ...sortOrder, orderId }] }
}

export function findSortOrder(metadata: TableMetadata, order: SortOrder): SortOrder | undefined {
  return metadata.sortOrders.find((existing) => isDeepStrictEqual(existing.fields, order.fields))
}
