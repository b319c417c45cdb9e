/** Adding schemas to table metadata and removing them (spec, "Schemas"). */
import { isDeepStrictEqual } from 'node:util'
import { ValidationError } from '../../common/index.ts'
import { highestFieldId, validateSchema } from '../format/schema.ts'
import type { Schema, TableMetadata } from '../format/types.ts'
import { withoutParts } from './parts-by-id.ts'
import type { TableUpdate } from './update.ts'

export function addSchema(
  metadata: TableMetadata,
  { schema, lastColumnId }: TableUpdate<'add-schema'>,
): TableMetadata {
  validateSchema(schema)
  const highest = highestFieldId(schema)
  if (lastColumnId !== undefined && lastColumnId < highest) {
    throw new ValidationError('last-column-id is below a column id of the schema', {
      facts: { lastColumnId, columnId: highest },
    })
  }
  const withIds = {
    ...metadata,
    lastColumnId: Math.max(metadata.lastColumnId, lastColumnId ?? 0, highest),
  }
  if (findSchema(metadata, schema) !== undefined) return withIds
  const schemaId = 1 + Math.max(-1, ...metadata.schemas.map((existing) => existing.schemaId))
  return { ...withIds, schemas: [...metadata.schemas, { ...schema, schemaId }] }
}

/** The schema of this table that equals `schema` except for its id. */
export function findSchema(metadata: TableMetadata, schema: Schema): Schema | undefined {
  const identifiers = new Set(schema.identifierFieldIds)
  return metadata.schemas.find(
    (existing) =>
      isDeepStrictEqual(existing.fields, schema.fields) &&
      isDeepStrictEqual(new Set(existing.identifierFieldIds), identifiers),
  )
}

export function removeSchemas(
  metadata: TableMetadata,
  { schemaIds }: TableUpdate<'remove-schemas'>,
): TableMetadata {
  const inUse = { what: 'current schema', id: metadata.currentSchemaId }
  return { ...metadata, schemas: withoutParts(metadata.schemas, 'schemaId', schemaIds, inUse) }
}
