/**
 * Makes a partition spec of partition terms (`partition-term.ts`) and a schema. Partition fields have the
 * names that every engine gives them: `ts_day`, `id_bucket`, `name_trunc`.
 */
import { didYouMean, ValidationError } from '../../common/index.ts'
import { firstPartitionFieldId } from './partition-spec-json.ts'
import { type PartitionTerm, parsePartitionTerm } from './partition-term.ts'
import { findField, indexFields } from './schema.ts'
import { checkTransform } from './transform.ts'
import { sameTransform } from './transform-text.ts'
import type { NestedField, PartitionField, PartitionSpec, Schema, Transform } from './types.ts'

const suffixes: Readonly<Record<Transform['kind'], string>> = {
  identity: '',
  void: '_null',
  bucket: '_bucket',
  truncate: '_trunc',
  year: '_year',
  month: '_month',
  day: '_day',
  hour: '_hour',
  unknown: '_partition',
}

/** A spec with id 0 and fresh field ids; throws ValidationError naming the term and the way out. */
export function parsePartitionBy(
  terms: readonly (string | PartitionTerm)[],
  schema: Schema,
): PartitionSpec {
  const fields: PartitionField[] = []
  for (const term of terms) {
    const { text, transform, column } = typeof term === 'string' ? parsePartitionTerm(term) : term
    const source = resolveColumn(column, schema, text)
    checkTransform(transform, source.type, column)
    const field: PartitionField = {
      sourceId: source.id,
      fieldId: firstPartitionFieldId + fields.length,
      name: column + suffixes[transform.kind],
      transform,
    }
    checkAgainst(field, fields, schema, text)
    fields.push(field)
  }
  return { specId: 0, fields }
}

/** A column name may itself hold dots, so the whole text is tried before it is taken as a path. */
function resolveColumn(column: string, schema: Schema, text: string): NestedField {
  const field = findField(schema, [column]) ?? findField(schema, column.split('.'))
  if (field === undefined) throw unknownColumn(column, schema, text)
  if (indexFields(schema).get(field.id)?.repeated === true) {
    throw new ValidationError('a table cannot be partitioned by a value inside a list or map', {
      facts: { entry: text },
    })
  }
  return field
}

function checkAgainst(
  field: PartitionField,
  earlier: readonly PartitionField[],
  schema: Schema,
  text: string,
): void {
  const twin = earlier.find(
    (other) => other.sourceId === field.sourceId && sameTransform(other.transform, field.transform),
  )
  if (twin !== undefined) {
    throw new ValidationError('the same partition field is given twice; remove one', {
      facts: { entry: text, field: twin.name },
    })
  }
  if (earlier.some((other) => other.name === field.name)) {
    throw new ValidationError('two partition fields would get the same name; remove one', {
      facts: { entry: text, field: field.name },
    })
  }
  const column = schema.fields.find((other) => other.name === field.name)
  const ownColumn = field.transform.kind === 'identity' && column?.id === field.sourceId
  if (column !== undefined && !ownColumn) {
    throw new ValidationError('the partition field would have the name of a column; rename it', {
      facts: { entry: text, column: column.name },
    })
  }
}

function unknownColumn(column: string, schema: Schema, text: string): ValidationError {
  const names = schema.fields.map((field) => field.name)
  const hint = didYouMean(column, names) || '; use one of the columns of the schema'
  return new ValidationError(`partition column does not exist${hint}`, {
    facts: { entry: text, column, columns: names.slice(0, 20).join(',') },
  })
}
