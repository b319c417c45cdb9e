/** The columns that partition and sort fields name. */
import { ValidationError } from '../../common/index.ts'
import { indexFields } from '../format/schema.ts'
import type { TableMetadata } from '../format/types.ts'

/** Throws ValidationError for a field whose column is in none of the table's schemas. */
export function checkSourceIds(
  metadata: TableMetadata,
  sourceIds: readonly number[],
  what: 'partition' | 'sort',
): void {
  if (metadata.schemas.length === 0) return
  const columnIds = new Set(metadata.schemas.flatMap((schema) => [...indexFields(schema).keys()]))
  const missing = sourceIds.find((id) => !columnIds.has(id))
  if (missing !== undefined) {
    throw new ValidationError(`a ${what} field names a column that does not exist`, {
      facts: { sourceId: missing },
    })
  }
}
