/**
 * Column types in settings, without field ids, which are 0 until the table is created: text of the type grammar, a map
 * in the form of Iceberg's own type JSON, or the short form: `{lat: double, lon: double}` is a struct, `[string]` a list.
 */
import { type NestedField, parseType, type Type } from '../../catalog/format/index.ts'
import { SettingsError, didYouMean } from '../../common/index.ts'
import { type EpochColumn, type EpochUnit, epochUnits } from '../decode/json/epoch-unit.ts'
import { isRawMap, type RawMap, type RawValue } from '../../settings/index.ts'

const depthMax = 32
const nestedKinds = ['struct', 'list', 'map']
const fieldKeys = ['name', 'type', 'required', 'doc', 'unit']

export interface DeclaredType {
  readonly type: Type
  /** The timestamps in it that records write as numbers, by their paths within it. */
  readonly epochColumns: readonly EpochColumn[]
}

/** The type that a `type:` key holds. */
export function parseDeclaredType(value: RawValue, depth = 0): DeclaredType {
  if (depth > depthMax) throw new SettingsError(`types are nested deeper than ${depthMax} levels`)
  if (typeof value === 'string') return { type: parseType(value), epochColumns: [] }
  if (!isRawMap(value)) return shortList(value, depth)
  switch (value['type']) {
    case undefined:
      return structOf(value, depth)
    case 'struct':
      onlyKeys(value, ['type', 'fields'])
      return structOf(value['fields'] ?? [], depth)
    case 'list': {
      onlyKeys(value, ['type', 'element', 'element-required'])
      const element = readField(longField('element', member(value, 'element')), depth + 1)
      const elementRequired = flag(value['element-required'], 'element-required')
      return listOf(element, element.field.required || elementRequired)
    }
    case 'map': {
      onlyKeys(value, ['type', 'key', 'value', 'value-required'])
      const key = parseDeclaredType(member(value, 'key'), depth + 1).type
      const item = readField(longField('value', member(value, 'value')), depth + 1)
      const { type, required } = item.field
      const valueRequired = flag(value['value-required'], 'value-required') || required
      return {
        type: { type: 'map', keyId: 0, key, valueId: 0, value: type, valueRequired },
        epochColumns: within('value', item),
      }
    }
    default:
      onlyKeys(value, ['type'])
      return parseDeclaredType(member(value, 'type'), depth + 1)
  }
}

/** What stands behind a name in the short form, as the keys of the long one. */
export function longField(name: string, value: RawValue): RawMap {
  if (isRawMap(value)) {
    const { type } = value
    const isNested = typeof type === 'string' && nestedKinds.includes(type)
    return type === undefined || isNested ? { name, type: value } : { ...value, name }
  }
  if (typeof value !== 'string') return { name, type: value }
  const [, type = value, unit, notNull] =
    /^(.*?)(?:\s+(unix_\w+))?(\s+not\s+null)?$/i.exec(value.trim()) ?? []
  return {
    name,
    type,
    ...(unit === undefined ? {} : { unit }),
    ...(notNull === undefined ? {} : { required: 'true' }),
  }
}

/** The unit of a timestamp that is a number, at the top of a type. */
export function epochColumn(type: Type, unit: string): EpochColumn {
  const epochUnit: EpochUnit | undefined = epochUnits.find((name) => name === unit)
  if (epochUnit === undefined) {
    throw new SettingsError(`unit is ${epochUnits.join(' | ')}, found "${unit}"`)
  }
  if (type.type === 'timestamp' || type.type === 'timestamptz') return { path: [], unit: epochUnit }
  throw new SettingsError(`a unit belongs to a timestamp or timestamptz, not to ${type.type}`)
}

/** The same below a name. */
export function within(
  name: string,
  { epochColumns }: Pick<DeclaredType, 'epochColumns'>,
): readonly EpochColumn[] {
  return epochColumns.map(({ path, unit }) => ({ path: [name, ...path], unit }))
}

/** A list in the short form: its one item is the type of its elements. */
function shortList(items: readonly RawValue[], depth: number): DeclaredType {
  const [item, ...others] = items
  if (item === undefined || others.length > 0) {
    throw new SettingsError('a type is text such as decimal(9,2), a map, or a list of one type')
  }
  const element = readField(longField('element', item), depth + 1)
  return listOf(element, element.field.required)
}

function listOf({ field, epochColumns }: ReadField, elementRequired: boolean): DeclaredType {
  return {
    type: { type: 'list', elementId: 0, element: field.type, elementRequired },
    epochColumns: within('element', { epochColumns }),
  }
}

function structOf(value: RawValue, depth: number): DeclaredType {
  if (typeof value === 'string') throw new SettingsError('a struct needs a list or map of fields')
  const items = isRawMap(value)
    ? Object.entries(value).map(([name, item]) => longField(name, item))
    : value
  if (items.length === 0) throw new SettingsError('a struct needs a list or map of fields')
  const read = items.map((item) => {
    if (!isRawMap(item)) throw new SettingsError('a field is {name, type, required, doc, unit}')
    return readField(item, depth + 1)
  })
  const fields = read.map(({ field }) => field)
  refuseDuplicates(fields)
  return {
    type: { type: 'struct', fields },
    epochColumns: read.flatMap(({ field, epochColumns }) => within(field.name, { epochColumns })),
  }
}

interface ReadField extends Pick<DeclaredType, 'epochColumns'> {
  readonly field: NestedField
}

function readField(item: RawMap, depth: number): ReadField {
  onlyKeys(item, fieldKeys)
  const name = member(item, 'name')
  if (typeof name !== 'string') throw new SettingsError('a field name is plain text')
  const { type, epochColumns } = parseDeclaredType(member(item, 'type'), depth)
  const { doc, unit } = item
  const required = flag(item['required'], 'required')
  return {
    field: { id: 0, name, type, required, ...(typeof doc === 'string' ? { doc } : {}) },
    epochColumns: typeof unit === 'string' ? [epochColumn(type, unit)] : epochColumns,
  }
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
