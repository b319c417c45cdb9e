/**
 * The columns of a table that data files of ours have. DuckDB writes no fixed-length bytes, so a column of
 * them, which no row of ours can fill, is left out of the files: readers take a column that a file lacks for NULL.
 */
import type { NestedField, Schema, Type } from '../../catalog/format/index.ts'
import { UnsupportedError } from '../../common/index.ts'

/** Throws UnsupportedError for a column that is required. */
export function writableSchema(schema: Schema): Schema {
  const fields = writableFields(schema.fields)
  return fields.length === schema.fields.length &&
    fields.every((one) => schema.fields.includes(one))
    ? schema
    : { ...schema, fields }
}

function writableFields(fields: readonly NestedField[]): readonly NestedField[] {
  return fields.flatMap((field) => {
    const type = writableType(field.type)
    if (type === field.type) return [field]
    if (type !== undefined) return [{ ...field, type }]
    if (!field.required) return []
    throw new UnsupportedError('duckdb writes no fixed-length binary; use binary', {
      facts: { column: field.name },
    })
  })
}

/** Undefined where nothing of it can be written; the type itself where all can. */
function writableType(type: Type): Type | undefined {
  switch (type.type) {
    case 'fixed':
      return undefined
    case 'struct': {
      const fields = writableFields(type.fields)
      if (fields.length === 0) return undefined
      const isWhole =
        fields.length === type.fields.length && fields.every((one, at) => one === type.fields[at])
      return isWhole ? type : { ...type, fields }
    }
    case 'list': {
      const element = writableType(type.element)
      return element === type.element ? type : element && { ...type, element }
    }
    case 'map': {
      const [key, value] = [writableType(type.key), writableType(type.value)]
      if (key === type.key && value === type.value) return type
      return key && value && { ...type, key, value }
    }
    default:
      return type
  }
}
