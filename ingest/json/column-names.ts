/**
 * Which keys of JSON objects can name a column. The rest of JSON's keys are legal and their records become
 * dead letters: a column that no engine can name would spoil the table for everybody.
 */
import type { NestedField, Type } from '../../catalog/index.ts'

const nameBytesMax = 1_024
const loneSurrogate = /\p{Surrogate}/u

/** Why no column can have this name; undefined when one can. */
export function columnNameFault(name: string): string | undefined {
  if (name === '') return 'it is empty'
  if (name.includes('\0')) return 'it holds a zero byte'
  if (loneSurrogate.test(name)) return 'it is no valid unicode'
  if (Buffer.byteLength(name) > nameBytesMax) return `it is longer than ${nameBytesMax} bytes`
  return undefined
}

/**
 * Names of columns at any depth, as Iceberg's readers see them: joined by dots, so `x.y` beside a struct
 * `x` with a member `y` is one name twice, and they refuse the table (Java and Python, `index_by_name`).
 */
export class DottedNames {
  readonly #taken = new Set<string>()

  add(fields: readonly NestedField[], path = ''): void {
    for (const { name, type } of fields) {
      this.#taken.add(joinPath(path, name))
      this.#addType(type, joinPath(path, name))
    }
  }

  has(path: string): boolean {
    return this.#taken.has(path)
  }

  /** The type without members whose name is taken; undefined when nothing is left. Takes the names. */
  claim(type: Type, path: string, onTaken: (path: string) => void): Type | undefined {
    if (this.#taken.has(path)) {
      onTaken(path)
      return undefined
    }
    switch (type.type) {
      case 'struct': {
        const fields = type.fields.flatMap((field) => {
          const claimed = this.claim(field.type, joinPath(path, field.name), onTaken)
          return claimed === undefined ? [] : [{ ...field, type: claimed }]
        })
        if (fields.length === 0) return undefined
        this.#taken.add(path)
        return { ...type, fields }
      }
      case 'list': {
        const element = this.claim(type.element, joinPath(path, 'element'), onTaken)
        if (element === undefined) return undefined
        this.#taken.add(path)
        return { ...type, element }
      }
      case 'map': {
        const key = this.claim(type.key, joinPath(path, 'key'), onTaken)
        const value = this.claim(type.value, joinPath(path, 'value'), onTaken)
        if (key === undefined || value === undefined) return undefined
        this.#taken.add(path)
        return { ...type, key, value }
      }
      default:
        this.#taken.add(path)
        return type
    }
  }

  #addType(type: Type, path: string): void {
    if (type.type === 'struct') this.add(type.fields, path)
    else if (type.type === 'list') this.#addPart(type.element, joinPath(path, 'element'))
    else if (type.type === 'map') {
      this.#addPart(type.key, joinPath(path, 'key'))
      this.#addPart(type.value, joinPath(path, 'value'))
    }
  }

  #addPart(type: Type, path: string): void {
    this.#taken.add(path)
    this.#addType(type, path)
  }
}

export function joinPath(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}
