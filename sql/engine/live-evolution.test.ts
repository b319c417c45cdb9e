/** Live rows after the table's schema has changed under them: members are matched by id, at every depth. */
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { currentSchema, type NestedField } from '../../catalog/format/index.ts'
import {
  type StreamingFile,
  streamingCoordinateColumns,
  type StreamingRange,
} from '../../catalog/scan/index.ts'
import { columnsSchema, openSqlLake, type SqlLake } from '../../tests/support/sql-lake.ts'
import { FileCache } from '../scan/file-cache.ts'
import { createQueryEngine, type QueryEngine } from './query-engine.ts'
import { allRows } from '../session/query-result.ts'
import { plainText } from '../session/values.ts'

let lake: SqlLake
let engine: QueryEngine
let files: StreamingFile[]

beforeEach(async () => {
  lake = await openSqlLake()
  files = []
  engine = await createQueryEngine({
    ...lake,
    cache: new FileCache({ io: lake.io, directory: join(lake.directory, 'cache'), bytesMax: 1e9 }),
    live: {
      pin: () => ({
        rowsAfter: () => Promise.resolve({ files, state: {} }),
        release: () => Promise.resolve(),
      }),
    },
  })
})
afterEach(() => lake.close())

async function rows(sql: string): Promise<readonly string[]> {
  return (await allRows(await engine.query(sql))).map((row) => row.map(plainText).join('|'))
}

/** A segment with these rows, numbered from offset 0. `ids`: FIELD_IDS without the outer braces. */
async function addLive(
  select: string,
  ids: string,
  ranges?: readonly StreamingRange[],
): Promise<void> {
  const path = join(lake.directory, `segment-${files.length}.parquet`)
  const { partition, offset } = streamingCoordinateColumns
  await lake.database.withConnection((connection) =>
    connection.run(
      `COPY (SELECT *, 0::INTEGER AS p, row_number() OVER () - 1 AS o FROM (${select}))
       TO '${path}' (FORMAT parquet, FIELD_IDS {${ids}, p: ${partition.id}, o: ${offset.id}})`,
    ),
  )
  files.push({
    path,
    recordCount: 1n,
    nullValueCounts: new Map(),
    lowerBounds: new Map(),
    upperBounds: new Map(),
    ...(ranges === undefined ? {} : { ranges }),
  })
}

/** All columns but the first, which is `k`. */
async function evolve(
  ...columns: readonly (readonly [id: number, column: string])[]
): Promise<void> {
  const { metadata } = await lake.load('d.t')
  const { fields } = currentSchema(metadata)
  const changed = columns.map(([id, column]): NestedField => {
    const [field] = columnsSchema([column]).fields
    if (field === undefined) throw new Error(column)
    return { ...field, id }
  })
  const schema = { ...currentSchema(metadata), schemaId: metadata.schemas.length }
  await lake.update('d.t', [
    { action: 'add-schema', schema: { ...schema, fields: [...fields.slice(0, 1), ...changed] } },
    { action: 'set-current-schema', schemaId: -1 },
  ])
}

const struct = (...members: readonly string[]): string => {
  const fields = members.map((member) => {
    const [, id, name, type = ''] = /^(\d+) (\S+) (.*)$/s.exec(member) ?? []
    const json: unknown = type.startsWith('{') ? JSON.parse(type) : type
    return { id: Number(id), name, required: false, type: json }
  })
  return JSON.stringify({ type: 'struct', fields })
}
const list = (element: string): string =>
  `{"type":"list","element-id":10,"element-required":false,"element":${element}}`
const map = (value: string): string =>
  `{"type":"map","key-id":20,"key":"string","value-id":21,"value-required":false,"value":${value}}`

describe('[L8] live rows of a table whose structs have changed', () => {
  it('members are renamed, dropped and added again under their name, by id', async () => {
    const ids = 'k: 1, s: {__duckdb_field_id: 2, a: 3, c: 4}'
    await lake.create('d.t', ['k int', `s ${struct('3 a int', '4 c int')}`])
    await lake.append('d.t', "SELECT 1 AS k, {'a': 10, 'c': 11} AS s")
    await addLive("SELECT 2 AS k, {'a': 20, 'c': 21} AS s UNION ALL SELECT 3, NULL", ids)
    await evolve([2, `s ${struct('3 b int', '5 c long')}`])
    // A file of the new schema beside the old one's.
    const newIds = 'k: 1, s: {__duckdb_field_id: 2, b: 3, c: 5}'
    await addLive("SELECT 4 AS k, {'b': 40, 'c': 41::BIGINT} AS s", newIds)
    expect(await rows('SELECT k, s FROM d.t ORDER BY k')).toEqual([
      "1|{'b': 10, 'c': NULL}",
      "2|{'b': 20, 'c': NULL}",
      '3|NULL',
      "4|{'b': 40, 'c': 41}",
    ])
    expect(await rows('SELECT k FROM d.t WHERE s.b = 20')).toEqual(['2'])
    expect(await rows('SELECT k FROM d.t WHERE s.c IS NOT NULL')).toEqual(['4'])
  })

  it('members that swap their names swap nothing else, in cut files too', async () => {
    const ids = 'k: 1, s: {__duckdb_field_id: 2, a: 3, c: 4}'
    await lake.create('d.t', ['k int', `s ${struct('3 a int', '4 c int')}`])
    const three = "SELECT i AS k, {'a': i * 10, 'c': i * 100} AS s FROM range(1, 4) r(i)"
    const cut = { topic: undefined, partition: 0, from: 1n, to: 2n }
    await addLive(three.replaceAll('i ', 'i::INT '), ids, [cut])
    await addLive("SELECT 7 AS k, {'a': 70, 'c': 700} AS s", ids)
    await evolve([2, `s ${struct('3 c int', '4 a int')}`])
    expect(await rows('SELECT k, s.c, s.a, "$path" FROM d.t ORDER BY k')).toEqual([
      '2|20|200|NULL',
      '7|70|700|NULL',
    ])
  })

  it('a struct none of whose members is left keeps only its nulls', async () => {
    await lake.create('d.t', ['k int', `s ${struct('3 x int')}`])
    await addLive(
      "SELECT 1 AS k, {'x': 10} AS s UNION ALL SELECT 2, NULL",
      'k: 1, s: {__duckdb_field_id: 2, x: 3}',
    )
    await evolve([2, `s ${struct('3 y int')}`])
    expect(await rows('SELECT k, s FROM d.t ORDER BY k')).toEqual(["1|{'y': 10}", '2|NULL'])
    await evolve([2, `s ${struct('4 z int')}`])
    expect(await rows('SELECT k, s FROM d.t ORDER BY k')).toEqual(["1|{'z': NULL}", '2|NULL'])
  })

  it('structs in structs, lists and maps', async () => {
    const columns = (x: string): readonly (readonly [number, string])[] => [
      [2, `s ${struct(`5 t ${struct(x.replace('ID', '6'))}`)}`],
      [3, `l ${list(struct(x.replace('ID', '11')))}`],
      [
        4,
        `m ${map(struct(x.replace('ID', '22'), `23 in ${list(struct('31 deep int')).replace('10', '30')}`))}`,
      ],
    ]
    await lake.create('d.t', ['k int', ...columns('ID x int').map(([, column]) => column)])
    await addLive(
      `SELECT 1 AS k, {'t': {'x': 1}} AS s, [{'x': 2}, NULL] AS l,
        MAP {'a': {'x': 3, 'in': [{'deep': 4}]}} AS m`,
      `k: 1, s: {__duckdb_field_id: 2, t: {__duckdb_field_id: 5, x: 6}},
        l: {__duckdb_field_id: 3, element: {__duckdb_field_id: 10, x: 11}},
        m: {__duckdb_field_id: 4, key: 20, value: {__duckdb_field_id: 21, x: 22,
          'in': {__duckdb_field_id: 23, element: {__duckdb_field_id: 30, deep: 31}}}}`,
    )
    expect(await rows('SELECT s, l, m FROM d.t')).toEqual([
      "{'t': {'x': 1}}|[{'x': 2}, NULL]|{a={'x': 3, 'in': [{'deep': 4}]}}",
    ])
    await evolve(
      ...columns('ID y int').map(
        ([id, column]) => [id, column.replace('"deep"', '"deeper"')] as const,
      ),
    )
    expect(await rows('SELECT s, l, m FROM d.t')).toEqual([
      "{'t': {'y': 1}}|[{'y': 2}, NULL]|{a={'y': 3, 'in': [{'deeper': 4}]}}",
    ])
  })
})
