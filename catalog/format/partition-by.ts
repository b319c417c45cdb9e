/**
 * Makes a partition spec of partition terms (`partition-term.ts`) and a schema. Partition fields have the
 * names that the terms give them, or those that every engine does: `ts_day`, `id_bucket`, `name_trunc`.
 */
import { didYouMean, ValidationError } from '../../common/index.ts'
import { firstPartitionFieldId } from './partition-spec-json.ts'
import { formatPartitionTerm, type PartitionTerm, parsePartitionTerm } from './partition-term.ts'
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

/** The name of a partition field to which its term gives none. */
export function partitionFieldName(column: string, transform: Transform): string {
  return column + suffixes[transform.kind]
}

/** The term of a field that exists, with its name where that is not the usual one. */
export function partitionTermOf(column: string, { name, transform }: PartitionField): string {
  const isUsual = name === partitionFieldName(column, transform)
  return formatPartitionTerm({ column, transform, ...(isUsual ? {} : { name }) })
}

export interface PartitionByOptions {
  /** A field to which its term gives no name takes another one (`ts_day_2`) where its own is that of a column. */
  readonly avoidsColumns?: boolean
}

/** A spec with id 0 and fresh field ids; throws ValidationError naming the term and the way out. */
export function parsePartitionBy(
  terms: readonly (string | PartitionTerm)[],
  schema: Schema,
  { avoidsColumns = false }: PartitionByOptions = {},
): PartitionSpec {
  const fields: PartitionField[] = []
  for (const term of terms) {
    const parsed = typeof term === 'string' ? parsePartitionTerm(term) : term
    const { text, transform, column } = parsed
    const source = resolveColumn(column, schema, text)
    checkTransform(transform, source.type, column)
    const named = (name: string): PartitionField => ({
      sourceId: source.id,
      fieldId: firstPartitionFieldId + fields.length,
      name,
      transform,
    })
    const own = partitionFieldName(column, transform)
    let field = named(parsed.name ?? own)
    if (avoidsColumns && parsed.name === undefined) {
      for (let number = 2; isColumn(field, schema); number++) field = named(`${own}_${number}`)
    }
    checkAgainst(field, fields, schema, text)
    fields.push(field)
  }
  return { specId: 0, fields }
}

/**
 * The column that forbids the name of a partition field: Java loads no table that has a column and a partition
 * field of one name, unless the field takes its values from this very column.
 */
export function columnInTheWay(
  { name, sourceId }: Pick<PartitionField, 'name' | 'sourceId'>,
  schema: Schema,
): NestedField | undefined {
  for (const { field, path } of indexFields(schema).values()) {
    if (path.join('.') === name) return field.id === sourceId ? undefined : field
  }
  return undefined
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

/** Only a field of the value itself may have the name of its column. */
function isColumn(field: PartitionField, schema: Schema): boolean {
  const sourceId = field.transform.kind === 'identity' ? field.sourceId : -1
  return columnInTheWay({ name: field.name, sourceId }, schema) !== undefined
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
    throw new ValidationError(
      `two partition fields would get the same name; remove one, or name it: ${text} as …`,
      { facts: { entry: text, field: field.name } },
    )
  }
  if (!isColumn(field, schema)) return
  throw new ValidationError(
    `the partition field would have the name of a column, and other engines could not load the table; name the field: ${withoutName(text)} as …`,
    { facts: { entry: text, column: field.name } },
  )
}

function withoutName(text: string): string {
  const { column, transform } = parsePartitionTerm(text)
  return formatPartitionTerm({ column, transform })
}

function unknownColumn(column: string, schema: Schema, text: string): ValidationError {
  const names = schema.fields.map((field) => field.name)
  const hint = didYouMean(column, names) || '; use one of the columns of the schema'
  return new ValidationError(`partition column does not exist${hint}`, {
    facts: { entry: text, column, columns: names.slice(0, 20).join(',') },
  })
}
