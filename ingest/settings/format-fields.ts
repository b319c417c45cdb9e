/** Columns as `schema.fields` of a stream's file, in the short form or as a list, with remarks as comments. */
import { formatType, isPrimitive, type NestedField, type Type } from '../../catalog/format/index.ts'
import { type CommentedValue, formatValues, type SettingPath } from '../../settings/index.ts'
import type { EpochColumn } from '../decode/json/epoch-unit.ts'
import type { FieldRemark } from '../decode/row-decoder.ts'

export interface FieldsToFormat {
  readonly fields: readonly NestedField[]
  readonly epochColumns: readonly EpochColumn[]
  readonly remarks: readonly FieldRemark[]
}

export type FieldsForm = 'short' | 'list'

/** YAML that the loader of streams reads back as the same columns. */
export function formatFields(given: FieldsToFormat, form: FieldsForm): string {
  const writer = new FieldWriter(given)
  const base = ['schema', 'fields']
  for (const [index, field] of given.fields.entries()) {
    if (form === 'list') writer.listItem([...base, index], field, [field.name])
    else writer.short([...base, field.name], field, [field.name])
  }
  const open = given.remarks.filter(({ isOpen }) => isOpen === true)
  const closing = open.map(({ path, text }) => `    # ${path.join('.')}: ${text}\n`)
  const mode = { path: ['schema', 'mode'], text: 'declared' }
  return formatValues([mode, ...writer.values]) + closing.join('')
}

/** A field in writing: where it stands in the document, and the names that lead to it in the table. */
interface Written {
  readonly at: SettingPath
  readonly names: readonly string[]
}

class FieldWriter {
  readonly values: CommentedValue[] = []
  readonly #comments: ReadonlyMap<string, string>
  readonly #units: ReadonlyMap<string, string>

  constructor({ epochColumns, remarks }: FieldsToFormat) {
    const columns = remarks.filter(({ isOpen }) => isOpen !== true)
    this.#comments = new Map(columns.map(({ path, text }) => [JSON.stringify(path), text]))
    this.#units = new Map(epochColumns.map(({ path, unit }) => [JSON.stringify(path), unit]))
  }

  short(at: SettingPath, { type, required, doc }: NestedField, names: readonly string[]): void {
    if (isPrimitive(type) && doc === undefined) {
      this.#leaf({ at, names }, [formatType(type), ...this.#unit(names), ...notNull(required)])
    } else if (required || doc !== undefined) {
      this.#definition(at, { type, required, doc }, names)
    } else this.#type({ at, names }, type)
  }

  listItem(at: SettingPath, field: NestedField, names: readonly string[]): void {
    this.#put([...at, 'name'], field.name)
    this.#definition(at, field, names)
  }

  #definition(
    at: SettingPath,
    { type, required, doc }: { type: Type; required: boolean; doc?: string | undefined },
    names: readonly string[],
  ): void {
    this.#type({ at: [...at, 'type'], names }, type)
    for (const unit of this.#unit(names)) this.#put([...at, 'unit'], unit)
    if (required) this.#put([...at, 'required'], 'true')
    if (doc !== undefined) this.#put([...at, 'doc'], doc)
  }

  #type({ at, names }: Written, type: Type): void {
    switch (type.type) {
      case 'struct': {
        // A map with the key `type` is a definition, so the members of such a struct stand in a list.
        const isShort = type.fields.every(({ name }) => name !== 'type')
        if (!isShort) this.#put([...at, 'type'], 'struct')
        for (const [index, field] of type.fields.entries()) {
          const inside = [...names, field.name]
          if (isShort) this.short([...at, field.name], field, inside)
          else this.listItem([...at, 'fields', index], field, inside)
        }
        return
      }
      case 'list':
        this.short([...at, 0], part('element', type.element, type.elementRequired), [
          ...names,
          'element',
        ])
        return
      case 'map':
        if (
          isPrimitive(type.value) &&
          !type.valueRequired &&
          this.#unit([...names, 'value']).length === 0
        ) {
          this.#leaf({ at, names: [...names, 'value'] }, [formatType(type)])
          return
        }
        this.#put([...at, 'type'], 'map')
        this.#put([...at, 'key'], formatType(type.key))
        this.short([...at, 'value'], part('value', type.value, type.valueRequired), [
          ...names,
          'value',
        ])
        return
      default:
        this.#leaf({ at, names }, [formatType(type)])
    }
  }

  #unit(names: readonly string[]): readonly string[] {
    const unit = this.#units.get(JSON.stringify(names))
    return unit === undefined ? [] : [unit]
  }

  #leaf({ at, names }: Written, words: readonly string[]): void {
    this.#put(at, words.join(' '), this.#comments.get(JSON.stringify(names)))
  }

  #put(path: SettingPath, text: string, comment?: string): void {
    this.values.push({ path, text, ...(comment === undefined ? {} : { comment }) })
  }
}

function notNull(required: boolean): readonly string[] {
  return required ? ['not null'] : []
}

function part(name: string, type: Type, required: boolean): NestedField {
  return { id: 0, name, required, type }
}
