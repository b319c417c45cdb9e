/**
 * Changes to a schema (spec, "Schema Evolution"): readers of old files go by field id, so names and
 * order are free, ids are never used twice, and a type only ever grows.
 */
import { ValidationError } from '../../common/index.ts'
import { assignFreshIds, childFields, findField, validateSchema } from '../format/schema.ts'
import { formatType } from '../format/type-text.ts'
import type { NestedField, Schema, Type } from '../format/types.ts'

export type ColumnPosition =
  | { readonly kind: 'first' }
  | { readonly kind: 'before' | 'after'; readonly column: string }

/** `path` is a list of names, outermost first; `element` and `value` step into lists and maps. */
export type SchemaChange =
  | {
      readonly kind: 'add-column'
      /** The struct that gets the column; empty for the table itself. */
      readonly parent: readonly string[]
      readonly name: string
      /** Fields inside get new ids. */
      readonly type: Type
      readonly doc?: string
    }
  | { readonly kind: 'drop-column'; readonly path: readonly string[] }
  | { readonly kind: 'rename-column'; readonly path: readonly string[]; readonly name: string }
  | { readonly kind: 'widen-column'; readonly path: readonly string[]; readonly type: Type }
  | { readonly kind: 'make-optional'; readonly path: readonly string[] }
  | { readonly kind: 'set-doc'; readonly path: readonly string[]; readonly doc: string }
  | {
      readonly kind: 'move-column'
      readonly path: readonly string[]
      readonly position: ColumnPosition
    }

export interface ChangedSchema {
  readonly schema: Schema
  readonly lastColumnId: number
}

/** Applies the changes one after the other; throws ValidationError naming change and column. */
export function applySchemaChanges(
  schema: Schema,
  lastColumnId: number,
  changes: readonly SchemaChange[],
): ChangedSchema {
  let changed: ChangedSchema = { schema, lastColumnId }
  for (const change of changes) {
    changed =
      change.kind === 'add-column'
        ? addColumn(changed, change)
        : { ...changed, schema: changeColumn(changed.schema, change) }
  }
  validateSchema(changed.schema)
  return changed
}

/** The field ids of a column and everything inside it. */
export function idsWithin(field: NestedField): readonly number[] {
  return [field.id, ...childFields(field.type).flatMap(idsWithin)]
}

type Change<K extends SchemaChange['kind']> = Extract<SchemaChange, { readonly kind: K }>

/** A new column is optional: files written before it have no value for it. */
function addColumn(
  { schema, lastColumnId }: ChangedSchema,
  { parent, name, type, doc }: Change<'add-column'>,
): ChangedSchema {
  const bare = { id: 0, name, required: false, type, ...(doc === undefined ? {} : { doc }) }
  const fresh = assignFreshIds(
    { ...schema, identifierFieldIds: [], fields: [bare] },
    lastColumnId + 1,
  )
  const fields = editSiblings(schema.fields, parent, (siblings) => {
    refuseTaken(siblings, name, 'add-column')
    return [...siblings, ...fresh.schema.fields]
  })
  return { schema: { ...schema, fields }, lastColumnId: fresh.lastColumnId }
}

function changeColumn(schema: Schema, change: Exclude<SchemaChange, Change<'add-column'>>): Schema {
  const { path, kind } = change
  const name = path.at(-1) ?? ''
  const target = findField(schema, path)
  if (target === undefined) throw refused('column does not exist', kind, path)
  const inside = idsWithin(target)
  const isIdentifier = schema.identifierFieldIds.some((id) => inside.includes(id))
  const fields = editSiblings(schema.fields, path.slice(0, -1), (siblings) => {
    const index = siblings.findIndex((field) => field.name === name)
    switch (change.kind) {
      case 'drop-column':
        if (isIdentifier) throw refused('an identifier column cannot be dropped', kind, path)
        return siblings.toSpliced(index, 1)
      case 'rename-column':
        if (change.name !== name) refuseTaken(siblings, change.name, kind)
        return siblings.with(index, { ...target, name: change.name })
      case 'widen-column':
        return siblings.with(index, { ...target, type: widened(target, change.type, path) })
      case 'make-optional':
        if (isIdentifier) throw refused('an identifier column stays required', kind, path)
        return siblings.with(index, { ...target, required: false })
      case 'set-doc':
        return siblings.with(index, { ...target, doc: change.doc })
      case 'move-column':
        return moved(siblings.toSpliced(index, 1), target, change)
    }
  })
  return { ...schema, fields }
}

function moved(
  others: readonly NestedField[],
  field: NestedField,
  { position, path, kind }: Change<'move-column'>,
): readonly NestedField[] {
  if (position.kind === 'first') return [field, ...others]
  const index = others.findIndex((other) => other.name === position.column)
  if (index < 0) {
    throw refused(`there is no column ${position.column} beside it`, kind, path)
  }
  return others.toSpliced(position.kind === 'before' ? index : index + 1, 0, field)
}

/** int to long, float to double, decimal to more digits, or the same (spec, "Schema Evolution", type promotion). */
export function widensTo(from: Type, type: Type): boolean {
  return (
    formatType(from) === formatType(type) ||
    (from.type === 'int' && type.type === 'long') ||
    (from.type === 'float' && type.type === 'double') ||
    (from.type === 'decimal' &&
      type.type === 'decimal' &&
      from.scale === type.scale &&
      from.precision <= type.precision)
  )
}

function widened(field: NestedField, type: Type, path: readonly string[]): Type {
  const from = field.type
  if (widensTo(from, type)) return formatType(from) === formatType(type) ? from : type
  throw refused(`${formatType(from)} does not widen to ${formatType(type)}`, 'widen-column', path)
}

/** Replaces the members of the struct at `parent`. */
function editSiblings(
  fields: readonly NestedField[],
  parent: readonly string[],
  edit: (siblings: readonly NestedField[]) => readonly NestedField[],
): readonly NestedField[] {
  const [name, ...rest] = parent
  if (name === undefined) return edit(fields)
  const index = fields.findIndex((field) => field.name === name)
  const field = fields[index]
  if (field === undefined) throw refused('column does not exist', 'change', parent)
  return fields.with(index, { ...field, type: editInside(field.type, rest, parent, edit) })
}

function editInside(
  type: Type,
  path: readonly string[],
  parent: readonly string[],
  edit: (siblings: readonly NestedField[]) => readonly NestedField[],
): Type {
  if (type.type === 'struct') return { ...type, fields: editSiblings(type.fields, path, edit) }
  if (type.type === 'list') {
    // A list or map has fixed members, which can be changed but not moved or dropped.
    const [element] = editSiblings(childFields(type), path, edit)
    if (element?.name === 'element') {
      return { ...type, element: element.type, elementRequired: element.required }
    }
  }
  if (type.type === 'map' && path[0] !== 'key') {
    const [key, value, ...others] = editSiblings(childFields(type), path, edit)
    const sameKey = key?.id === type.keyId && key.name === 'key' && key.type === type.key
    if (sameKey && value?.name === 'value' && others.length === 0) {
      return { ...type, value: value.type, valueRequired: value.required }
    }
  }
  throw refused(`the parts of a ${type.type} cannot change in this way`, 'change', parent)
}

function refuseTaken(siblings: readonly NestedField[], name: string, kind: string): void {
  if (siblings.some((field) => field.name === name)) {
    throw refused('there is already a column of this name', kind, [name])
  }
}

function refused(rule: string, change: string, path: readonly string[]): ValidationError {
  return new ValidationError(`the schema cannot change in this way: ${rule}`, {
    facts: { change, column: path.join('.') },
  })
}
