/**
 * Text and numbers on their way between DuckDB and JavaScript: no value, bound, partition value, constant or
 * key of a map gains or loses a character or a digit, whichever way it goes.
 */
import { mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  applyTransform,
  compareValues,
  currentSchema,
  decodeValue,
  defaultPartitionSpec,
  formatType,
  type PrimitiveType,
  type Value,
} from '../../catalog/format/index.ts'
import {
  commitAction,
  FastAppend,
  type Table,
  uploadDataFiles,
  type WrittenFile,
} from '../../catalog/index.ts'
import { parseJson, systemClock, systemRandom } from '../../common/index.ts'
import {
  createDataFileRewriter,
  FileCache,
  openQueryStage,
  type OutputMode,
  quoteLiteral,
  type QueryStage,
  writeArrowStream,
  writeResult,
} from '../../sql/index.ts'
import { fuzzEffort } from '../support/fuzz-effort.ts'
import { type Answers, openAnswers } from '../support/sql-answers.ts'
import { openSqlLake, type SqlLake } from '../support/sql-lake.ts'
import { anyText, anyValue, sqlOf, sqlType, valueTypes } from '../support/typed-values.ts'

const bom = '\uFEFF'
let lake: SqlLake
let answers: Answers
let stage: QueryStage
let tables = 0

beforeAll(async () => {
  lake = await openSqlLake()
  answers = await openAnswers(lake)
  const directory = join(lake.directory, 'stage-cache')
  const cache = new FileCache({ io: lake.io, directory, bytesMax: 2 ** 30 })
  stage = await openQueryStage({ ...lake, cache })
})
afterAll(async () => {
  stage.close()
  await lake.close()
})

interface Stored {
  readonly name: string
  readonly table: Table
  readonly files: readonly WrittenFile[]
}

/** Rows of `select`, kept as `given`, in a new table. */
async function store(
  columns: readonly string[],
  select: string,
  partitionBy: readonly string[] = [],
): Promise<Stored> {
  const name = `d.t${++tables}`
  const { identifier, metadata } = await lake.create(name, columns, partitionBy)
  await stage.run(`CREATE OR REPLACE TEMP TABLE given AS ${select}`)
  const files = await stage.write({
    select: 'FROM given',
    schema: currentSchema(metadata),
    spec: defaultPartitionSpec(metadata),
    directory: await mkdtemp(join(lake.directory, 'out-')),
    properties: { 'write.metadata.metrics.default': 'full' },
  })
  const tools = { io: lake.io, clock: systemClock, random: systemRandom }
  const action = new FastAppend(tools, { files: await uploadDataFiles(tools, metadata, files) })
  return { name, files, table: await commitAction(lake.catalog, identifier, action, tools) }
}

/** The files again, each written by a compaction. */
async function rewritten({ files, table }: Stored): Promise<readonly WrittenFile[]> {
  const { metadata } = table
  const rewriter = createDataFileRewriter(lake.database)
  const written = files.map(async ({ localPath, ...metrics }) => {
    const { files: again } = await rewriter.rewrite({
      metadata: { ...metadata, properties: { 'write.metadata.metrics.default': 'full' } },
      schema: currentSchema(metadata),
      spec: defaultPartitionSpec(metadata),
      inputs: [
        {
          file: {
            content: 'data',
            filePath: localPath,
            fileFormat: 'PARQUET',
            specId: 0,
            ...metrics,
          },
          path: localPath,
          deletes: [],
        },
      ],
      directory: await mkdtemp(join(lake.directory, 'again-')),
      fileSizeBytesTarget: undefined,
    })
    return again
  })
  return (await Promise.all(written)).flat()
}

async function output(sql: string, mode: OutputMode): Promise<string> {
  let text = ''
  const sink = async (part: string): Promise<void> => void (text += part)
  const all = { mode, rowsMax: Number.MAX_SAFE_INTEGER, widthMax: undefined }
  await writeResult(sink, await answers.engine.query(sql), all)
  return text
}

const boundsOf = (file: WrittenFile | undefined, id: number, type: PrimitiveType): Value[] =>
  [file?.lowerBounds.get(id), file?.upperBounds.get(id)].flatMap((bound) =>
    bound === undefined ? [] : [decodeValue(type, bound)],
  )

describe('text that begins with a byte order mark', () => {
  const select = `SELECT unnest([1, 2, 3]) AS id, unnest(['${bom}x', '${bom}${bom}y', 'plain']) AS s,
    MAP {'${bom}k': '${bom}v'} AS m, ['${bom}l'] AS l, {'${bom}f': '${bom}z'} AS st`
  const columns = [
    'id long',
    's string',
    'm {"type":"map","key-id":10,"key":"string","value-id":11,"value":"string","value-required":false}',
    'l {"type":"list","element-id":12,"element":"string","element-required":false}',
    `st {"type":"struct","fields":[{"id":13,"name":"${bom}f","type":"string","required":false}]}`,
  ]

  it('A4 [W6] keeps it in bounds, also after a compaction', async () => {
    const stored = await store(columns, select)
    const struct = currentSchema(stored.table.metadata).fields[4]?.type
    const member = struct?.type === 'struct' ? struct.fields[0]?.id : undefined
    for (const file of [stored.files[0], (await rewritten(stored))[0]]) {
      expect(boundsOf(file, 2, { type: 'string' })).toEqual(['plain', `${bom}${bom}y`])
      expect(boundsOf(file, member ?? 0, { type: 'string' })).toEqual([`${bom}z`, `${bom}z`])
    }
  })

  it.each([
    ['json', JSON.stringify(`${bom}x`)],
    ['jsonlines', `{"${bom}k":"${bom}v"}`],
    ['csv', `"${bom}x"`],
    ['csv', `{'${bom}f': ${bom}z}`],
    ['table', '\\u{FEFF}x'],
    ['markdown', '\\u{FEFF}x'],
    ['line', `\\u{FEFF}\\u{FEFF}y`],
  ] as const)('A4 keeps it in the output as %s: %j', async (mode, expected) => {
    const { name } = await store(columns, select)
    expect(await output(`SELECT s, m, l, st FROM ${name}`, mode)).toContain(expected)
  })

  it('A4 keeps it at the beginning of a whole file of CSV', async () => {
    const text = await output(`SELECT '${bom}x' AS "${bom}name"`, 'csv')
    expect(text).toBe(`"${bom}name"\n"${bom}x"\n`)
  })

  it('A4 keeps it in Arrow', async () => {
    const { name } = await store(columns, select)
    const parts: Uint8Array[] = []
    const result = await answers.engine.query(`SELECT s FROM ${name} ORDER BY id`)
    await writeArrowStream(async (part) => void parts.push(part), result)
    const bytes = tableFromIPC(Buffer.concat(parts)).getChildAt(0)?.data[0]?.values as Uint8Array
    expect(Buffer.from(bytes).toString('utf8')).toBe(`${bom}x${bom}${bom}yplain`)
  })

  it.each([
    ['s', [`${bom}x`, `${bom}${bom}y`, 'plain']],
    ['truncate(s, 2)', [`${bom}x`, `${bom}${bom}`, 'pl']],
    ['bucket(s, 64)', [`${bom}x`, `${bom}${bom}y`, 'plain'].map(bucketOf)],
  ])('A4 keeps it in the partition %s, and finds the rows', async (term, values) => {
    const { files, name } = await store(columns, select, [term])
    expect(files.map(({ partition }) => partition[0]).sort()).toEqual([...values].sort())
    expect((await answers.ask(`SELECT id FROM ${name} WHERE s = '${bom}x'`)).rows).toEqual(['1'])
  })
})

function bucketOf(text: string): Value | null {
  return applyTransform({ kind: 'bucket', buckets: 64 }, { type: 'string' }, text)
}

describe('numbers and times as DuckDB prints them', () => {
  interface Printed {
    readonly type: string
    readonly texts: readonly string[]
    readonly bounds: readonly Value[]
    readonly reason: string
  }
  const nines = `0.${'9'.repeat(38)}`
  const printed: readonly Printed[] = [
    { type: 'decimal(4,4)', texts: ['0.0125', '-0.5'], bounds: [-5000n, 125n], reason: '.0125' },
    {
      type: 'decimal(38,38)',
      texts: [nines],
      bounds: Array(2).fill(10n ** 38n - 1n),
      reason: '.9…',
    },
    { type: 'double', texts: ['-inf', '1.5'], bounds: [-Infinity, 1.5], reason: '-inf' },
    { type: 'float', texts: ['inf', '0.1'], bounds: [Math.fround(0.1), Infinity], reason: 'inf' },
    { type: 'double', texts: ['-0.0', '0.0'], bounds: [-0, 0], reason: 'the zeros differ' },
    {
      type: 'date',
      texts: ['12345-01-01', '2020-01-01'],
      bounds: [18262, 3789391],
      reason: 'a year of five digits',
    },
    { type: 'date', texts: ['0044-03-15 (BC)'], bounds: [-735160, -735160], reason: 'an era' },
    {
      type: 'timestamp',
      texts: ['infinity', '2020-01-01'],
      bounds: [],
      reason: 'no other engine compares with infinity',
    },
    { type: 'double', texts: ['nan', '1'], bounds: [], reason: 'NaN is outside of any bound' },
    { type: 'time', texts: ['24:00:00'], bounds: Array(2).fill(86_400_000_000n), reason: 'an end' },
  ]

  it.each(printed)('B6 $type $texts has exact bounds: $reason', async ({ bounds, texts, type }) => {
    const values = texts.map((text) => `'${text}'::${type}`).join(', ')
    const stored = await store(
      ['id long', `v ${type}`],
      `SELECT unnest(range(${texts.length})) AS id, unnest([${values}]) AS v`,
    )
    const column = currentSchema(stored.table.metadata).fields[1]?.type as PrimitiveType
    expect(boundsOf(stored.files[0], 2, column)).toEqual(bounds)
    expect(boundsOf((await rewritten(stored))[0], 2, column)).toEqual(bounds)
  })

  it.each([
    ['d', "DATE 'infinity'", 2 ** 31 - 1],
    ['d', "DATE '-infinity'", -(2 ** 31) + 1],
    ['ts', "TIMESTAMP 'infinity'", 2n ** 63n - 1n],
    ['day(ts)', "TIMESTAMP '-infinity'", -106751992],
    ['hour(ts)', "TIMESTAMP 'infinity'", 2147483647],
    ['year(d)', "DATE 'infinity'", 5879610],
    ['f', "'-0.0'::DOUBLE", -0],
    ['f', "'nan'::DOUBLE", Number.NaN],
    ['f', "'-inf'::DOUBLE", -Infinity],
    ['m', "'-0.01'::DECIMAL(4,4)", -100n],
    ['truncate(m, 50)', "'-0.01'::DECIMAL(4,4)", -100n],
  ])('B6 the partition %s of %s is %s, not NULL', async (term, sql, value) => {
    const column = /\((\w+)/.exec(term)?.[1] ?? term
    const columns = ['id long', 'd date', 'ts timestamp', 'f double', 'm decimal(4,4)']
    const { files } = await store(columns, `SELECT 1 AS id, ${sql} AS ${column}`, [term])
    expect(files.map(({ partition }) => partition[0])).toEqual([value])
  })

  it.each([
    ["DATE 'infinity'", 'infinity'],
    ["DATE '-infinity'", '-infinity'],
    ["{'__proto__': 5}", "{'__proto__': 5}"],
    ["row(1, 'a')", '(1, a)'],
    ["[NULL, 'NULL', '', 'a,b', 'it''s']", "[NULL, 'NULL', '', 'a,b', 'it\\'s']"],
    ["'-0.0'::DOUBLE", '-0'],
    [
      '(-170141183460469231731687303715884105727)::HUGEINT',
      '-170141183460469231731687303715884105727',
    ],
    ["INTERVAL '-1 month 3 days -00:00:00.5'", '-1 month 3 days -00:00:00.5'],
    ["TIMESTAMP_NS '2020-01-01 00:00:00.123456789'", '2020-01-01 00:00:00.123456789'],
  ])('B6 %s is printed as %s', async (sql, text) => {
    expect((await answers.ask(`SELECT ${sql}`)).rows).toEqual([text])
  })
})

describe('both zeros in one column', () => {
  const columns = [
    'id long',
    'p int',
    'f float',
    'l {"type":"list","element-id":10,"element":"double","element-required":false}',
    'm {"type":"map","key-id":11,"key":"string","value-id":12,"value":"double","value-required":false}',
  ]
  const select = `SELECT i AS id, (i % 3)::INTEGER AS p, x::FLOAT AS f, [x] AS l, MAP {'k': x} AS m
    FROM (SELECT i, CASE i % 7 WHEN 0 THEN '-0.0' WHEN 1 THEN '1' ELSE '0.0' END::DOUBLE AS x FROM range(2100) t(i))`

  it.each([
    ['one file', []],
    ['a file of each partition', ['p']],
  ])(
    'B6 [W6] stay apart in %s, although DuckDB has one entry for them in a dictionary',
    async (_, by) => {
      const stored = await store(columns, select, by)
      for (const files of [stored.files, await rewritten(stored)]) {
        const paths = files.map(({ localPath }) => quoteLiteral(localPath)).join(', ')
        const negative = (sql: string): string => `count(*) FILTER (${sql} = 0 AND signbit(${sql}))`
        const counts = await stage.rows(
          `SELECT ${negative('f')}, ${negative('l[1]')}, ${negative("m['k']")} FROM read_parquet([${paths}])`,
        )
        expect(counts).toEqual([[300n, 300n, 300n]])
      }
    },
  )
})

describe('any value of any type', () => {
  const columns = [
    'id long',
    ...valueTypes.map((type, index) => `c${index} ${formatType(type).replaceAll(' ', '')}`),
    'm {"type":"map","key-id":100,"key":"string","value-id":101,"value":"string","value-required":false}',
    'l {"type":"list","element-id":102,"element":"string","element-required":false}',
  ]
  interface Row {
    readonly values: readonly (Value | null)[]
    readonly map: readonly (readonly [string, string])[]
    readonly list: readonly (string | null)[]
  }
  const row: fc.Arbitrary<Row> = fc.record({
    values: fc.tuple(...valueTypes.map((type) => fc.option(anyValue(type), { freq: 8 }))),
    map: fc.uniqueArray(fc.tuple(anyText, anyText), { maxLength: 3, selector: ([key]) => key }),
    list: fc.array(fc.option(anyText, { freq: 6 }), { maxLength: 3 }),
  })
  const terms = valueTypes.flatMap(({ type }, index) => {
    const column = `c${index}`
    if (type === 'boolean' || type === 'float' || type === 'double') return [column]
    const buckets = [column, `bucket(${column}, 16)`]
    if (type === 'date')
      return [...buckets, `day(${column})`, `month(${column})`, `year(${column})`]
    if (type.startsWith('timestamp')) return [...buckets, `hour(${column})`, `day(${column})`]
    return type === 'time' || type === 'uuid' ? buckets : [...buckets, `truncate(${column}, 3)`]
  })
  const text = (value: string): string => sqlOf({ type: 'string' }, value)
  const selectOf = (rows: readonly Row[]): string =>
    rows
      .map(({ list, map, values }, id) => {
        const cells = valueTypes.map((type, at) => `${sqlOf(type, values[at] ?? null)} AS c${at}`)
        const keys = map.map(([key]) => text(key)).join(', ')
        const entries = map.map(([, value]) => text(value)).join(', ')
        const items = list.map((item) => (item === null ? 'NULL' : text(item))).join(', ')
        return `SELECT ${id}::BIGINT AS id, ${cells.join(', ')},
          MAP([${keys}]::VARCHAR[], [${entries}]::VARCHAR[]) AS m, [${items}]::VARCHAR[] AS l`
      })
      .join(' UNION ALL ')

  it('A4 B6 [W3] [W4] [W6] goes unaltered into bounds, partitions, rows, outputs and filters', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { minLength: 1, maxLength: 6 }),
        fc.constantFrom(...terms),
        async (rows, term) => {
          const stored = await store(columns, selectOf(rows), [term])
          await checkFiles(stored, rows)
          await checkFiles({ ...stored, files: await rewritten(stored) }, rows)
          await checkCsv(stored.name)
          await checkJson(stored.name, rows)
          await checkFilters(stored.name, rows)
        },
      ),
      { numRuns: 6 * fuzzEffort },
    )
  })

  async function checkFiles({ files, table }: Stored, rows: readonly Row[]): Promise<void> {
    const [field] = defaultPartitionSpec(table.metadata).fields
    const schema = currentSchema(table.metadata)
    const source = schema.fields.findIndex(({ id }) => id === field?.sourceId) - 1
    const sourceType = valueTypes[source]
    let found = 0
    for (const file of files) {
      const ids = await lake.database.withConnection(async (connection) => {
        const read = await connection.runAndReadAll(
          `SELECT id FROM read_parquet(${quoteLiteral(file.localPath)})`,
        )
        return read.getRows().map(([id]) => Number(id))
      })
      found += ids.length
      for (const [at, type] of valueTypes.entries()) {
        const values = ids.flatMap((id) => rows[id]?.values[at] ?? [])
        checkBounds(file, at + 2, type, values)
        if (at !== source || field === undefined || sourceType === undefined) continue
        for (const id of ids) {
          const value = rows[id]?.values[at] ?? null
          const expected =
            value === null ? null : applyTransform(field.transform, sourceType, value)
          expect([id, file.partition[0]]).toEqual([id, plain(expected)])
        }
      }
    }
    expect(found).toBe(rows.length)
  }

  /** Exact; long text is cut, outward, by the engine itself. */
  function checkBounds(
    file: WrittenFile,
    id: number,
    type: PrimitiveType,
    values: readonly Value[],
  ): void {
    const [lower, upper] = boundsOf(file, id, type)
    if (lower === undefined || upper === undefined) return
    const sorted = [...values].sort((a, b) => compareValues(type, a, b))
    const [least, greatest] = [sorted[0], sorted.at(-1)]
    if (least === undefined || greatest === undefined) throw new Error('bounds of no value')
    const isCut = type.type === 'string' || type.type === 'binary'
    expect(compareValues(type, lower, least)).toBeLessThanOrEqual(0)
    expect(compareValues(type, upper, greatest)).toBeGreaterThanOrEqual(0)
    if (isCut || least === 0 || greatest === 0) return
    expect([lower, upper]).toEqual([least, greatest])
  }

  /** DuckDB reads the file back into the types: nested values too, by its own rules of quoting. */
  async function checkCsv(name: string): Promise<void> {
    const path = join(lake.directory, 'answer.csv')
    await writeFile(path, await output(`SELECT * FROM ${name}`, 'csv'))
    const types = [...valueTypes.map(sqlType), 'MAP(VARCHAR, VARCHAR)', 'VARCHAR[]']
    const names = [...valueTypes.map((_, at) => `c${at}`), 'm', 'l']
    const differ = names.map((column, at) => {
      return `coalesce(CAST(c.${column} AS ${types[at]})::VARCHAR, '') || (c.${column} IS NULL)
        IS DISTINCT FROM coalesce(g.${column}::VARCHAR, '') || (g.${column} IS NULL)`
    })
    const read = `read_csv(${quoteLiteral(path)}, header = true, all_varchar = true, delim = ',', quote = '"',
      escape = '"', strict_mode = true, auto_detect = false, allow_quoted_nulls = false, nullstr = '',
      columns = {${['id', ...names].map((column) => `'${column}': 'VARCHAR'`).join(', ')}})`
    const wrong = await stage.rows(
      `SELECT g.id, [${differ.join(', ')}] FROM given g LEFT JOIN ${read} c ON c.id::BIGINT = g.id
       WHERE c.id IS NULL OR ${differ.join(' OR ')}`,
    )
    expect(wrong).toEqual([])
  }

  async function checkJson(name: string, rows: readonly Row[]): Promise<void> {
    const lines = (await output(`SELECT * FROM ${name} ORDER BY id`, 'jsonlines')).split('\n')
    for (const [id, { list, map, values }] of rows.entries()) {
      const cells = parseJson(lines[id] ?? '') as Readonly<Record<string, unknown>>
      expect(cells['l']).toEqual(list)
      expect(Object.entries(cells['m'] as object)).toEqual(
        expect.arrayContaining(map.map((entry) => [...entry])),
      )
      for (const [at, { type }] of valueTypes.entries()) {
        const cell = cells[`c${at}`]
        const value = values[at] ?? null
        if (value === null || type === 'string' || type === 'uuid' || type === 'boolean') {
          expect(cell).toBe(value)
        } else if (type === 'float') expect(Math.fround(Number(cell))).toBe(value)
        else if (type === 'double') expect(Number(cell)).toBe(value)
        else if (type === 'long' || type === 'int')
          expect(BigInt(String(cell))).toBe(BigInt(value as bigint))
      }
    }
  }

  async function checkFilters(name: string, rows: readonly Row[]): Promise<void> {
    for (const [at, type] of valueTypes.entries()) {
      const value = rows.map(({ values }) => values[at]).find((one) => one !== null)
      if (value === undefined || value === null) continue
      const [written] = await stage.rows(`SELECT (${sqlOf(type, value)})::VARCHAR`)
      const literal = `${quoteLiteral(String(written?.[0]))}::${sqlType(type)}`
      if (literal.includes('\0')) continue
      const condition = `c${at} = ${literal}`
      const [expected] = await stage.rows(`SELECT count(*) FROM given WHERE ${condition}`)
      const asked = await answers.ask(`SELECT count(*) FROM ${name} WHERE ${condition}`)
      expect([condition, asked.rows]).toEqual([condition, [String(expected?.[0])]])
    }
  }
})

function plain(value: Value | null): Value | null {
  return value instanceof Uint8Array ? Uint8Array.from(value) : value
}
