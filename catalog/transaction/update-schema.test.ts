import { describe, expect, it } from 'vitest'
import { withRival } from '../../tests/support/catalog-lake.ts'
import { CommitFailedError, seededRandom, systemClock } from '../../common/index.ts'
import { MemoryFileIO } from '../../io/index.ts'
import type { Catalog } from '../catalog.ts'
import { parsePartitionBy } from '../format/partition-by.ts'
import { findField } from '../format/schema.ts'
import { currentSchema } from '../format/table-metadata.ts'
import { formatType } from '../format/type-text.ts'
import type { NestedField, Schema, Type } from '../format/types.ts'
import { ObjectStoreCatalog } from '../stores/object-store-catalog.ts'
import { commitAction } from './transaction.ts'
import { applySchemaChanges, type SchemaChange } from './apply-schema-changes.ts'
import { UpdateProperties } from './update-properties.ts'
import { UpdateSchema } from './update-schema.ts'

const field = (id: number, name: string, type: Type, required = false): NestedField => ({
  id,
  name,
  type,
  required,
})
const long: Type = { type: 'long' }
const schema: Schema = {
  schemaId: 0,
  identifierFieldIds: [1],
  fields: [
    field(1, 'id', long, true),
    field(2, 'n', { type: 'int' }, true),
    field(3, 's', { type: 'struct', fields: [field(4, 'x', { type: 'float' })] }),
    field(5, 'l', {
      type: 'list',
      elementId: 6,
      elementRequired: true,
      element: { type: 'struct', fields: [field(7, 'y', { type: 'int' })] },
    }),
    field(8, 'm', {
      type: 'map',
      keyId: 9,
      key: { type: 'int' },
      valueId: 10,
      valueRequired: true,
      value: { type: 'decimal', precision: 5, scale: 2 },
    }),
  ],
}
const evolve = (...changes: SchemaChange[]): Schema =>
  applySchemaChanges(schema, 20, changes).schema
const names = (of: Schema): readonly string[] => of.fields.map((one) => one.name)

describe('applySchemaChanges()', () => {
  it('[F7] gives a dropped and added column a new id', () => {
    const { schema: after, lastColumnId } = applySchemaChanges(schema, 20, [
      { kind: 'drop-column', path: ['n'] },
      { kind: 'add-column', parent: [], name: 'n', type: { type: 'int' } },
    ])
    expect(findField(after, ['n'])).toEqual(field(21, 'n', { type: 'int' }))
    expect(lastColumnId).toBe(21)
  })

  it('adds nested columns with ids for all their parts', () => {
    const type: Type = { ...(schema.fields[3]?.type as Type) }
    const { schema: after, lastColumnId } = applySchemaChanges(schema, 20, [
      { kind: 'add-column', parent: ['s'], name: 'deep', type, doc: 'why' },
      { kind: 'add-column', parent: ['l', 'element'], name: 'z', type: long },
    ])
    expect(findField(after, ['s', 'deep', 'element', 'y'])?.id).toBe(23)
    expect(findField(after, ['s', 'deep'])).toMatchObject({ id: 21, doc: 'why', required: false })
    expect(findField(after, ['l', 'element', 'z'])?.id).toBe(24)
    expect(lastColumnId).toBe(24)
  })

  it('[F8] renames and moves without touching ids', () => {
    const after = evolve(
      { kind: 'rename-column', path: ['n'], name: 'm.n' },
      { kind: 'move-column', path: ['m.n'], position: { kind: 'first' } },
      { kind: 'move-column', path: ['id'], position: { kind: 'after', column: 'l' } },
      { kind: 'move-column', path: ['m'], position: { kind: 'before', column: 's' } },
    )
    expect(names(after)).toEqual(['m.n', 'm', 's', 'l', 'id'])
    expect(after.fields.map((one) => one.id)).toEqual([2, 8, 3, 5, 1])
  })

  it('[F9] widens types, inside lists and maps too, and makes columns optional', () => {
    const after = evolve(
      { kind: 'widen-column', path: ['n'], type: long },
      { kind: 'widen-column', path: ['s', 'x'], type: { type: 'double' } },
      { kind: 'widen-column', path: ['l', 'element', 'y'], type: long },
      {
        kind: 'widen-column',
        path: ['m', 'value'],
        type: { type: 'decimal', precision: 9, scale: 2 },
      },
      { kind: 'make-optional', path: ['n'] },
      { kind: 'make-optional', path: ['l', 'element'] },
      { kind: 'set-doc', path: ['s'], doc: 'a struct' },
    )
    expect(formatType({ type: 'struct', fields: after.fields })).toBe(
      'struct<id: long, n: long, s: struct<x: double>, l: list<struct<y: long>>, m: map<int, decimal(9, 2)>>',
    )
    expect(findField(after, ['n'])?.required).toBe(false)
    expect(findField(after, ['l', 'element'])?.required).toBe(false)
    expect(findField(after, ['s'])?.doc).toBe('a struct')
  })

  it.each<[string, SchemaChange, RegExp]>([
    [
      'a name that is taken',
      { kind: 'add-column', parent: [], name: 'n', type: long },
      /already a column/,
    ],
    ['a column that is not there', { kind: 'drop-column', path: ['q'] }, /does not exist/],
    [
      'a parent that is not there',
      { kind: 'add-column', parent: ['q'], name: 'x', type: long },
      /does not exist/,
    ],
    ['an identifier to drop', { kind: 'drop-column', path: ['id'] }, /identifier/],
    ['an identifier made optional', { kind: 'make-optional', path: ['id'] }, /stays required/],
    [
      'a narrowing',
      { kind: 'widen-column', path: ['id'], type: { type: 'int' } },
      /does not widen/,
    ],
    [
      'a change of scale',
      {
        kind: 'widen-column',
        path: ['m', 'value'],
        type: { type: 'decimal', precision: 9, scale: 3 },
      },
      /does not widen/,
    ],
    [
      'an int to a string',
      { kind: 'widen-column', path: ['n'], type: { type: 'string' } },
      /does not widen/,
    ],
    [
      'a name that is taken',
      { kind: 'rename-column', path: ['n'], name: 'id' },
      /already a column/,
    ],
    [
      'a neighbour that is not there',
      { kind: 'move-column', path: ['n'], position: { kind: 'after', column: 'x' } },
      /no column x/,
    ],
    [
      'the key of a map',
      { kind: 'widen-column', path: ['m', 'key'], type: long },
      /cannot change in this way/,
    ],
    [
      'an element to drop',
      { kind: 'drop-column', path: ['l', 'element'] },
      /cannot change in this way/,
    ],
    [
      'a member for a map',
      { kind: 'add-column', parent: ['m'], name: 'x', type: long },
      /cannot change in this way/,
    ],
    [
      'an element to rename',
      { kind: 'rename-column', path: ['l', 'element'], name: 'e' },
      /cannot change in this way/,
    ],
  ])('refuses %s', (_, change, message) => {
    expect(() => evolve(change)).toThrow(message)
  })
})

describe('UpdateSchema and UpdateProperties', () => {
  const identifier = { namespace: ['db'], name: 't' }
  const tools = { clock: systemClock, random: seededRandom(1) }
  async function open(): Promise<Catalog> {
    const catalog = new ObjectStoreCatalog({ io: new MemoryFileIO(), warehouse: 'memory://w/lake' })
    await catalog.createNamespace(['db'])
    const partitionSpec = parsePartitionBy(['n'], schema)
    await catalog.createTable({
      identifier,
      schema,
      partitionSpec,
      properties: { 'commit.retry.min-wait-ms': '1', 'commit.retry.max-wait-ms': '2' },
    })
    return catalog
  }
  const addIfMissing = (name: string): UpdateSchema =>
    new UpdateSchema((now) =>
      findField(now, [name]) === undefined
        ? [{ kind: 'add-column', parent: [], name, type: long }]
        : [],
    )

  it('adds a schema and makes it current', async () => {
    const catalog = await open()
    const table = await commitAction(catalog, identifier, addIfMissing('extra'), tools)
    expect(names(currentSchema(table.metadata))).toContain('extra')
    expect(table.metadata.currentSchemaId).toBe(1)
    expect(table.metadata.schemas).toHaveLength(2)
    expect(table.metadata.lastColumnId).toBe(11)
  })

  it('derives the change again after a lost race, so two writers add a column once', async () => {
    const catalog = await open()
    const racing = withRival(catalog, () =>
      commitAction(catalog, identifier, addIfMissing('extra'), tools),
    )
    const table = await commitAction(racing, identifier, addIfMissing('extra'), tools)
    expect(names(currentSchema(table.metadata)).filter((name) => name === 'extra')).toHaveLength(1)
    expect(table.metadata.schemas).toHaveLength(2)
  })

  it('commits nothing when nothing is left to do', async () => {
    const catalog = await open()
    const before = await catalog.loadTable(identifier)
    const after = await commitAction(catalog, identifier, addIfMissing('n'), tools)
    expect(after.metadataLocation).toBe(before.metadataLocation)
  })

  it('refuses to drop a column that the table is partitioned by', async () => {
    const catalog = await open()
    const drop = new UpdateSchema([{ kind: 'drop-column', path: ['n'] }])
    await expect(commitAction(catalog, identifier, drop, tools)).rejects.toThrow(
      /partitioned or sorted/,
    )
  })

  it('sets and removes properties', async () => {
    const catalog = await open()
    const set = new UpdateProperties({ updates: { a: '1', b: '2' } })
    await commitAction(catalog, identifier, set, tools)
    const change = new UpdateProperties({ updates: { a: '3' }, removals: ['b'] })
    const table = await commitAction(catalog, identifier, change, tools)
    expect(table.metadata.properties['a']).toBe('3')
    expect(table.metadata.properties).not.toHaveProperty('b')
  })

  it('prepares again when a base makes the work stale, but not for ever', async () => {
    const catalog = await open()
    let prepared = 0
    const action = {
      prepare: () => Promise.resolve(++prepared),
      commit: () => Promise.resolve('stale' as const),
    }
    const impatient = { ...tools, retry: { retriesMax: 0 } }
    await expect(commitAction(catalog, identifier, action, impatient)).rejects.toThrow(
      CommitFailedError,
    )
    expect(prepared).toBe(6)
  })
})
