import { describe, expect, it } from 'vitest'
import type { Schema } from '../../catalog/format/index.ts'
import { columnsSchema } from '../../tests/support/sql-lake.ts'
import { columnFinder } from './column-finder.ts'
import type { Leaf, SelectScope, TableReference } from './table-references.ts'

interface Given {
  readonly parts: readonly string[]
  readonly alias?: string
  readonly columns?: readonly string[]
}

/** A finder for the first of the tables; one without columns is something we do not know. */
function finder(...tables: readonly Given[]): (name: string) => string | undefined {
  const leaves: Leaf[] = []
  const scope: SelectScope = { leaves, conditions: [] }
  const schemas = new Map<TableReference, Schema>()
  for (const { parts, alias = parts.at(-1) ?? '', columns } of tables) {
    const reference: TableReference = {
      parts,
      alias,
      bytePosition: 0,
      timeTravel: undefined,
      side: 'inner',
      scope,
    }
    leaves.push({ alias, reference: columns === undefined ? undefined : reference })
    if (columns !== undefined) schemas.set(reference, columnsSchema(columns))
  }
  const [first] = schemas.keys()
  if (first === undefined) throw new Error('no table')
  const found = columnFinder(first, (reference) => schemas.get(reference))
  return (name) => found.find(name.split('.'))?.path.join('.')
}

const struct = 's {"type":"struct","fields":[{"id":9,"name":"Deep","required":false,"type":"int"}]}'
const flights: Given = { parts: ['demo', 'flights'], columns: ['id long', 'Name string', struct] }

describe('[Q3] columnFinder()', () => {
  it('finds columns in any case, qualified or not, and members of structs', () => {
    const find = finder(flights)
    expect(['ID', 'name', 'flights.id', 'demo.flights.NAME', 's.deep'].map(find)).toEqual([
      'id',
      'Name',
      'id',
      'Name',
      's.Deep',
    ])
    expect(['nope', 's', 'id.x', 'other.id', 's.nope'].map(find)).toEqual(Array(5).fill(undefined))
  })

  it('finds nothing that another item of FROM could mean', () => {
    const both = finder(flights, { parts: ['demo', 'other'], columns: ['id long', 'x int'] })
    expect(['id', 'x', 'name', 'flights.id', 'other.id'].map(both)).toEqual([
      undefined,
      undefined,
      'Name',
      'id',
      undefined,
    ])
    const unknown = finder(flights, { parts: ['q'] })
    expect(['id', 'flights.id', 'q.id'].map(unknown)).toEqual([undefined, 'id', undefined])
  })

  it('takes an alias for an alias, even where a struct has its name', () => {
    const aliased = finder(flights, { parts: ['x'], alias: 's', columns: ['Deep int'] })
    expect(aliased('s.deep')).toBeUndefined()
    const hidden = finder({ ...flights, alias: 'f' })
    expect(['f.id', 'flights.id', 'demo.flights.id'].map(hidden)).toEqual([
      'id',
      undefined,
      undefined,
    ])
    const twice = finder(flights, { ...flights, parts: ['other', 'flights'] })
    expect(['flights.id', 'demo.flights.id'].map(twice)).toEqual([undefined, undefined])
  })
})
