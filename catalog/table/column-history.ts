/**
 * The names that the columns of a table once had: a column that another client drops must not come back with the next
 * record of a stream, values follow a rename, and files of old schemas are read by the names in them.
 *
 * The table's older schemas tell all of this. Expiry removes schemas, and other clients may, so the names
 * stand in a table property too: commits of streams keep it, and so does an expiry that removes schemas.
 */
import { isJsonObject, parseJson, parseJsonObject, stringifyJson } from '../../common/index.ts'
import { currentSchema } from '../format/table-metadata.ts'
import type { NestedField, Schema, TableMetadata, Type } from '../format/types.ts'

/** `{"": {"name": id}, "<id of a struct>": {…}}`; a list of ids where columns had the name one after the other. */
export const columnNamesProperty = 'tidewater.column-names'
/** Ids of schemas whose names the other property has: `[[0, 17], [19, 19]]`. */
export const removedSchemasProperty = 'tidewater.removed-schemas'

/** The table itself, where a struct is named by the id of its field, of a list's element or of a map's value. */
export const topLevel = 0

/** For each struct the names that its members have and had, with the ids of the fields that had them. */
export type ColumnNames = ReadonlyMap<number, ReadonlyMap<string, ReadonlySet<number>>>

export function columnNames(metadata: TableMetadata): ColumnNames {
  const names = storedNames(metadata)
  for (const schema of [...metadata.schemas, currentSchema(metadata)]) addNames(names, schema)
  return names
}

/** What the property of names should be; undefined when it is so already. */
export function newColumnNames(metadata: TableMetadata): string | undefined {
  const text = stringifyJson(
    Object.fromEntries(
      [...columnNames(metadata)].map(([structId, members]) => [
        structId === topLevel ? '' : String(structId),
        Object.fromEntries([...members].map(([name, ids]) => [name, idsToJson(ids)])),
      ]),
    ),
  )
  return metadata.properties[columnNamesProperty] === text ? undefined : text
}

/** The properties of the table once these schemas are removed from it. */
export function removedSchemas(
  metadata: TableMetadata,
  schemaIds: readonly number[],
): Readonly<Record<string, string>> {
  const removed = new Set([...removedSchemaIds(metadata), ...schemaIds])
  const names = newColumnNames(metadata)
  return {
    ...(names === undefined ? {} : { [columnNamesProperty]: names }),
    [removedSchemasProperty]: stringifyJson(ranges(removed)),
  }
}

/** Schemas that an expiry has removed and whose names `columnNames` has. */
export function removedSchemaIds({ properties }: TableMetadata): ReadonlySet<number> {
  const ids = new Set<number>()
  for (const [first, last] of storedRanges(properties[removedSchemasProperty])) {
    for (let id = first; id <= last; id++) ids.add(id)
  }
  return ids
}

type Names = Map<number, Map<string, Set<number>>>

function addNames(names: Names, schema: Schema): void {
  const visit = (structId: number, fields: readonly NestedField[]): void => {
    for (const { id, name, type } of fields) {
      addName(names, structId, name, id)
      visitType(id, type)
    }
  }
  const visitType = (id: number, type: Type): void => {
    if (type.type === 'struct') visit(id, type.fields)
    else if (type.type === 'list') visitType(type.elementId, type.element)
    else if (type.type === 'map') visitType(type.valueId, type.value)
  }
  visit(topLevel, schema.fields)
}

function addName(names: Names, structId: number, name: string, id: number): void {
  const members = names.get(structId) ?? new Map<string, Set<number>>()
  names.set(structId, members)
  members.set(name, (members.get(name) ?? new Set()).add(id))
}

/** Empty where the property is missing, or was changed to something else. */
function storedNames({ properties }: TableMetadata): Names {
  const names: Names = new Map()
  const stored = parseJsonObject(properties[columnNamesProperty] ?? '{}') ?? {}
  for (const [structId, members] of Object.entries(stored)) {
    if (!isJsonObject(members)) continue
    for (const [name, ids] of Object.entries(members)) {
      for (const id of Array.isArray(ids) ? (ids as readonly unknown[]) : [ids]) {
        if (isId(id))
          addName(names, structId === '' ? topLevel : Number(structId), name, Number(id))
      }
    }
  }
  return names
}

function idsToJson(ids: ReadonlySet<number>): number | readonly number[] {
  const sorted = [...ids].sort((left, right) => left - right)
  return sorted.length === 1 ? (sorted[0] ?? 0) : sorted
}

function isId(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint'
}

function ranges(ids: ReadonlySet<number>): readonly (readonly [number, number])[] {
  const joined: [number, number][] = []
  for (const id of [...ids].sort((left, right) => left - right)) {
    const last = joined.at(-1)
    if (last !== undefined && last[1] === id - 1) last[1] = id
    else joined.push([id, id])
  }
  return joined
}

/** Schema ids are small numbers; a property that says otherwise says nothing. */
const schemaIdMax = 1_000_000

function storedRanges(text: string | undefined): readonly (readonly [number, number])[] {
  if (text === undefined) return []
  try {
    const json = parseJson(text)
    if (!Array.isArray(json)) return []
    return (json as readonly unknown[]).flatMap((range): [number, number][] => {
      const [first, last] = Array.isArray(range) ? (range as readonly unknown[]) : []
      if (!isId(first) || !isId(last) || Number(last) > schemaIdMax) return []
      return [[Number(first), Number(last)]]
    })
  } catch {
    return []
  }
}
