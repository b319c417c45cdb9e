/** Columns inferred from too little: what comes first never decides for good what comes later. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  assignFreshIds,
  currentSchema,
  currentSnapshot,
  formatType,
  type NestedField,
  parsePartitionBy,
  parsePartitionTerm,
  type Type,
} from '../../catalog/format/index.ts'
import { type Catalog, commitAction, decorateCatalog, ManageRefs } from '../../catalog/index.ts'
import { type Logger, silentLogger, systemClock, systemRandom } from '../../common/index.ts'
import type { StreamSettings } from '../../ingest/settings/index.ts'
import { allRows, createQueryEngine, plainText, type QueryEngine } from '../../sql/index.ts'
import { eventually, patience } from '../support/eventually.ts'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.ts'

let lake: LakeFixture
let engine: QueryEngine
let cases = 0
/** Of the topic and the table of the case at hand. */
let name = ''
beforeAll(async () => {
  lake = await openLakeFixture()
  engine = await createQueryEngine(lake)
})
afterAll(() => lake.close())
beforeEach(async () => {
  name = `events${++cases}`
  await lake.log.createTopic(name, 1)
})

type Value = string | Buffer | null

interface Situation {
  readonly reason: string
  /** The values that each run of the stream finds new. */
  readonly runs: readonly (readonly Value[])[]
  /** YAML of the stream beyond the ordinary. */
  readonly schema?: string
  readonly partitionBy?: string
  readonly columns: Readonly<Record<string, string>>
  /** SQL over the rows, and its text for each row in the order of the log. */
  readonly shown?: readonly [sql: string, rows: readonly (string | null)[]]
  readonly letters?: number
}

const framed = (text: string): Buffer =>
  Buffer.concat([Buffer.from([0, 0, 0, 0, 7]), Buffer.from(text)])

const waits: Readonly<Record<string, Situation>> = {
  'B7 a tombstone first': {
    reason: 'a deletion says nothing of columns',
    runs: [[null], ['{"id":1}']],
    columns: { id: 'long' },
    shown: ['id::VARCHAR', ['1']],
    letters: 1,
  },
  'B7 nothing but tombstones for a whole sample': {
    reason: 'they are letters, and what comes later makes the columns',
    schema: 'sample_records: 5',
    runs: [Array.from({ length: 7 }, () => null), ['{"id":1}']],
    columns: { id: 'long' },
    shown: ['id::VARCHAR', ['1']],
    letters: 7,
  },
  'B7 a framed value first, and text that is no JSON': {
    reason: 'they become letters once there is a table',
    runs: [[framed('{"id":1}'), 'hello', '[1]'], ['{"id":2}']],
    columns: { id: 'long' },
    shown: ['id::VARCHAR', ['2']],
    letters: 3,
  },
  'B7 a partition column that the first records lack': {
    reason: 'the table can only be made once it was seen',
    partitionBy: 'day(at)',
    runs: [['{"id":1}', '{"id":2,"at":null}'], ['{"id":3,"at":"2024-05-01T10:00:00Z"}']],
    columns: { id: 'long', at: 'timestamptz' },
    shown: ['id::VARCHAR', ['1', '2', '3']],
  },
  'B7 records without a value where rows have no place': {
    reason: 'a table without columns could not hold their rows',
    schema: 'sample_records: 1000',
    runs: [['{}', '{"a":null}'], ['{"a":1}']],
    columns: { a: 'long' },
    shown: ['a::VARCHAR', [null, null, '1']],
  },
  'C2 an empty array first, then strings': {
    reason: 'the type of its elements is not known before there is one',
    runs: [['{"id":1,"items":[]}'], ['{"id":2,"items":["a"]}'], ['{"id":3,"items":[]}']],
    columns: { id: 'long', items: 'list<string>' },
    // What came before the column is NULL.
    shown: ['items::VARCHAR', [null, '[a]', '[]']],
  },
  'C2 an empty array first, then objects': {
    reason: 'the same',
    runs: [['{"id":1,"items":[]}', '{"id":2,"items":[{"n":1}]}']],
    columns: { id: 'long', items: 'list<struct<n: long>>' },
    shown: ['items::VARCHAR', ['[]', "[{'n': 1}]"]],
  },
  'C2 an empty object first, then members of any kind': {
    reason: 'an object without members is no map of strings',
    runs: [['{"id":1,"attrs":{}}'], ['{"id":2,"attrs":{"n":1,"t":"x"}}']],
    columns: { id: 'long', attrs: 'struct<n: long, t: string>' },
    shown: ['attrs::VARCHAR', [null, "{'n': 1, 't': x}"]],
  },
  'C2 an array of nulls first, then numbers': {
    reason: 'null is no value',
    runs: [['{"id":1,"codes":[null]}'], ['{"id":2,"codes":[7,null]}']],
    columns: { id: 'long', codes: 'list<long>' },
    shown: ['codes::VARCHAR', [null, '[7, NULL]']],
  },
  'C2 null first': {
    reason: 'null is no value',
    runs: [['{"id":1,"note":null}'], ['{"id":2,"note":true}']],
    columns: { id: 'long', note: 'boolean' },
    shown: ['note::VARCHAR', [null, 'true']],
  },
  'C2 empty members of a known struct': {
    reason: 'at any depth',
    runs: [
      ['{"a":{"n":1,"l":[[]],"o":{"p":{}}}}'],
      ['{"a":{"n":2,"l":[[1.5]],"o":{"p":{"q":"x"}}}}'],
    ],
    columns: { a: 'struct<n: long, l: list<list<double>>, o: struct<p: struct<q: string>>>' },
    shown: ['a.l::VARCHAR', [null, '[[1.5]]']],
  },
  'C2 an empty object and then a text in one batch': {
    reason: 'the empty object is as null, not the text {}',
    runs: [
      ['{"id":1,"a":{"n":1}}'],
      ['{"id":2,"x":{}}', '{"id":3,"x":[ \n ]}', '{"id":4,"x":"text"}'],
    ],
    columns: { id: 'long', a: 'struct<n: long>', x: 'string' },
    shown: ['x', [null, null, null, 'text']],
  },
}

const follows: Readonly<Record<string, Situation>> = {
  'C1 an amount that is whole at first': {
    reason: 'the first of a quiet topic has no cents by chance',
    runs: [['{"id":1,"amount":20}'], ['{"id":2,"amount":19.99}'], ['{"id":3,"amount":5}']],
    columns: { id: 'long', amount: 'double' },
    shown: ['amount::VARCHAR', ['20.0', '19.99', '5.0']],
  },
  'C1 an integer that 64 bits do not hold': {
    reason: 'digits are kept',
    runs: [['{"id":1}'], ['{"id":18446744073709551615}']],
    columns: { id: 'decimal(38, 0)' },
    shown: ['id::VARCHAR', ['1', '18446744073709551615']],
  },
  'C1 a fraction among integers that a double does not hold': {
    reason: 'no value that is there is changed; the fraction is the letter',
    runs: [['{"id":9007199254740993}'], ['{"id":1.5}', '{"id":2}']],
    columns: { id: 'long' },
    shown: ['id::VARCHAR', ['9007199254740993', '2']],
    letters: 1,
  },
  'C1 the price in an array of objects': {
    reason: 'at any depth',
    runs: [
      ['{"items":[{"sku":"a","price":20},{"sku":"b"}]}'],
      ['{"items":[{"sku":"c","price":1.5}]}'],
    ],
    columns: { items: 'list<struct<sku: string, price: double>>' },
    shown: [
      'items::VARCHAR',
      ["[{'sku': a, 'price': 20.0}, {'sku': b, 'price': NULL}]", "[{'sku': c, 'price': 1.5}]"],
    ],
  },
  'C1 elements of an array': {
    reason: 'the whole list is replaced, empty ones stay',
    runs: [['{"v":[1,2]}', '{"v":[]}', '{"v":null}'], ['{"v":[0.5]}']],
    columns: { v: 'list<double>' },
    shown: ['v::VARCHAR', ['[1.0, 2.0]', '[]', null, '[0.5]']],
  },
  'C1 a column that came after many rows': {
    reason: 'its values count, not those of the table',
    schema: 'sample_records: 4',
    runs: [
      Array.from({ length: 9 }, (_, id) => `{"id":${id}}`),
      ['{"id":9,"amount":1}'],
      ['{"id":10,"amount":1.5}'],
    ],
    columns: { id: 'long', amount: 'double' },
    shown: ['amount::VARCHAR', [...Array.from({ length: 9 }, () => null), '1.0', '1.5']],
  },
  'C1 a fraction after as many integers as a sample has': {
    reason: 'then the type was chosen from enough; the letter names the way out',
    schema: 'sample_records: 4',
    runs: [
      ['{"n":1}', '{"n":2}', '{"n":3}', '{"n":4}', '{"n":5}'],
      ['{"n":1.5}', '{"n":6}'],
    ],
    columns: { n: 'long' },
    shown: ['n::VARCHAR', ['1', '2', '3', '4', '5', '6']],
    letters: 1,
  },
  'C3 a date, then an empty text and one that only begins like a date': {
    reason: 'one value shows no rule',
    runs: [['{"v":"2024-06-20"}'], ['{"v":""}', '{"v":"2024-09-30.acacia"}']],
    columns: { v: 'string' },
    shown: ['v', ['2024-06-20', '', '2024-09-30.acacia']],
  },
  'C3 a date, then an instant': {
    reason: 'as in one sample: a string',
    runs: [['{"v":"2024-06-20"}'], ['{"v":"2024-06-20T10:00:00Z"}']],
    columns: { v: 'string' },
    shown: ['v', ['2024-06-20', '2024-06-20T10:00:00Z']],
  },
  'C3 an empty text first': {
    reason: 'it is text, and no reason to stop',
    runs: [['{"v":""}'], ['{"v":"2024-06-20"}']],
    columns: { v: 'string' },
    shown: ['v', ['', '2024-06-20']],
  },
  'C1 all of it in one batch beside new columns and a bad record': {
    reason: 'each record is a row or a letter, once',
    runs: [
      ['{"id":1,"amount":20,"day":"2024-06-20"}'],
      ['{"id":2,"amount":1.5,"new":[0]}', '{"id":3,"day":"soon","new":[1]}', '{"id":"four"}'],
      ['{"id":5,"amount":2,"day":"","new":[2.5]}'],
    ],
    columns: { id: 'long', amount: 'double', day: 'string', new: 'list<double>' },
    shown: [
      "concat_ws('|', id, amount, day, new)",
      ['1|20.0|2024-06-20', '2|1.5|[0.0]', '3|soon|[1.0]', '5|2.0||[2.5]'],
    ],
    letters: 1,
  },
}

interface StreamOptions {
  readonly schema?: string
  /** Of the stream and its topic. */
  readonly stream?: string
  readonly partitionBy?: string | undefined
  /** The interval of commits. */
  readonly commit?: string
}

function settings({
  schema = '{ mode: json_infer }',
  stream = name,
  partitionBy,
  commit = '10s',
}: StreamOptions = {}): StreamSettings {
  const partition = partitionBy === undefined ? '' : `, partition_by: ["${partitionBy}"]`
  return lake.settings(`
name: ${stream}
input: { embedded: { directory: log, topics: [${stream}] } }
schema: ${schema}
output: { iceberg: { table: web.${name}${partition}, commit: { interval: ${commit} } } }`)
}

const table = () => ({ namespace: ['web'], name })

/** What the engine of this project answers, by field id. */
async function select(columns: string, of = name): Promise<readonly (readonly string[])[]> {
  const { query } = engine
  const found = await allRows(await query(`SELECT ${columns} FROM web.${of} ORDER BY ALL`))
  return found.map((row) => row.map(plainText))
}
const lettersOf = (columns: string) => select(columns, `${name}__dlq`)

async function append(...values: readonly Value[]): Promise<void> {
  await lake.log.append(
    { topic: name, partition: 0 },
    values.map((value) => ({ value: value === null ? null : Buffer.from(value) })),
  )
}

/** A stream of another topic into the same table. */
async function otherStream(value: string): Promise<StreamSettings> {
  const stream = `others${cases}`
  await lake.log.createTopic(stream, 1)
  await lake.log.appendValues({ topic: stream, partition: 0 }, [value])
  return settings({ stream })
}

/** Runs `first` before the first commit to the table. */
function beforeCommit(first: () => Promise<unknown>): Catalog {
  let isDone = false
  const commitTable: Catalog['commitTable'] = async (request, ...rest) => {
    if (!isDone && request.identifier.name === name) {
      isDone = true
      await first()
    }
    return lake.catalog.commitTable(request, ...rest)
  }
  return decorateCatalog(lake.catalog, { commitTable })
}

async function expectOutcome(situation: Situation): Promise<void> {
  const { runs, schema = '', partitionBy, columns, shown, letters = 0 } = situation
  for (const values of runs) {
    await append(...values)
    await lake.run(settings({ schema: `{ mode: json_infer, ${schema} }`, partitionBy }))
  }
  const { metadata } = await lake.catalog.loadTable(table())
  const fields = currentSchema(metadata).fields.filter(({ name }) => name !== '_kafka')
  expect(Object.fromEntries(fields.map(({ name, type }) => [name, formatType(type)]))).toEqual(
    columns,
  )
  const records = runs.flat().length
  if (shown !== undefined) {
    const [sql, expected] = shown
    const found = await select(`_kafka.offset, ${sql}`)
    expect(found.map(([, text]) => text)).toEqual(expected.map((text) => text ?? 'NULL'))
    expect(found.length + letters).toBe(records)
  }
  const refused = letters === 0 ? [] : await lettersOf('"offset"')
  expect(refused).toHaveLength(letters)
}

/** Warnings and notices of a run, each once. */
function listener(): { readonly logger: Logger; readonly lines: string[] } {
  const lines: string[] = []
  const note = (event: string, fields?: object): void => {
    lines.push(`${event} ${Object.values(fields ?? {}).join(' ')}`)
  }
  const logger: Logger = { ...silentLogger, info: note, warn: note, with: () => logger }
  return { logger, lines }
}

describe('a sample that waits', () => {
  it('B7 says what it waits for, once, and names what reads a registry format', async () => {
    await append(null, framed('{"id":1}'), framed('{"id":2}'), 'text')
    const { logger, lines } = listener()
    const result = await lake.run(settings(), {}, { logger })
    expect(result).toMatchObject({ recordsRead: 4, recordsCommitted: 0 })
    const waits = lines.filter((line) => line.startsWith('schema.waits'))
    expect(waits).toEqual([
      `schema.waits ${name} none of 4 records can be read: 1 with a null value (tombstones); 2 in the framed ` +
        'format of a schema registry (a zero byte and a schema id come first), which this release does not decode: ' +
        'schema: {mode: key_value} keeps their bytes; 1 that are no json object',
    ])
    await append('{"id":5}')
    const second = listener()
    await lake.run(settings(), {}, { logger: second.logger })
    expect(second.lines.join('\n')).toContain(`tide stream schema ${name} --suggest`)
    expect(await select('id')).toEqual([['5']])
    expect(await lettersOf('"offset"')).toHaveLength(4)
  })

  it('C1 ends within seconds in a live, quiet topic, whose table then follows its values', async () => {
    const stop = new AbortController()
    const { logger, lines } = listener()
    const running = lake.run(
      settings({ commit: '200ms' }),
      { until: 'stopped', signal: stop.signal },
      { logger },
    )
    await append(null)
    await eventually(() => lines.some((line) => line.startsWith('schema.waits')))
    await append('{"id":1,"amount":20}')
    const rows = async (): Promise<readonly (readonly string[])[]> =>
      lines.some((line) => line.startsWith('schema.chosen')) ? select('id, amount') : []
    await expect.poll(rows, patience).toEqual([['1', '20']])
    await append('{"id":2,"amount":19.99}')
    await expect.poll(rows, patience).toEqual([
      ['1', '20'],
      ['2', '19.99'],
    ])
    stop.abort()
    await running
    expect(lines.filter((line) => line.startsWith('schema.replaced'))).toEqual([
      'schema.replaced 1 amount: double',
    ])
  })
})

const made: readonly (readonly [name: string, type: Type])[] = [
  ['i', { type: 'int' }],
  ['f', { type: 'float' }],
  ['d', { type: 'decimal', precision: 5, scale: 2 }],
  ['day', { type: 'date' }],
  ['n', { type: 'long' }],
]
const narrow: NestedField[] = [
  ...made.map(([name, type]) => ({ id: 0, name, required: false, type })),
  {
    id: 0,
    name: 's',
    required: false,
    type: {
      type: 'struct',
      fields: [
        {
          id: 0,
          name: 'l',
          required: false,
          type: { type: 'list', elementId: 0, elementRequired: false, element: { type: 'int' } },
        },
      ],
    },
  },
]

/** A table that somebody else has made, with columns that inference would not choose. */
async function makeTable(
  fields: readonly NestedField[],
  partitionBy: readonly string[],
): Promise<void> {
  const { schema } = assignFreshIds({ schemaId: 0, identifierFieldIds: [], fields })
  await lake.catalog.createNamespace(['web']).catch(() => undefined)
  const partitionSpec = parsePartitionBy(partitionBy.map(parsePartitionTerm), schema)
  await lake.catalog.createTable({ identifier: table(), schema, partitionSpec })
}

const widenings: readonly (readonly [situation: string, fields: readonly NestedField[]])[] = [
  ['flat', narrow.slice(0, 5)],
  ['nested', narrow],
]

describe('[J13] a value that needs a wider type', () => {
  it.each(widenings)(
    'C1 widens the column as Iceberg does, with its rows (%s)',
    async (_, fields) => {
      await makeTable(fields, ['i', 'bucket(4, n)'])
      const nested = fields.length > 5
      const record = (i: string, f: string, d: string, rest = ''): string =>
        `{"i":${i},"f":${f},"d":${d}${nested ? `,"s":{"l":[${i}]}` : ''}${rest}}`
      await append(record('1', '0.5', '1.25'))
      await lake.run(settings())
      await append(record('2', '16777217', '1'))
      await append(record('3000000000', '1e300', '123456.5'), record('4', '0.25', '"99999999.75"'))
      await append(record('5', '0', '0', ',"day":""'), record('6', '0', '0', ',"n":1.5'))
      await lake.run(settings())
      await append(record('-3000000000', '0', '0'))
      await lake.run(settings())
      const { metadata } = await lake.catalog.loadTable(table())
      const types = currentSchema(metadata).fields.map(
        ({ name, type }) => `${name} ${formatType(type)}`,
      )
      expect(types).toEqual([
        'i long',
        'f double',
        'd decimal(10, 2)',
        'day date',
        'n long',
        ...(nested ? ['s struct<l: list<long>>'] : []),
      ])
      expect(await select(`i, f, d, ${nested ? 's.l[1]' : 'i'}`)).toEqual([
        ['-3000000000', '0', '0.00', '-3000000000'],
        ['1', '0.5', '1.25', '1'],
        ['2', '16777217', '1.00', '2'],
        ['4', '0.25', '99999999.75', '4'],
        ['3000000000', '1e+300', '123456.50', '3000000000'],
      ])
      // Somebody chose date and long: no value replaces them.
      expect(await lettersOf('"offset"')).toEqual([['4'], ['5']])
    },
  )

  it('C1 does not widen what the settings declare', async () => {
    await append('{"i":1}', '{"i":3000000000}')
    await lake.run(
      settings({
        schema: '{ mode: declared, unknown_fields: add, fields: [{ name: i, type: int }] }',
      }),
    )
    expect(await select('i')).toEqual([['1']])
    expect(await lettersOf('error')).toEqual([['out of the range of int: field i']])
  })
})

describe('[J14] a type that is replaced', () => {
  it('C1 loses no value of another sink that writes the column at that moment', async () => {
    await append('{"id":1,"amount":20}')
    await lake.run(settings())
    await append('{"id":2,"amount":19.99}')
    const other = await otherStream('{"id":3,"amount":7}')
    const catalog = beforeCommit(() => lake.run(settings()))
    await lake.run(other, {}, { catalog })
    expect(await select('id, amount')).toEqual([
      ['1', '20'],
      ['2', '19.99'],
      ['3', '7'],
    ])
  })

  it('C1 loses no row that another sink adds while the files are written again', async () => {
    await append('{"id":1,"amount":20}')
    await lake.run(settings())
    await append('{"id":2,"amount":19.99}')
    const other = await otherStream('{"id":3,"amount":7}')
    const catalog = beforeCommit(() => lake.run(other))
    await lake.run(settings(), {}, { catalog })
    expect(await select('id, amount')).toEqual([
      ['1', '20'],
      ['2', '19.99'],
      ['3', '7'],
    ])
  })

  it('C1 stays where another branch would lose its values', async () => {
    await append('{"id":1,"amount":20}')
    await lake.run(settings())
    const { metadata } = await lake.catalog.loadTable(table())
    const snapshotId = currentSnapshot(metadata)?.snapshotId ?? 0n
    const tools = { clock: systemClock, random: systemRandom }
    const branch = new ManageRefs({
      changes: [{ kind: 'create', name: 'audit', type: 'branch', snapshotId }],
    })
    await commitAction(lake.catalog, table(), branch, tools)
    await append('{"id":2,"amount":19.99}')
    await lake.run(settings())
    const [letter] = await lettersOf('error')
    expect(letter?.[0]).toMatch(/^not an integer: field amount; declare its type/)
  })
})

describe('what comes first does not decide for what comes later', () => {
  it.each(Object.entries(waits))('%s', async (_, situation) => {
    await expectOutcome(situation)
  })

  it.each(Object.entries(follows))('%s', async (_, situation) => {
    await expectOutcome(situation)
  })
})
