/** Partition fields and columns of one name: Java, and so Spark, Trino and Flink, load no table that has them. */
import { ValidationError } from '../../common/index.ts'
import { columnInTheWay } from '../format/partition-by.ts'
import type { PartitionSpec, Schema, TableMetadata } from '../format/types.ts'

/** Throws ValidationError for a column of `schema` that has the name of a partition field of any spec. */
export function checkPartitionNames(schema: Schema, specs: readonly PartitionSpec[]): void {
  const field = clashes(schema, specs).at(0)
  if (field === undefined) return
  throw new ValidationError(
    'a column and a partition field that does not take its values from it have one name, and other engines could not load the table; name one of them otherwise',
    { facts: { name: field.name } },
  )
}

/** The same for what a commit brings: a table that has such names already must stay open to its repair. */
export function checkNewPartitionNames(base: TableMetadata, after: TableMetadata): void {
  if (
    base.currentSchemaId === after.currentSchemaId &&
    base.partitionSpecs === after.partitionSpecs
  ) {
    return
  }
  const before = schemaInUse(base)
  const schema = schemaInUse(after)
  if (schema === undefined) return
  const earlier = new Set(
    before === undefined ? [] : clashes(before, base.partitionSpecs).map(({ name }) => name),
  )
  const specs = after.partitionSpecs.map((spec) => ({
    ...spec,
    fields: spec.fields.filter(({ name }) => !earlier.has(name)),
  }))
  checkPartitionNames(schema, specs)
}

function clashes(schema: Schema, specs: readonly PartitionSpec[]): PartitionSpec['fields'] {
  return specs.flatMap(({ fields }) =>
    fields.filter((field) => columnInTheWay(field, schema) !== undefined),
  )
}

function schemaInUse({ schemas, currentSchemaId }: TableMetadata): Schema | undefined {
  return schemas.find(({ schemaId }) => schemaId === currentSchemaId)
}
