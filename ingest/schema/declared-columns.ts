/**
 * What a table needs to have the columns that a stream declares: columns that may be null are added and types
 * widened as Iceberg does it. What cannot be done is refused, before anything is read.
 */
import {
  currentSchema,
  formatType,
  type NestedField,
  type TableMetadata,
  type Type,
} from '../../catalog/format/index.ts'
import { type SchemaChange, widensTo } from '../../catalog/index.ts'
import { topLevel } from '../../catalog/table/index.ts'
import { SettingsError } from '../../common/index.ts'
import { type KeyRules, StructKeys } from '../decode/key-rules.ts'

export interface DeclaredColumns {
  readonly fields: readonly NestedField[]
  /** Names of those whose `required: false` was written out. */
  readonly optional: ReadonlySet<string>
}

/** Throws SettingsError for a column that cannot be as it is declared. */
export function declaredChanges(
  metadata: TableMetadata,
  { fields, optional }: DeclaredColumns,
  rules: KeyRules,
): readonly SchemaChange[] {
  const changes: SchemaChange[] = []
  const place = { path: [], structId: topLevel }
  const comparison = new Comparison(changes, rules)
  comparison.fields(fields, currentSchema(metadata).fields, place)
  for (const { name, required } of fieldsOf(metadata, rules, fields)) {
    if (required && optional.has(name.declared)) {
      changes.push({ kind: 'make-optional', path: [name.actual] })
    }
  }
  return changes
}

/** The fields of a table with `required` where the stream declares it: its own rows keep that, whatever the table allows. */
export function withDeclaredRequired(
  fields: readonly NestedField[],
  declared: readonly NestedField[],
  rules: KeyRules,
): readonly NestedField[] {
  const keys = new StructKeys(fields, topLevel, '', rules)
  const required = new Set(
    declared.filter((field) => field.required).map(({ name }) => keys.indexOf(name)),
  )
  return fields.map((field, index) => (required.has(index) ? { ...field, required: true } : field))
}

function fieldsOf(
  metadata: TableMetadata,
  rules: KeyRules,
  declared: readonly NestedField[],
): readonly {
  readonly name: { readonly declared: string; readonly actual: string }
  readonly required: boolean
}[] {
  const { fields } = currentSchema(metadata)
  const keys = new StructKeys(fields, topLevel, '', rules)
  return declared.flatMap(({ name }) => {
    const field = fields[keys.indexOf(name)]
    if (field === undefined) return []
    return [{ name: { declared: name, actual: field.name }, required: field.required }]
  })
}

interface Place {
  readonly path: readonly string[]
  readonly structId: number
}

class Comparison {
  readonly #changes: SchemaChange[]
  readonly #rules: KeyRules

  constructor(changes: SchemaChange[], rules: KeyRules) {
    this.#changes = changes
    this.#rules = rules
  }

  fields(declared: readonly NestedField[], actual: readonly NestedField[], place: Place): void {
    const keys = new StructKeys(actual, place.structId, place.path.join('.'), this.#rules)
    for (const field of declared) {
      const index = keys.indexOf(field.name)
      const column = actual[index]
      if (column === undefined) this.#add(field, keys, place)
      else {
        const path = [...place.path, column.name]
        this.#type(field.type, column.type, { path, structId: column.id })
        if (field.doc !== undefined && field.doc !== column.doc) {
          this.#changes.push({ kind: 'set-doc', path, doc: field.doc })
        }
      }
    }
  }

  #add({ name, type, required, doc }: NestedField, keys: StructKeys, { path }: Place): void {
    const refusal = keys.refusal(name)
    if (refusal !== undefined) {
      throw new SettingsError(`schema.fields: ${refusal}; or take it out of schema.fields`)
    }
    if (required) {
      throw new SettingsError(
        'schema.fields declares a required column that the table lacks, and rows that it has would be without a value; ' +
          'declare it without required, or write to a new table',
        { facts: { field: [...path, name].join('.') } },
      )
    }
    const docs = doc === undefined ? {} : { doc }
    this.#changes.push({ kind: 'add-column', parent: path, name, type, ...docs })
  }

  #type(declared: Type, actual: Type, place: Place): void {
    if (declared.type === 'struct' && actual.type === 'struct') {
      this.fields(declared.fields, actual.fields, place)
    } else if (declared.type === 'list' && actual.type === 'list') {
      const path = [...place.path, 'element']
      this.#type(declared.element, actual.element, { path, structId: actual.elementId })
    } else if (declared.type === 'map' && actual.type === 'map') {
      if (formatType(declared.key) !== formatType(actual.key)) throw differ(declared, actual, place)
      const path = [...place.path, 'value']
      this.#type(declared.value, actual.value, { path, structId: actual.valueId })
    } else if (widensTo(actual, declared)) {
      if (formatType(actual) !== formatType(declared)) {
        this.#changes.push({ kind: 'widen-column', path: place.path, type: declared })
      }
    } else if (!widensTo(declared, actual)) throw differ(declared, actual, place)
  }
}

function differ(declared: Type, actual: Type, { path }: Place): SettingsError {
  return new SettingsError(
    'the columns that schema declares and the table disagree; change the declaration or the table, or write to a new table',
    {
      facts: {
        field: path.join('.'),
        declared: formatType(declared),
        actual: formatType(actual),
      },
    },
  )
}
