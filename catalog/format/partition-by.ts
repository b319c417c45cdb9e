/**
 * Partitioning as people write it: `day(ts)`, `bucket(16, id)`, `truncate(4, name)`, `country`.
 *
 * The spellings of Spark (`days(ts)`) and Trino (`bucket(id, 16)`) are taken too. Names of the
 * partition fields are those that every engine gives: `ts_day`, `id_bucket`, `name_trunc`.
 */
import { ValidationError } from '../../common/index.ts'
import { firstPartitionFieldId } from './partition-spec-json.ts'
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

const example = 'write for example day(ts), bucket(16, id), truncate(4, name) or a column name'

/** A spec with id 0 and fresh field ids; throws ValidationError naming the entry and the way out. */
export function parsePartitionBy(texts: readonly string[], schema: Schema): PartitionSpec {
  const fields: PartitionField[] = []
  for (const text of texts) {
    const { transform, column } = parseEntry(text)
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

interface Entry {
  readonly transform: Transform
  readonly column: string
}

function parseEntry(text: string): Entry {
  const call = /^\s*([a-z_]+)\s*\((.*)\)\s*$/is.exec(text)
  if (call === null) {
    const column = unquote(text)
    if (column === '' || /[()]/.test(text)) throw badEntry(text)
    return { transform: { kind: 'identity' }, column }
  }
  const name = (call[1] ?? '').toLowerCase()
  const parameters = splitParameters(call[2] ?? '')
  const [first = '', second = ''] = parameters
  if (name === 'bucket' || name === 'truncate') {
    if (parameters.length !== 2) throw badEntry(text)
    const [width, column] = /^\d+$/.test(first) ? [first, second] : [second, first]
    const size = Number(width)
    if (!Number.isInteger(size) || size < 1 || size >= 2 ** 31) throw badEntry(text)
    const transform: Transform =
      name === 'bucket' ? { kind: 'bucket', buckets: size } : { kind: 'truncate', width: size }
    return { transform, column: unquote(column) }
  }
  const kind = plainKind(name)
  if (kind === undefined || parameters.length !== 1 || first === '') throw badEntry(text)
  return { transform: { kind }, column: unquote(first) }
}

function plainKind(
  name: string,
): 'identity' | 'void' | 'year' | 'month' | 'day' | 'hour' | undefined {
  const singular = name === 'date' ? 'day' : name.replace(/s$/, '')
  const kinds = ['identity', 'void', 'year', 'month', 'day', 'hour'] as const
  return kinds.find((kind) => kind === singular)
}

/** Splits at commas outside quotes. */
function splitParameters(text: string): readonly string[] {
  const parts = text.match(/("(?:[^"]|"")*"|`[^`]*`|[^,])+/g) ?? []
  return parts.map((part) => part.trim())
}

function unquote(text: string): string {
  const trimmed = text.trim()
  const quoted = /^"((?:[^"]|"")*)"$|^`([^`]*)`$/.exec(trimmed)
  if (quoted === null) return trimmed
  return (quoted[1] ?? quoted[2] ?? '').replaceAll('""', '"')
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
  const likely = names.find((name) => name.toLowerCase() === column.toLowerCase())
  const message =
    likely === undefined
      ? 'partition column does not exist; use one of the columns of the schema'
      : `partition column does not exist; did you mean ${likely}`
  return new ValidationError(message, {
    facts: { entry: text, column, columns: names.slice(0, 20).join(',') },
  })
}

function badEntry(text: string): ValidationError {
  return new ValidationError(`not a partition transform; ${example}`, { facts: { entry: text } })
}
