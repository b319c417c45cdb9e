/**
 * Which column a name in a condition means. A name is resolved only when, by the scoping rules of SQL, it
 * certainly belongs to the one table reference in question; an ambiguous name resolves to no column.
 */
import type { NestedField, PrimitiveType, Schema } from '../../catalog/format/index.ts'
import type { Leaf, TableReference } from './table-references.ts'

export interface ResolvedColumn {
  /** Field names as the schema has them, outermost first. */
  readonly path: readonly string[]
  readonly type: PrimitiveType
}

export interface ColumnFinder {
  find(names: readonly string[]): ResolvedColumn | undefined
  /** Whether the name could be a column of anything in FROM. */
  mayBeColumn(name: string): boolean
}

/**
 * `schemaOf` gives the schema that a reference is read with, undefined when it is no data table.
 */
export function columnFinder(
  reference: TableReference,
  schemaOf: (reference: TableReference) => Schema | undefined,
): ColumnFinder {
  const { leaves } = reference.scope
  const schemas = leaves.map((leaf) =>
    leaf.reference === undefined ? undefined : schemaOf(leaf.reference),
  )
  const own = schemaOf(reference)
  const holdersOf = (name: string): readonly (TableReference | undefined)[] =>
    leaves
      .filter((_, index) => {
        const schema = schemas[index]
        return schema === undefined || columnsNamed(schema.fields, name).length > 0
      })
      .map((leaf) => leaf.reference)

  return {
    find: (written) => {
      const names = withoutSchema(written, leaves)
      const [first = '', second] = names
      if (own === undefined) return undefined
      const aliased = leaves.filter((leaf) => sameName(leaf.alias, first))
      if (aliased.length > 0 && second !== undefined) {
        const isOurs = aliased.length === 1 && aliased[0]?.reference === reference
        return isOurs ? follow(own.fields, names.slice(1)) : undefined
      }
      const holders = holdersOf(first)
      if (holders.length !== 1 || holders[0] !== reference) return undefined
      return follow(own.fields, names)
    },
    mayBeColumn: (name) => holdersOf(name).length > 0,
  }
}

/** `demo.flights.day` is `flights.day` where FROM names `demo.flights` without an alias. */
function withoutSchema(names: readonly string[], leaves: readonly Leaf[]): readonly string[] {
  for (const { alias, reference } of leaves) {
    const parts = reference?.parts ?? []
    const isNamed =
      parts.length > 1 &&
      names.length > parts.length &&
      parts.every((part, index) => sameName(part, names[index] ?? '')) &&
      sameName(alias, parts.at(-1) ?? '')
    if (isNamed) return names.slice(parts.length - 1)
  }
  return names
}

/** Walks into structs; lists and maps have no columns of their own. */
function follow(
  fields: readonly NestedField[],
  names: readonly string[],
): ResolvedColumn | undefined {
  const path: string[] = []
  let members = fields
  for (const [index, name] of names.entries()) {
    const [field, ...others] = columnsNamed(members, name)
    if (field === undefined || others.length > 0) return undefined
    path.push(field.name)
    const { type } = field
    if (type.type === 'struct') {
      members = type.fields
    } else {
      const isLast = index === names.length - 1
      return isLast && type.type !== 'list' && type.type !== 'map' ? { path, type } : undefined
    }
  }
  return undefined
}

/** Names are compared as DuckDB does: without regard to case. */
function columnsNamed(fields: readonly NestedField[], name: string): readonly NestedField[] {
  return fields.filter((field) => sameName(field.name, name))
}

function sameName(left: string, right: string): boolean {
  return left.toLowerCase() === right.toLowerCase()
}
