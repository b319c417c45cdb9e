import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { seededRandom, systemClock } from '../../common/index.ts'
import { MemoryFileIO } from '../../io/index.ts'
import { fuzzEffort } from '../../tests/support/fuzz-effort.ts'
import type { Table } from '../catalog.ts'
import { lowerBoundFor, upperBoundFor } from '../data-files/metrics-mode.ts'
import type { MetricsMode } from '../table/property-syntax.ts'
import { ManifestCache } from '../manifest/manifest-cache.ts'
import { parsePartitionBy } from '../format/partition-by.ts'
import { compareUtf8, compareValues, encodeValue } from '../format/single-value.ts'
import { applyTransform } from '../format/transform.ts'
import { currentSnapshot } from '../format/table-metadata.ts'
import { parseType } from '../format/type-text.ts'
import type {
  DataFile,
  PartitionSpec,
  PrimitiveType,
  Schema,
  TableMetadata,
  Value,
} from '../format/types.ts'
import { ObjectStoreCatalog } from '../stores/object-store-catalog.ts'
import { commitAction } from '../transaction/transaction.ts'
import { FastAppend } from '../transaction/fast-append.ts'
import { DeleteIndex } from './delete-index.ts'
import type { Expression } from './expression.ts'
import { planScan } from './plan-scan.ts'
import { snapshotAsOf, snapshotByRef } from './snapshot-selection.ts'

type Row = readonly (Value | null)[]

const columnTypes = [
  'long',
  'double',
  'string',
  'timestamp',
  'date',
  'decimal(9,2)',
  'binary',
  'boolean',
  'uuid',
  'int',
  'float',
]
const types = columnTypes.map((text) => parseType(text) as PrimitiveType)
const schema: Schema = {
  schemaId: 0,
  identifierFieldIds: [],
  fields: types.map((type, index) => ({ id: index + 1, name: `c${index}`, required: false, type })),
}

const tinyStrings = fc.array(fc.constantFrom('a', 'b', '\uFF5E', '\u{1F600}', '\u{10FFFF}', 'z'), {
  maxLength: 5,
})
const days = fc.integer({ min: -70, max: 70 })
const doubles = fc.constantFrom(-1.5, -0, 0, 1, 2.5, Infinity, -Infinity, Number.NaN)
const valueOf: Readonly<Record<string, fc.Arbitrary<Value>>> = {
  long: fc.bigInt({ min: -20n, max: 20n }),
  int: fc.integer({ min: -20, max: 20 }),
  double: doubles,
  float: doubles,
  string: tinyStrings.map((parts) => parts.join('')),
  timestamp: days.map((day) => BigInt(day) * 21_600_000_000n - 1n),
  date: days,
  decimal: fc.bigInt({ min: -500n, max: 500n }),
  binary: fc.uint8Array({ maxLength: 3 }),
  boolean: fc.boolean(),
  uuid: fc.constantFrom(
    '00000000-0000-0000-0000-000000000001',
    'f79c3e09-677c-4bbd-a479-3f349cb785e7',
  ),
}
const columnValue = (index: number): fc.Arbitrary<Value> =>
  valueOf[types[index]?.type ?? ''] ?? fc.boolean()
const nullable = (index: number): fc.Arbitrary<Value | null> =>
  fc.oneof(
    { weight: 4, arbitrary: columnValue(index) },
    { weight: 1, arbitrary: fc.constant(null) },
  )
const row: fc.Arbitrary<Row> = fc.tuple(...types.map((_, index) => nullable(index)))

const leaf: fc.Arbitrary<Expression> = fc.nat(types.length - 1).chain((index) => {
  const column = [`c${index}`]
  const literal = columnValue(index)
  return fc.oneof(
    fc.record({
      kind: fc.constant('comparison' as const),
      operator: fc.constantFrom('=', '!=', '<', '<=', '>', '>='),
      column: fc.constant(column),
      literal,
    }),
    fc.record({
      kind: fc.constant('in' as const),
      column: fc.constant(column),
      literals: fc.array(literal, { maxLength: 3 }),
    }),
    fc.record({
      kind: fc.constantFrom('is-null' as const, 'not-null' as const),
      column: fc.constant(column),
    }),
    tinyStrings.map((parts) => ({
      kind: 'starts-with' as const,
      column: ['c2'],
      prefix: parts.slice(0, 3).join(''),
    })),
    fc.constantFrom<Expression>({ kind: 'always-true' }, { kind: 'always-false' }),
  )
})
const { filter } = fc.letrec<{ filter: Expression }>((tie) => ({
  filter: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.record({ kind: fc.constantFrom('and', 'or'), left: tie('filter'), right: tie('filter') }),
    fc.record({ kind: fc.constant('not'), child: tie('filter') }),
  ) as fc.Arbitrary<Expression>,
}))

const partitionings = [
  [],
  ['c0'],
  ['bucket(3, c0)', 'day(c3)'],
  ['truncate(2, c2)'],
  ['truncate(7, c0)', 'month(c4)'],
  ['hour(c3)', 'c7'],
  ['year(c4)', 'truncate(100, c5)'],
  ['c1', 'truncate(1, c6)'],
  ['bucket(4, c8)', 'truncate(5, c9)', 'c10'],
]

/** SQL's answer for one row, as DuckDB gives it: null drops the row, NaN is the greatest number. */
function passes(expression: Expression, of: Row): boolean | null {
  switch (expression.kind) {
    case 'always-true':
      return true
    case 'always-false':
      return false
    case 'not': {
      const child = passes(expression.child, of)
      return child === null ? null : !child
    }
    case 'and':
    case 'or': {
      const decides = expression.kind === 'or'
      const sides = [passes(expression.left, of), passes(expression.right, of)]
      if (sides.includes(decides)) return decides
      return sides.includes(null) ? null : !decides
    }
    case 'is-null':
      return cell(expression.column, of) === null
    case 'not-null':
      return cell(expression.column, of) !== null
    case 'comparison': {
      const value = cell(expression.column, of)
      if (value === null) return null
      const order = sqlOrder(value, expression.literal)
      const { operator } = expression
      if (operator === '=') return order === 0
      if (operator === '!=') return order !== 0
      if (operator === '<') return order < 0
      if (operator === '<=') return order <= 0
      return operator === '>' ? order > 0 : order >= 0
    }
    case 'in': {
      const value = cell(expression.column, of)
      if (value === null) return expression.literals.length === 0 ? false : null
      return expression.literals.some((literal) => sqlOrder(value, literal) === 0)
    }
    case 'starts-with': {
      const value = cell(expression.column, of)
      return typeof value === 'string' ? value.startsWith(expression.prefix) : null
    }
  }
}

function cell(column: readonly string[], of: Row): Value | null {
  return of[Number(column[0]?.slice(1))] ?? null
}

function sqlOrder(left: Value, right: Value): number {
  if (left instanceof Uint8Array) return Buffer.compare(left, right as Uint8Array)
  if (typeof left === 'string') return compareUtf8(left, right as string)
  if (Number.isNaN(left) || Number.isNaN(right)) {
    return Number(Number.isNaN(left)) - Number(Number.isNaN(right))
  }
  return left < right ? -1 : left > right ? 1 : 0
}

interface FileShape {
  readonly rows: readonly Row[]
  readonly mode: MetricsMode
  readonly withoutCounts: boolean
}
const fileShape: fc.Arbitrary<FileShape> = fc.record({
  rows: fc.array(row, { minLength: 1, maxLength: 4 }),
  mode: fc.constantFrom<MetricsMode>(
    { kind: 'truncate', width: 1 },
    { kind: 'truncate', width: 2 },
    { kind: 'full' },
    { kind: 'counts' },
  ),
  withoutCounts: fc.boolean(),
})

/** Splits rows by partition tuple and gives each group a file with true statistics. */
function filesOf(
  shape: FileShape,
  spec: PartitionSpec,
  name: string,
): readonly (readonly [DataFile, readonly Row[]])[] {
  const groups = new Map<string, { partition: (Value | null)[]; rows: Row[] }>()
  for (const one of shape.rows) {
    const partition = spec.fields.map((field) =>
      applyTransform(
        field.transform,
        types[field.sourceId - 1] ?? { type: 'int' },
        one[field.sourceId - 1] ?? null,
      ),
    )
    const key = partition.map((value) => (Object.is(value, -0) ? '-0' : String(value))).join('|')
    const group = groups.get(key) ?? { partition, rows: [] }
    group.rows.push(one)
    groups.set(key, group)
  }
  return [...groups.values()].map(({ partition, rows }, index) => [
    {
      content: 'data',
      filePath: `memory://w/lake/db/t/data/${name}-${index}.parquet`,
      fileFormat: 'PARQUET',
      specId: 0,
      partition,
      recordCount: BigInt(rows.length),
      fileSizeInBytes: 1n,
      ...statistics(rows, shape),
    },
    rows,
  ])
}

function statistics(rows: readonly Row[], { mode, withoutCounts }: FileShape): Partial<DataFile> {
  const lowerBounds = new Map<number, Uint8Array>()
  const upperBounds = new Map<number, Uint8Array>()
  const counts = {
    values: new Map<number, bigint>(),
    nulls: new Map<number, bigint>(),
    nans: new Map<number, bigint>(),
  }
  types.forEach((type, index) => {
    const values = rows.map((one) => one[index] ?? null)
    const present = values.filter((value) => value !== null)
    const sorted = present
      .filter((value) => !Number.isNaN(value))
      .sort((left, right) => compareValues(type, left, right))
    const [least, greatest] = [sorted[0], sorted.at(-1)]
    const lower = least === undefined ? undefined : lowerBoundFor(type, least, mode)
    const upper = greatest === undefined ? undefined : upperBoundFor(type, greatest, mode)
    if (lower !== undefined) lowerBounds.set(index + 1, lower)
    if (upper !== undefined) upperBounds.set(index + 1, upper)
    counts.values.set(index + 1, BigInt(values.length))
    counts.nulls.set(index + 1, BigInt(values.length - present.length))
    if (type.type === 'double' || type.type === 'float') {
      counts.nans.set(index + 1, BigInt(present.filter((value) => Number.isNaN(value)).length))
    }
  })
  if (withoutCounts) return { lowerBounds, upperBounds }
  return {
    lowerBounds,
    upperBounds,
    valueCounts: counts.values,
    nullValueCounts: counts.nulls,
    nanValueCounts: counts.nans,
  }
}

const clock = systemClock
const random = seededRandom(7)
const identifier = { namespace: ['db'], name: 't' }

async function makeTable(
  partitionBy: readonly string[],
  commits: readonly (readonly DataFile[])[],
): Promise<{ readonly io: MemoryFileIO; readonly table: Table }> {
  const io = new MemoryFileIO()
  const catalog = new ObjectStoreCatalog({ io, warehouse: 'memory://w/lake', clock, random })
  await catalog.createNamespace(['db'])
  const partitionSpec = parsePartitionBy(partitionBy, schema)
  let table = await catalog.createTable({ identifier, schema, partitionSpec })
  for (const files of commits) {
    const action = new FastAppend({ io, clock, random }, { files })
    table = await commitAction(catalog, identifier, action, { clock, random })
  }
  return { io, table }
}

describe('planScan()', () => {
  it('[F18] [F29] never drops a file that holds a row of the answer', async () => {
    let pruned = 0
    let total = 0
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...partitionings),
        fc.array(fileShape, { minLength: 1, maxLength: 4 }),
        fc.array(filter, { minLength: 15, maxLength: 15 }),
        async (partitionBy, shapes, filters) => {
          const spec = parsePartitionBy(partitionBy, schema)
          const files = shapes.map((shape, index) => filesOf(shape, spec, String(index)))
          const { io, table } = await makeTable(
            partitionBy,
            files.map((some) => some.map(([file]) => file)),
          )
          const cache = new ManifestCache()
          for (const expression of filters) {
            const plan = await planScan(io, table, { filter: expression }, cache)
            const kept = new Set(plan.tasks.map((task) => task.file.filePath))
            expect(plan.filesTotal).toBe(files.flat().length)
            for (const [file, rows] of files.flat()) {
              const needed = rows.some((one) => passes(expression, one) === true)
              if (needed && !kept.has(file.filePath)) {
                throw new Error(`lost ${file.filePath} under ${String(partitionBy)}`)
              }
            }
            total += plan.filesTotal
            pruned += plan.filesTotal - kept.size
          }
        },
      ),
      { numRuns: 40 * fuzzEffort },
    )
    // The sieve must also hold something back, or the property above would say nothing.
    expect(pruned / total).toBeGreaterThan(0.3)
  })
})

describe('planScan() on a table by day and bucket', () => {
  const at = (day: number): bigint => BigInt(day) * 86_400_000_000n + 5n
  const dayFile = (day: number, id: bigint): DataFile => {
    const spec = parsePartitionBy(['day(c3)', 'bucket(8, c0)'], schema)
    const rows: Row[] = [types.map((_, index) => (index === 3 ? at(day) : index === 0 ? id : null))]
    const shape: FileShape = { rows, mode: { kind: 'full' }, withoutCounts: false }
    const made = filesOf(shape, spec, `${day}-${id}`)[0]?.[0]
    if (made === undefined) throw new Error('no file')
    return made
  }
  let lake: Awaited<ReturnType<typeof makeTable>>
  beforeAll(async () => {
    const commits = [0, 1, 2].map((day) => [1n, 2n, 3n, 4n].map((id) => dayFile(day, id)))
    lake = await makeTable(['day(c3)', 'bucket(8, c0)'], commits)
  })

  const comparison = (
    column: string,
    operator: '=' | '<' | '>=' | '!=',
    literal: Value,
  ): Expression => ({
    kind: 'comparison',
    column: [column],
    operator,
    literal,
  })
  const count = async (expression: Expression): Promise<number> =>
    (await planScan(lake.io, lake.table, { filter: expression })).tasks.length

  it('keeps the files of the day and of the bucket only', async () => {
    expect(await count({ kind: 'always-true' })).toBe(12)
    const day1 = {
      kind: 'and',
      left: comparison('c3', '>=', at(1) - 5n),
      right: comparison('c3', '<', at(2) - 5n),
    } as const
    expect(await count(day1)).toBe(4)
    expect(await count({ kind: 'and', left: day1, right: comparison('c0', '=', 3n) })).toBe(1)
    expect(await count({ kind: 'in', column: ['c0'], literals: [1n, 4n] })).toBe(6)
    expect(await count({ kind: 'not', child: comparison('c3', '>=', at(1) - 5n) })).toBe(4)
    expect(await count(comparison('c0', '!=', 3n))).toBe(9)
    expect(await count({ kind: 'always-false' })).toBe(0)
  })

  it('reads no manifest whose summary cannot match, nor any twice with a cache', async () => {
    const reads: string[] = []
    const counting = new Proxy(lake.io, {
      get: (target, name) => {
        if (name !== 'read') return Reflect.get(target, name) as unknown
        return (location: string) => {
          reads.push(location)
          return target.read(location)
        }
      },
    })
    const cache = new ManifestCache()
    const request = { filter: comparison('c3', '<', at(0) + 1n) }
    await planScan(counting, lake.table, request, cache)
    expect(reads.filter((location) => /-m\d+\.avro$/.test(location))).toHaveLength(1)
    reads.length = 0
    await planScan(counting, lake.table, request, cache)
    expect(reads.filter((location) => /-m\d+\.avro$/.test(location))).toEqual([])
  })

  it('prunes nothing by a column it does not know', async () => {
    expect(await count(comparison('$path', '=', 'x'))).toBe(12)
    expect(await count({ kind: 'not', child: comparison('$path', '=', 'x') })).toBe(12)
  })

  it('plans the snapshot asked for, with its schema', async () => {
    const [first] = lake.table.metadata.snapshots
    const plan = await planScan(lake.io, lake.table, { snapshotId: first?.snapshotId ?? 0n })
    expect(plan.tasks).toHaveLength(4)
    expect(plan.snapshot).toEqual(first)
    await expect(planScan(lake.io, lake.table, { snapshotId: 404n })).rejects.toThrow(/expired/)
  })

  it('plans nothing for a table without snapshots', async () => {
    const { io, table } = await makeTable([], [])
    expect(await planScan(io, table)).toEqual({
      snapshot: undefined,
      schema: table.metadata.schemas[0],
      tasks: [],
      filesTotal: 0,
    })
  })

  it('finds snapshots by time and by ref', () => {
    const { metadata } = lake.table
    const log: TableMetadata = {
      ...metadata,
      snapshotLog: metadata.snapshots.map(({ snapshotId }, index) => ({
        snapshotId,
        timestampMs: BigInt(1000 * (index + 1)),
      })),
    }
    expect(snapshotAsOf(log, 2999n)).toBe(metadata.snapshots[1])
    expect(snapshotAsOf(log, 3000n)).toBe(metadata.snapshots[2])
    expect(() => snapshotAsOf(log, 999n)).toThrow(/oldest-ms=1000/)
    expect(() => snapshotAsOf({ ...log, snapshots: [] }, 3000n)).toThrow(/has expired/)
    expect(snapshotByRef(metadata, 'main')).toBe(currentSnapshot(metadata))
    expect(() => snapshotByRef(metadata, 'toString')).toThrow(/refs=main/)
  })
})

describe('DeleteIndex', () => {
  const metadata = {
    schemas: [schema],
    currentSchemaId: 0,
    location: 'memory://t',
    partitionSpecs: [
      { specId: 0, fields: [] },
      { ...parsePartitionBy(['c1'], schema), specId: 1 },
    ],
  } as unknown as TableMetadata
  const data = (over: Partial<DataFile> = {}): DataFile => ({
    content: 'data',
    filePath: 'a',
    fileFormat: 'PARQUET',
    specId: 1,
    partition: [1],
    recordCount: 1n,
    fileSizeInBytes: 1n,
    ...over,
  })
  const applied = (
    deletes: Partial<DataFile>,
    deleteNumber: bigint,
    file: DataFile,
    number: bigint,
  ): boolean => {
    const entry = {
      status: 'added',
      sequenceNumber: deleteNumber,
      dataFile: data(deletes),
    } as const
    return new DeleteIndex(metadata, [entry]).deletesFor(file, number).length === 1
  }

  it('[F31] applies position deletes to the same partition up to their own sequence number', () => {
    const position = { content: 'position-deletes', filePath: 'd' } as const
    expect(applied(position, 5n, data(), 5n)).toBe(true)
    expect(applied(position, 5n, data(), 6n)).toBe(false)
    expect(applied(position, 5n, data({ partition: [2] }), 5n)).toBe(false)
    expect(applied(position, 5n, data({ partition: [-0] }), 5n)).toBe(false)
    const nan = { ...position, partition: [Number.NaN] }
    expect(applied(nan, 5n, data({ partition: [Number.NaN] }), 5n)).toBe(true)
    expect(applied({ ...position, referencedDataFile: 'b' }, 5n, data(), 5n)).toBe(false)
    const path = new Map([[2147483546, encodeValue({ type: 'string' }, 'b')]])
    const bounded = { ...position, lowerBounds: path, upperBounds: path }
    expect(applied(bounded, 5n, data(), 5n)).toBe(false)
    expect(applied(bounded, 5n, data({ filePath: 'b' }), 5n)).toBe(true)
  })

  it('[F32] applies equality deletes to strictly older data, everywhere when unpartitioned', () => {
    const equality = { content: 'equality-deletes', filePath: 'd', equalityIds: [1] } as const
    expect(applied(equality, 5n, data(), 4n)).toBe(true)
    expect(applied(equality, 5n, data(), 5n)).toBe(false)
    expect(applied(equality, 5n, data({ partition: [2] }), 4n)).toBe(false)
    const everywhere = { ...equality, specId: 0, partition: [] }
    expect(applied(everywhere, 5n, data({ partition: [2] }), 4n)).toBe(true)
  })
})
