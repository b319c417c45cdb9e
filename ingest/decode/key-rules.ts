/**
 * What the keys of records mean beside the names of the columns: by the settings of the stream, and by what
 * the table remembers of names that its columns once had.
 */
import type { NestedField } from '../../catalog/format/index.ts'
import type { ColumnNames } from '../../catalog/table/index.ts'
import { columnNameFault, joinPath } from './column-names.ts'

/** For a key without a column: it gets one, its record is a dead letter, its value is left out, or the stream stops. */
export type UnknownFields = 'add' | 'dead_letter' | 'ignore' | 'fail'

export interface KeyRules {
  readonly unknownFields: UnknownFields
  /** `insensitive`: a key that differs from a column only in upper and lower case fills it. */
  readonly fieldCase: 'exact' | 'insensitive'
  /** Dotted paths, as dead letters name fields, whose values are left out. */
  readonly ignoredPaths: ReadonlySet<string>
  /** Top-level names in lower case that the stream fills itself. */
  readonly ownNames: ReadonlySet<string>
  /** Dotted names of partition fields, which no column may have. */
  readonly partitionNames: ReadonlySet<string>
  /** What fields were called (`catalog/table/column-history.ts`). */
  readonly formerNames: ColumnNames
  /** Columns, members of structs included, beyond which none is added. */
  readonly columnsMax: number
  /** Members of one struct beyond which none is added to it. */
  readonly structFieldsMax: number
}

export const plainKeyRules: KeyRules = {
  unknownFields: 'add',
  fieldCase: 'exact',
  ignoredPaths: new Set(),
  ownNames: new Set(),
  partitionNames: new Set(),
  formerNames: new Map(),
  columnsMax: 2_000,
  structFieldsMax: 200,
}

/** The keys of one struct. */
export class StructKeys {
  readonly #path: string
  readonly #rules: KeyRules
  readonly #former: ReadonlyMap<string, ReadonlySet<number>>
  readonly #indexes: ReadonlyMap<string, number>
  readonly #lowerCaseNames: ReadonlySet<string>
  /** Index by name in lower case; -1 where two columns differ only in case. */
  readonly #lowerCaseIndexes: ReadonlyMap<string, number> | undefined

  /** `structId` is that of the field, element or value whose members `fields` are, and `path` its dotted name. */
  constructor(fields: readonly NestedField[], structId: number, path: string, rules: KeyRules) {
    this.#path = path
    this.#rules = rules
    this.#former = rules.formerNames.get(structId) ?? new Map()
    const indexes = new Map(fields.map((field, index) => [field.name, index]))
    for (const [name, ids] of this.#former) {
      // A rename of the last column of this name is followed, unless another column has the name by now.
      const newest = Math.max(...ids)
      const index = fields.findIndex(({ id }) => id === newest)
      if (index >= 0 && !indexes.has(name)) indexes.set(name, index)
    }
    this.#indexes = indexes
    this.#lowerCaseNames = new Set(fields.map(({ name }) => name.toLowerCase()))
    this.#lowerCaseIndexes = rules.fieldCase === 'exact' ? undefined : byLowerCase(indexes)
  }

  /** Index of the field that the key fills; -1 for none. */
  indexOf(key: string): number {
    return this.#indexes.get(key) ?? this.#lowerCaseIndexes?.get(key.toLowerCase()) ?? -1
  }

  /** Whether the value of a key is left out, though a column of the name may exist. */
  isIgnored(key: string): boolean {
    return this.#rules.ignoredPaths.has(joinPath(this.#path, key))
  }

  /** Why a key that fills no field can become none, as a clause about the field; undefined when it can. */
  refusal(key: string): string | undefined {
    const path = joinPath(this.#path, key)
    const { ownNames, partitionNames, fieldCase } = this.#rules
    if (this.#path === '' && ownNames.has(key.toLowerCase())) {
      return `field ${path} has the name of a column that the stream fills with the place of each record; see the setting metadata`
    }
    if (this.#lowerCaseNames.has(key.toLowerCase())) {
      const way =
        fieldCase === 'exact' ? '; schema.field_case: insensitive takes it for this column' : ''
      return `field ${path} differs from a column of the table only in upper and lower case${way}`
    }
    const fault = columnNameFault(key)
    if (fault !== undefined) {
      return `no column can have the name of field ${JSON.stringify(path)}: ${fault}`
    }
    if (this.#wasDropped(key)) {
      return `field ${path} was a column that was dropped from the table; schema.ignore_fields leaves it out, or add the column to the table again`
    }
    if (partitionNames.has(path)) {
      return `field ${path} has the name of a partition field of the table, so other engines could not load the table with a column of this name; rename the partition field, or name the field in schema.ignore_fields`
    }
    return undefined
  }

  #wasDropped(key: string): boolean {
    if (this.#former.has(key)) return true
    if (this.#rules.fieldCase === 'exact') return false
    const lower = key.toLowerCase()
    return [...this.#former.keys()].some((name) => name.toLowerCase() === lower)
  }
}

function byLowerCase(indexes: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const lowered = new Map<string, number>()
  for (const [name, index] of indexes) {
    const lower = name.toLowerCase()
    const other = lowered.get(lower)
    lowered.set(lower, other === undefined || other === index ? index : -1)
  }
  return lowered
}
