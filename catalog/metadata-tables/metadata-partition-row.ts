/**
 * The column `partition` of metadata tables: one struct over the fields of all specs, because files
 * of older specs stay in the table. Absent for a table that was never partitioned.
 */
import { partitionTupleKey } from '../format/partition-tuple-key.ts'
import { partitionTypes } from '../format/partition-types.ts'
import { partitionSpecById } from '../format/table-metadata.ts'
import type { DataFile, PrimitiveType, TableMetadata } from '../format/types.ts'
import { rowOf, type MetadataCell, type MetadataColumn } from './metadata-columns.ts'

export class PartitionRow {
  readonly #metadata: TableMetadata
  /** Name and type by partition field id; the newest spec names the field. */
  readonly #fields = new Map<number, { readonly name: string; readonly type: PrimitiveType }>()

  constructor(metadata: TableMetadata) {
    this.#metadata = metadata
    for (const spec of metadata.partitionSpecs) {
      const types = partitionTypes(metadata, spec)
      spec.fields.forEach((field, index) => {
        if (field.transform.kind === 'void' && this.#fields.has(field.fieldId)) return
        this.#fields.set(field.fieldId, {
          name: field.name,
          type: types[index] ?? { type: 'string' },
        })
      })
    }
  }

  columns(): readonly MetadataColumn[] {
    return this.#fields.size === 0
      ? []
      : [{ name: 'partition', type: rowOf([...this.#fields.values()]) }]
  }

  /** Equal for files of one spec and partition. */
  key({ specId, partition }: DataFile): string {
    const spec = partitionSpecById(this.#metadata, specId)
    return partitionTupleKey(specId, partitionTypes(this.#metadata, spec), partition)
  }

  cell(file: DataFile): MetadataCell {
    const spec = partitionSpecById(this.#metadata, file.specId)
    const values = new Map(
      spec.fields.map((field, index) => [field.fieldId, file.partition[index] ?? null]),
    )
    return Object.fromEntries(
      [...this.#fields].map(([fieldId, { name }]) => [name, values.get(fieldId) ?? null]),
    )
  }
}
