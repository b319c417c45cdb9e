/** The types of a spec's partition values, even if a source column has been dropped. */
import { fieldById } from './schema.ts'
import { transformResultType } from './transform.ts'
import { currentSchema } from './table-metadata.ts'
import type { NestedField, PartitionSpec, PrimitiveType, TableMetadata } from './types.ts'

/** One type per field of the spec, in spec order. */
export function partitionTypes(
  metadata: TableMetadata,
  spec: PartitionSpec,
): readonly PrimitiveType[] {
  return spec.fields.map((field) =>
    transformResultType(
      field.transform,
      sourceField(metadata, field.sourceId)?.type ?? { type: 'string' },
    ),
  )
}

/** The column in the current schema, or else in the newest schema that has it. */
export function sourceField(metadata: TableMetadata, id: number): NestedField | undefined {
  const current = fieldById(currentSchema(metadata), id)
  if (current !== undefined) return current
  return metadata.schemas.map((schema) => fieldById(schema, id)).findLast((field) => field)
}
