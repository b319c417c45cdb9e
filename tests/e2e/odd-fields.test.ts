/**
 * Records whose fields are legal JSON and hard to name as columns: each becomes the row that it says, or a
 * dead letter with the reason; none stops the stream, alters another row or spoils the table.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { tide as runTide, tideRows } from '../support/tide.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tide-odd-'))
  await writeFile(join(directory, 'tidewater.yaml'), 'catalog: { warehouse: ./warehouse }\n')
})
afterEach(() => rm(directory, { recursive: true }))

const streamYaml = (schema: string): string => `name: odd
input: { embedded: { directory: ./log, topics: [odd] } }
schema: { ${schema} }
output: { iceberg: { table: web.odd, commit: { interval: 10s } } }
`

interface Case {
  readonly name: string
  readonly lines: readonly string[]
  /** The columns besides `_kafka`, by offset; absent: a dead letter. */
  readonly rows: Readonly<Record<number, Readonly<Record<string, unknown>>>>
  readonly letters?: Readonly<Record<number, RegExp>>
  /** A sample of the first record unless said otherwise. */
  readonly schema?: string
}

const noName = /no column can have the name of field/
const cases: readonly Case[] = [
  {
    name: 'an empty key',
    lines: ['{"id":1}', '{"id":2,"":1}', '{"id":3,"":null}'],
    rows: { 0: { id: 1 }, 2: { id: 3 } },
    letters: { 1: noName },
  },
  {
    name: 'an empty key, columns declared',
    lines: ['{"id":1}', '{"id":2,"":{"a":1}}'],
    rows: { 0: { id: 1 } },
    letters: { 1: noName },
    schema: 'fields: [{ name: id, type: long }]',
  },
  {
    name: 'an empty key in the sample',
    lines: ['{"id":1,"":5}', '{"id":2}'],
    rows: { 1: { id: 2 } },
    letters: { 0: noName },
  },
  {
    name: 'an empty key in a new struct',
    lines: ['{"id":1}', '{"id":2,"e":{"":1,"x":1}}', '{"id":3,"e":{"x":2}}'],
    rows: { 0: { id: 1, e: null }, 2: { id: 3, e: { x: 2 } } },
    letters: { 1: noName },
  },
  {
    name: 'a zero byte in a key',
    lines: ['{"id":1}', '{"id":2,"a\\u0000b":1}', '{"id":3,"c\\u0000":{"x":1}}'],
    rows: { 0: { id: 1 } },
    letters: { 1: noName, 2: noName },
  },
  {
    name: 'a zero byte in a key of the sample',
    lines: ['{"id":1,"a\\u0000b":1}', '{"id":2}'],
    rows: { 1: { id: 2 } },
    letters: { 0: noName },
  },
  {
    name: 'keys that the rows use for the place of a record, flat',
    lines: ['{"id":1}', '{"id":6,"$t":4,"$o":5,"$p":6,"$r":7}', '{"id":7,"$o":8}'],
    rows: {
      0: { id: 1, $t: null, $o: null, $p: null, $r: null },
      1: { id: 6, $t: 4, $o: 5, $p: 6, $r: 7 },
      2: { id: 7, $t: null, $o: 8, $p: null, $r: null },
    },
  },
  {
    name: 'keys that the rows use for the place of a record, nested',
    lines: ['{"id":1,"n":{"a":1}}', '{"id":6,"$t":4,"$o":5,"n":{"a":2}}', '{"id":7,"n":null}'],
    rows: {
      0: { id: 1, n: { a: 1 }, $t: null, $o: null },
      1: { id: 6, n: { a: 2 }, $t: 4, $o: 5 },
      2: { id: 7, n: null, $t: null, $o: null },
    },
  },
  {
    name: 'a repeated key inside a new field',
    lines: [
      '{"id":1}',
      '{"id":2,"new":{"a":1,"a":2}}',
      '{"id":3,"list":[{"a":1,"a":2}]}',
      '{"id":4}',
    ],
    rows: { 0: { id: 1 }, 3: { id: 4 } },
    letters: { 1: /field new: .*[Dd]uplicate key/, 2: /field list: .*[Dd]uplicate key/ },
  },
  {
    name: 'a name with a dot beside a struct that has the same',
    lines: ['{"id":1}', '{"id":2,"x.y":1,"x":{"y":2}}', '{"id":3,"x":{"z":4}}', '{"id":4,"x.y":5}'],
    rows: {
      0: { id: 1, 'x.y': null, x: null },
      2: { id: 3, 'x.y': null, x: { z: 4 } },
      3: { id: 4, 'x.y': 5, x: null },
    },
    letters: { 1: /field x\.y is not in the schema/ },
  },
  {
    name: 'the same in the sample, in another case',
    lines: ['{"id":1,"x":{"y":2,"z":1},"X.y":1}', '{"id":2,"x":{"y":3,"z":2}}'],
    rows: { 1: { id: 2, x: { y: 3, z: 2 } } },
    letters: { 0: /field X\.y is not in the schema/ },
  },
  {
    name: 'numbers that a double would make zero',
    lines: ['{"d":1.5}', '{"d":1e-400}', '{"d":0e-400}', '{"d":-0.0}'],
    rows: { 0: { d: 1.5 }, 2: { d: 0 }, 3: { d: -0 } },
    letters: { 1: /too small for a double: field d/ },
  },
]

const tide = (line: string | readonly string[], input = '') => runTide(line, { directory, input })

async function query(sql: string): Promise<readonly Record<string, unknown>[]> {
  const { code, stdout, stderr } = await tide(['sql', '-json', '-c', sql])
  if (code !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as readonly Record<string, unknown>[]
}

describe('odd fields', () => {
  it.each(cases)('[J3, J4] $name', async ({ lines, rows, letters = {}, schema }) => {
    const yaml = streamYaml(schema ?? 'mode: json_infer, sample_records: 1')
    await writeFile(join(directory, 'odd.yaml'), yaml)
    const input = lines.map((line) => `${line}\n`).join('')
    await tide('topic produce odd --stream odd.yaml --create --partitions 1', input)
    const [summary] = await tideRows('stream run odd.yaml --until latest', { directory })
    const letterCount = Object.keys(letters).length
    expect(summary).toMatchObject({ rows: Object.keys(rows).length, dead_letters: letterCount })
    const found = await query('SELECT _kafka.offset AS "at", * FROM web.odd')
    const seen = found.map(({ at, _kafka, ...columns }) => [at, columns])
    expect(Object.fromEntries(seen)).toEqual(rows)
    if (letterCount > 0) {
      const refused = await query('SELECT "offset", error FROM web.odd__dlq')
      expect(refused.map((letter) => String(letter['offset'])).sort()).toEqual(Object.keys(letters))
      for (const { offset, error } of refused)
        expect(error).toMatch(letters[Number(offset)] as RegExp)
    }
    // Another start has nothing to mend and nothing to do.
    expect(await tideRows('stream run odd.yaml --until latest', { directory })).toMatchObject([
      { records: 0, rows: 0 },
    ])
  })

  it.each(['of the table', 'of a struct'])(
    '[J4] stops adding columns at 2,000, with the rest as dead letters: %s',
    async (where) => {
      const yaml = streamYaml('mode: json_infer, sample_records: 1')
      await writeFile(join(directory, 'odd.yaml'), yaml)
      const inside = (members: object): object =>
        where === 'of a struct' ? { s: members } : members
      const many = Array.from({ length: 2_500 }, (_, index) => [`k${index}`, index])
      const records = [{ id: 1 }, Object.fromEntries(many), { id: 2, k7: 7 }, { k2499: 1 }]
      const lines = records.map((record) => `${JSON.stringify(inside(record))}\n`).join('')
      await tide('topic produce odd --stream odd.yaml --create --partitions 1', lines)
      expect(await tideRows('stream run odd.yaml --until latest', { directory })).toMatchObject([
        { rows: 2, dead_letters: 2 },
      ])
      const at = where === 'of a struct' ? 's.' : ''
      expect(
        await query(`SELECT ${at}id AS id, ${at}k7 AS k7 FROM web.odd ORDER BY ${at}id`),
      ).toEqual([
        { id: 1, k7: null },
        { id: 2, k7: 7 },
      ])
    },
  )
})
