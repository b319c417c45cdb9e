/**
 * Column types in settings: text of the type grammar, or a map in the form of Iceberg's own type JSON
 * without field ids, which are 0 until the table is created.
 */
import { type NestedField, parseType, type Type } from '../../catalog/format/index.ts'
import { SettingsError, didYouMean } from '../../common/index.ts'
import { isRawMap, type RawMap, type RawValue } from '../../settings/index.ts'

const depthMax = 32

/** The type that a `type:` key holds: text, or a map in the shape of Iceberg's type JSON. */
export function parseDeclaredType(value: RawValue, depth = 0): Type {
  if (depth > depthMax) throw new SettingsError(`types are nested deeper than ${depthMax} levels`)
  if (typeof value === 'string') return parseType(value)
  if (!isRawMap(value)) throw new SettingsError('a type is text such as decimal(9,2), or a map')
  const kind = value['type']
  if (kind === 'struct') {
    onlyKeys(value, ['type', 'fields'])
    const fields = value['fields']
    if (!Array.isArray(fields)) throw new SettingsError('a struct needs a list of fields')
    return { type: 'struct', fields: parseDeclaredFields(fields as readonly RawValue[], depth + 1) }
  }
  if (kind === 'list') {
    onlyKeys(value, ['type', 'element', 'element-required'])
    return {
      type: 'list',
      elementId: 0,
      element: parseDeclaredType(member(value, 'element'), depth + 1),
      elementRequired: flag(value['element-required'], 'element-required'),
    }
  }
  if (kind === 'map') {
    onlyKeys(value, ['type', 'key', 'value', 'value-required'])
    return {
      type: 'map',
      keyId: 0,
      key: parseDeclaredType(member(value, 'key'), depth + 1),
      valueId: 0,
      value: parseDeclaredType(member(value, 'value'), depth + 1),
      valueRequired: flag(value['value-required'], 'value-required'),
    }
  }
  if (typeof kind === 'string' && Object.keys(value).length === 1) return parseDeclaredType(kind)
  throw new SettingsError('a nested type is {type: struct|list|map, ...} as in Iceberg type json')
}

function parseDeclaredFields(items: readonly RawValue[], depth: number): readonly NestedField[] {
  const fields = items.map((item): NestedField => {
    if (!isRawMap(item)) throw new SettingsError('a field is {name, type, required, doc}')
    onlyKeys(item, ['name', 'type', 'required', 'doc'])
    const name = member(item, 'name')
    if (typeof name !== 'string') throw new SettingsError('a field name is plain text')
    const doc = item['doc']
    return {
      id: 0,
      name,
      type: parseDeclaredType(member(item, 'type'), depth),
      required: flag(item['required'], 'required'),
      ...(typeof doc === 'string' ? { doc } : {}),
    }
  })
  refuseDuplicates(fields)
  return fields
}

function refuseDuplicates(fields: readonly NestedField[]): void {
  const seen = new Set<string>()
  for (const { name } of fields) {
    if (seen.has(name)) throw new SettingsError(`field "${name}" is declared twice`)
    seen.add(name)
  }
}

function member(map: RawMap, key: string): RawValue {
  const value = map[key]
  if (value === undefined) throw new SettingsError(`"${key}" is missing`)
  return value
}

function flag(value: RawValue | undefined, key: string): boolean {
  if (value === undefined || value === 'false') return false
  if (value === 'true') return true
  throw new SettingsError(`${key} is true or false`)
}

function onlyKeys(map: RawMap, permitted: readonly string[]): void {
  for (const key of Object.keys(map)) {
    if (!permitted.includes(key)) {
      throw new SettingsError(`unknown key "${key}" in a type${didYouMean(key, permitted)}`)
    }
  }
}
