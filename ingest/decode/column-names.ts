/**
 * Which keys of JSON objects can name a column. All other keys are legal JSON, but their records become dead
 * letters: a column that engines cannot name would make the table unusable for all readers.
 */
import type { NestedField, Type } from '../../catalog/format/index.ts'

const nameBytesMax = 1_024
const loneSurrogate = /\p{Surrogate}/u

/** Why no column can have this name; undefined when one can. */
export function columnNameFault(name: string): string | undefined {
  if (name === '') return 'it is empty'
  if (name.includes('\0')) return 'it holds a zero byte'
  if (loneSurrogate.test(name)) return 'it is not valid unicode'
  if (Buffer.byteLength(name) > nameBytesMax) return `it is longer than ${nameBytesMax} bytes`
  return undefined
}

/** What forbids the names of new columns; `KeyRules` says more of each. */
export interface NameRules {
  readonly columnsMax: number
  readonly ignoredPaths: ReadonlySet<string>
  readonly ownNames: ReadonlySet<string>
  readonly partitionNames: ReadonlySet<string>
}

type LeftOut = (path: string, why: string) => void

/**
 * Names of columns at any depth, as readers see them: joined by dots and in lower case, as most engines
 * compare them. A column `x.y` beside a struct `x` with a member `y` has the same name twice, and readers
 * refuse the table (Java and Python, `index_by_name`).
 */
export class DottedNames {
  readonly #taken = new Set<string>()
  readonly #rules: NameRules

  constructor(rules: NameRules) {
    this.#rules = rules
  }

  add(fields: readonly NestedField[], path = ''): void {
    for (const { name, type } of fields) this.#addPart(type, joinPath(path, name))
  }

  /**
   * Takes the names of a new column and its parts. Returns its type without the members that cannot be
   * columns, undefined when none is left. `onLeftOut` gets the path of each of them with the reason.
   */
  claim(type: Type, path: string, onLeftOut: LeftOut): Type | undefined {
    const why = this.#refusal(path)
    if (why !== undefined) {
      onLeftOut(path, why)
      return undefined
    }
    const claimed = this.#claimParts(type, path, onLeftOut)
    if (claimed !== undefined) this.#taken.add(path.toLowerCase())
    return claimed
  }

  #refusal(path: string): string | undefined {
    if (this.#taken.has(path.toLowerCase())) {
      return 'another column has the same name when names are joined by dots'
    }
    const { columnsMax, ignoredPaths, ownNames, partitionNames } = this.#rules
    if (ignoredPaths.has(path)) return 'schema.ignore_fields names it'
    if (ownNames.has(path.toLowerCase())) return 'the stream fills a column of this name itself'
    if (partitionNames.has(path)) return 'a partition field of the table has this name'
    if (this.#taken.size < columnsMax) return undefined
    return (
      `the table has ${columnsMax} columns, members of structs included, the limit that schema.max_columns sets; ` +
      'where keys are data, declare the field around them in schema.fields as map<string, …>'
    )
  }

  #claimParts(type: Type, path: string, onLeftOut: LeftOut): Type | undefined {
    const part = (of: Type, name: string): Type | undefined =>
      this.claim(of, joinPath(path, name), onLeftOut)
    switch (type.type) {
      case 'struct': {
        const fields = type.fields.flatMap((field) => {
          const claimed = part(field.type, field.name)
          return claimed === undefined ? [] : [{ ...field, type: claimed }]
        })
        return fields.length === 0 ? undefined : { ...type, fields }
      }
      case 'list': {
        const element = part(type.element, 'element')
        return element === undefined ? undefined : { ...type, element }
      }
      case 'map': {
        const [key, value] = [part(type.key, 'key'), part(type.value, 'value')]
        return key === undefined || value === undefined ? undefined : { ...type, key, value }
      }
      default:
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
    this.#taken.add(path.toLowerCase())
    this.#addType(type, path)
  }
}

export function joinPath(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}
