/** Fields that a stream declares: how people write them, what they mean, and where they come from. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { tide as runTide, tideRows } from '../support/tide.ts'

let directory: string
let cases = 0
let name = ''
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tide-fields-'))
  await mkdir(join(directory, 'streams'))
  await writeFile(join(directory, 'tidewater.yaml'), 'catalog: { warehouse: warehouse }\n')
})
afterAll(() => rm(directory, { recursive: true, force: true }))
beforeEach(() => {
  name = `events${++cases}`
})

const tide = (args: string | readonly string[], input = '') => runTide(args, { directory, input })
const head = (table = name) => `
name: ${table}
input: { embedded: { directory: ../log, topics: [${name}] } }
output: { iceberg: { table: web.${table} } }
`

/** Puts the records into the topic; `schema` is a part of the stream's file. */
async function stream(schema: string, records: readonly string[]): Promise<void> {
  await writeFile(join(directory, 'streams', `${name}.yaml`), head() + schema)
  const input = records.map((record) => `${record}\n`).join('')
  const file = `streams/${name}.yaml`
  await tide(`topic produce ${name} --stream ${file} --create --partitions 1`, input)
}

async function run(): Promise<Record<string, unknown> | undefined> {
  const [row] = await tideRows(`stream run streams/${name}.yaml --until latest`, { directory })
  return row
}

async function sql(query: string): Promise<readonly Record<string, unknown>[]> {
  const { code, stdout, stderr } = await tide(['sql', '-json', '-c', query])
  expect(code, stderr).toBe(0)
  return JSON.parse(stdout) as readonly Record<string, unknown>[]
}

const forms = {
  'I7 a map of names and types':
    'schema: { fields: { id: long not null, at: timestamptz, tags: [string] } }',
  'I7 a block of them, with a struct': `schema:
  fields:
    id: long
    at: timestamptz
    place: { lat: double, lon: double not null }
    lines: [{ sku: string, qty: int }]
`,
  'I7 a definition where more is to be said':
    'schema: { fields: { id: { type: long, doc: the key, required: true }, at: timestamptz } }',
  'I7 the list': 'schema: { fields: [{ name: id, type: long }, { name: at, type: timestamptz }] }',
}

interface Time {
  readonly schema: string
  readonly record: (value: string) => string
}

const epochTables: Readonly<Record<string, Time>> = {
  'C6 milliseconds in a flat table': {
    schema: 'schema: { fields: { at: timestamptz unix_ms } }',
    record: (value) => `{"at":${value}}`,
  },
  'C6 milliseconds in a nested table, declared as a list': {
    schema:
      'schema: { fields: [{ name: at, type: timestamptz, unit: unix_ms }, { name: l, type: "list<int>" }] }',
    record: (value) => `{"l":[1],"at":${value}}`,
  },
  'C6 milliseconds where coercion is lenient': {
    schema: 'schema: { coercion: lenient, fields: { at: timestamptz unix_ms } }',
    record: (value) => `{"at":${value}}`,
  },
}

describe('fields that a stream declares', () => {
  it.each(Object.entries(forms))('%s', async (_, schema) => {
    await stream(schema, ['{"id":1,"at":"2024-05-01T10:00:00Z"}', '{"id":"x"}'])
    expect(await run()).toMatchObject({ rows: 1, dead_letters: 1 })
    const echoed = await tide(`stream echo streams/${name}.yaml`)
    await writeFile(join(directory, 'streams', `${name}.yaml`), echoed.stdout)
    expect((await tide(`stream lint streams/${name}.yaml`)).stdout).toBe('')
    expect(await run()).toMatchObject({ records: 0 })
  })

  it.each(Object.entries(epochTables))('%s', async (_, { schema, record }) => {
    const values = [
      '1714557600123',
      '"1714557600123"',
      '-1',
      '1e300',
      'null',
      '1714557600123.0000001',
    ]
    await stream(schema, values.map(record))
    expect(await run()).toMatchObject({ rows: 4, dead_letters: 2 })
    expect(
      await sql(`SELECT "at"::VARCHAR AS "at" FROM web.${name} ORDER BY _kafka.offset`),
    ).toEqual([
      { at: '2024-05-01 10:00:00.123+00' },
      { at: '2024-05-01 10:00:00.123+00' },
      { at: '1969-12-31 23:59:59.999+00' },
      { at: null },
    ])
    const letters = await sql(`SELECT error FROM web.${name}__dlq ORDER BY "offset"`)
    expect(letters).toEqual([
      { error: 'outside of years 1 to 9999 in unix_ms: field at' },
      { error: 'finer than a microsecond in unix_ms: field at' },
    ])
  })

  it('C6 a file that names no unit that exists, or one for another type, is refused', async () => {
    await stream('schema: { fields: { at: timestamptz unix_ns, n: long unix_ms } }', [])
    const { code, stdout } = await tide(`stream lint streams/${name}.yaml`)
    expect(code).toBe(1)
    expect(stdout).toContain(
      'schema.fields.at.unit: unit is unix_s | unix_ms | unix_us, found "unix_ns"',
    )
    expect(stdout).toContain(
      'schema.fields.n.unit: a unit belongs to a timestamp or timestamptz, not to long',
    )
  })
})

const records = [
  '{"id":1,"amount":20,"at":1714557600123,"day":"2024-05-01","note":null,"items":[],"m":{"type":"a"}}',
  '{"id":2,"amount":19.99,"at":1714557600124,"day":"2024-05-02","items":[],"m":{"type":"b","n":1}}',
]

describe('fields that a stream suggests', () => {
  it.each([[''], ['--list']])(
    'C1 are read back, and the table made of them takes the records: %s',
    async (form) => {
      await stream('schema: { mode: json_infer }', records)
      const { code, stdout, stderr } = await tide(`stream schema ${name} --suggest ${form}`.trim())
      expect(code, stderr).toBe(0)
      if (form === '') {
        expect(stdout).toBe(`schema:
  mode: declared
  fields:
    id: long # whole numbers only, seen 2 times
    amount: double # holds long (1), double (1); seen 2 times
    at: long # milliseconds since 1970? then: timestamptz unix_ms
    day: date # dates only, seen 2 times
    m:
      type: struct
      fields:
        - name: type
          type: string # seen 2 times
        - name: n
          type: long # whole numbers only, seen once
    # note: no value so far
    # items: no value so far
`)
      }
      await writeFile(join(directory, 'streams', `${name}.yaml`), head(`${name}d`) + stdout)
      expect(await run()).toMatchObject({ rows: 2, dead_letters: 0 })
    },
  )

  it('C1 hold what the table has and what the sample shows', async () => {
    const schema = 'schema: { mode: json_infer, sample_records: 2 }'
    await stream(schema, ['{"id":1}', '{"id":2}', '{"id":3}'])
    expect(await run()).toMatchObject({ rows: 3 })
    await stream(schema, ['{"id":1.5,"new":true}'])
    expect(await run()).toMatchObject({ rows: 0, dead_letters: 1 })
    await writeFile(
      join(directory, 'streams', `${name}.yaml`),
      `${head()}schema: { mode: json_infer }\n`,
    )
    expect((await tide(`stream schema ${name}`)).stdout).toBe(
      'schema:\n  mode: declared\n  fields:\n    id: long\n    new: boolean\n',
    )
    expect((await tide(`stream schema ${name} --suggest`)).stdout).toBe(`schema:
  mode: declared
  fields:
    id: double # long so far, double in the sample; holds long (3), double (1); seen 4 times
    new: boolean # seen once
`)
  })

  it('C1 without a table there is only the sample', async () => {
    await stream('schema: { mode: json_infer }', records)
    const { code, stderr } = await tide(`stream schema ${name}`)
    expect(code).not.toBe(0)
    expect(stderr).toContain('there is no table yet; --suggest chooses fields from a sample')
  })
})
