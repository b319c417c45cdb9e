/**
 * Which columns of a table have a type that inference chose and may still replace (docs/spec/json-rows.md, J14).
 * A table property keeps them, by dotted path and type: a column that another client has made or changed is
 * not among them.
 */
import {
  currentSchema,
  formatType,
  indexFields,
  type NestedField,
  type Schema,
  type TableMetadata,
  type Type,
} from '../../catalog/format/index.ts'
import { ConflictError } from '../../catalog/index.ts'
import { parseJsonObject, stringifyJson } from '../../common/index.ts'
import { joinPath } from '../decode/column-names.ts'

export const inferredColumnsProperty = 'tidewater.inferred-columns'

/** The value of the property, as JSON. */
interface Inferred {
  /** By dotted path. */
  readonly types: Readonly<Record<string, string>>
  /** Ids of columns whose place others have taken. */
  readonly replaced: readonly number[]
}

/** Ids of the columns whose type may still be replaced. */
export function openColumnIds(metadata: TableMetadata): ReadonlySet<number> {
  const { types } = readInferred(metadata.properties)
  const ids = new Set<number>()
  const visit = (fields: readonly NestedField[], path: string): void => {
    for (const { id, name, type } of fields) {
      const at = joinPath(path, name)
      if (types[at] === formatType(type)) ids.add(id)
      visitParts(type, at, visit)
    }
  }
  visit(currentSchema(metadata).fields, '')
  return ids
}

/**
 * The property once these columns were inferred at `parent`, in the place of the column `replacedId` if there is one.
 * A column whose type holds all that may come is left out.
 */
export function withInferred(
  properties: Readonly<Record<string, string>>,
  parent: string,
  fields: readonly Pick<NestedField, 'name' | 'type'>[],
  replacedId?: number,
): Readonly<Record<string, string>> {
  const before = readInferred(properties)
  const types = new Map(Object.entries(before.types))
  const replaced = [...before.replaced, ...(replacedId === undefined ? [] : [replacedId])]
  const visit = (members: typeof fields, path: string): void => {
    for (const { name, type } of members) {
      const at = joinPath(path, name)
      if (isReplaceable(type)) types.set(at, formatType(type))
      else types.delete(at)
      visitParts(type, at, visit)
    }
  }
  visit(fields, parent)
  if (types.size === 0 && properties[inferredColumnsProperty] === undefined) return {}
  const value: Inferred = { types: Object.fromEntries(types), replaced }
  return { [inferredColumnsProperty]: stringifyJson(value) }
}

function visitParts(
  type: Type,
  path: string,
  visit: (fields: readonly NestedField[], path: string) => void,
): void {
  if (type.type === 'struct') visit(type.fields, path)
  else if (type.type === 'list') visitParts(type.element, joinPath(path, 'element'), visit)
  else if (type.type === 'map') visitParts(type.value, joinPath(path, 'value'), visit)
}

/** Types of inference that do not hold all that their kind of values may bring, through lists and maps. */
function isReplaceable(type: Type): boolean {
  switch (type.type) {
    case 'list':
      return isReplaceable(type.element)
    case 'map':
      return isReplaceable(type.value)
    case 'decimal':
      return type.scale === 0
    default:
      return type.type === 'long' || type.type === 'date'
  }
}

/**
 * Throws ConflictError where a column that rows were written with was replaced since: their values would be lost
 * without a word.
 */
export function requireNotReplaced(metadata: TableMetadata, written: Schema): void {
  const column = replacedColumn(metadata, written)
  if (column === undefined) return
  throw new ConflictError('a column that rows were written with has got another type since', [], {
    table: metadata.location,
    column,
  })
}

/** The path of a column of `written` that another one has replaced since. */
export function replacedColumn(metadata: TableMetadata, written: Schema): string | undefined {
  const { replaced } = readInferred(metadata.properties)
  if (replaced.length === 0) return undefined
  const fields = indexFields(written)
  const id = replaced.find((each) => fields.has(each))
  return id === undefined ? undefined : fields.get(id)?.path.join('.')
}

function readInferred(properties: Readonly<Record<string, string>>): Inferred {
  const text = properties[inferredColumnsProperty]
  const value = text === undefined ? undefined : parseJsonObject(text)
  // Where a person has edited it, no type is replaced.
  const { types = {}, replaced = [] } = (value ?? {}) as Partial<Inferred>
  return { types, replaced }
}
