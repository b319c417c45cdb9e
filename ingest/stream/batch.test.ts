import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { assignFreshIds, type NestedField } from '../../catalog/format/index.ts'
import { ObjectStoreCatalog, type RefusedRow, type Table } from '../../catalog/index.ts'
import { systemClock, ValidationError } from '../../common/index.ts'
import { MemoryFileIO } from '../../io/index.ts'
import { recordBatch, type TestRecord } from '../../tests/support/scripted-source.ts'
import { plainKeyRules } from '../decode/key-rules.ts'
import { openJsonDecoder } from '../decode/json/json-decoder.ts'
import type { RecordInBatch } from '../decode/row-decoder.ts'
import { SpoolWriter } from '../spool/spool-writer.ts'
import { Batch, type BatchOptions } from './batch.ts'
import type { TableReader } from './tables.ts'

type Coercion = 'strict' | 'lenient'

const coordinateKeys = { offset: '$o', timestamp: '$t', partition: '$p', record: '$r' }

let directory: string
let catalog: ObjectStoreCatalog
let table: Table
let renamed: Table
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tidewater-batch-'))
  catalog = new ObjectStoreCatalog({ io: new MemoryFileIO(), warehouse: 'memory://w' })
  await catalog.createNamespace(['web'])
  table = await createTable('events', 'a')
  renamed = await createTable('renamed', 'b')
})
afterAll(() => rm(directory, { recursive: true, force: true }))

function createTable(name: string, column: string): Promise<Table> {
  const field = { id: 0, name: column, required: false, type: { type: 'long' } } as const
  const { schema } = assignFreshIds({ schemaId: 0, identifierFieldIds: [], fields: [field] })
  return catalog.createTable({ identifier: { namespace: ['web'], name }, schema })
}

function readerOf(coercion: Coercion, of = table, ...added: readonly string[]): TableReader {
  const names = [of === renamed ? 'b' : 'a', ...added]
  const fields: NestedField[] = names.map((name, index) => ({
    id: index + 1,
    name,
    required: false,
    type: { type: 'long' },
  }))
  const decoder = openJsonDecoder(fields, coordinateKeys, { coercion })
  const filled = { fields, isOpen: () => false, rules: plainKeyRules }
  return {
    table: of,
    pending: [],
    filled,
    sideFields: [],
    place: undefined,
    decoder,
    format: decoder.format,
  }
}

function valueText({ batch, index }: RecordInBatch): string {
  const value = batch.data.subarray(batch.valueStarts[index], batch.valueEnds[index])
  return Buffer.from(value).toString()
}

let batches = 0
function openBatch(options: Partial<BatchOptions> = {}): Batch {
  const number = ++batches
  return new Batch({
    number,
    directory: join(directory, `batch-${number}`),
    stream: 's',
    tolerance: 'data',
    unknownFields: 'add',
    clock: systemClock,
    spoolWriter: new SpoolWriter(),
    reader: readerOf('lenient'),
    committedOffset: () => 40n,
    ...options,
  })
}

const at40 = (records: readonly (TestRecord | string | null)[], partition = 2) =>
  recordBatch(partition, 40, records)

async function seal(batch: Batch): Promise<void> {
  await batch.spill(true)
  batch.seal([])
  await batch.spooled()
}

/** The dead-letter rows, with keys, values and headers as text. */
async function letters(batch: Batch): Promise<readonly Record<string, unknown>[]> {
  const contents = await batch.letters.uncommitted(undefined)
  if (contents === undefined) return []
  const text = (base64: string | null): string | null =>
    base64 === null ? null : Buffer.from(base64, 'base64').toString()
  const lines = (await readFile(contents.spool.path, 'utf8')).trimEnd().split('\n')
  return lines.map((line) => {
    const { topic, partition, offset, key, value, headers, error } = JSON.parse(line)
    const named = headers.map((each: { key: string; value: string }) => [
      each.key,
      text(each.value),
    ])
    return { topic, partition, offset, key: text(key), value: text(value), headers: named, error }
  })
}

const refusedRows = (count: number, reason = 'refused'): readonly RefusedRow[] =>
  Array.from({ length: count }, (_, row) => ({ spool: 0, row, reason }))

describe('Batch', () => {
  it('[E4] unites the ranges of what is added, from where the table ends', async () => {
    const batch = openBatch()
    expect(batch.isEmpty).toBe(true)
    await batch.add(at40(['{"a":1}', '{"a":2}']), batch.reader)
    await batch.add(recordBatch(2, 42, ['{"a":3}']), batch.reader)
    await batch.add(recordBatch(0, 50, []), batch.reader)
    expect(batch.ranges).toEqual([
      { topic: 't', partition: 2, from: 40n, to: 43n },
      { topic: 't', partition: 0, from: 40n, to: 50n },
    ])
    expect(batch).toMatchObject({ isEmpty: false, recordCount: 3, newestTimestampMs: 1000 })
  })

  it('[E4] makes a letter of a row that the engine refuses: the whole record, byte for byte', async () => {
    const values = ['{"a":1.5}', ' {"a":\n"x"}\n', '{}', '{"a" :12345678901234567890}']
    const batch = openBatch()
    const records = values.map((value) => ({ key: 'k', value, header: 'xy' }))
    await batch.add(at40(records), batch.reader)
    await seal(batch)
    await batch.staged([], [...refusedRows(values.length)].reverse())
    expect(await letters(batch)).toEqual(
      values.map((value, row) => ({
        topic: 't',
        partition: 2,
        offset: 40 + row,
        key: 'k',
        value,
        headers: [['h', 'xy']],
        error: 'refused',
      })),
    )
  })

  it('[E4] and of one without key and headers', async () => {
    const batch = openBatch()
    await batch.add(at40(['{"a":true}', '{}']), batch.reader)
    await seal(batch)
    expect((await readFile(batch.spools[0]?.path ?? '', 'utf8')).split('\n')).toHaveLength(3)
    await batch.staged([], refusedRows(2))
    expect(await letters(batch)).toMatchObject([
      { key: null, headers: [], value: '{"a":true}' },
      { key: null, headers: [], value: '{}' },
    ])
  })

  it('[E4] writes the rows of one format before it takes rows of another', async () => {
    const batch = openBatch({ reader: readerOf('strict') })
    await batch.add(at40(['{"a":1}', '{"a":2}']), batch.reader)
    await batch.add(recordBatch(2, 42, ['{"a":3}']), readerOf('lenient'))
    await batch.spill(true)
    expect(batch.spools.map(({ rowCount, columns }) => [rowCount, columns?.[0]])).toEqual([
      [2, 'a'],
      [1, undefined],
    ])
  })

  it('[E4] keeps records that wait for a column until they are tried again', async () => {
    const batch = openBatch({ reader: readerOf('strict') })
    await batch.add(at40(['{"a":1,"n":2}', '{"a":3}', '{"a":4,"m":5}']), batch.reader)
    expect(batch.waiting.map(valueText)).toEqual(['{"a":1,"n":2}', '{"a":4,"m":5}'])
    expect(() => batch.seal([])).toThrow('wait for a column')
    await batch.retryWaiting(readerOf('strict', table, 'n'))
    expect(batch.waitingCount).toBe(0)
    await seal(batch)
    expect(batch.spools.reduce((sum, { rowCount }) => sum + rowCount, 0)).toBe(2)
    expect(await letters(batch)).toMatchObject([{ offset: 42, error: expect.stringMatching(/m/) }])
  })

  it('has the schema evolved before very many records wait', async () => {
    const batch = openBatch({ reader: readerOf('strict') })
    const values = Array.from({ length: 1000 }, () => '{"n":1}')
    await batch.add(at40(values), batch.reader)
    expect(batch.isWaitingLong).toBe(false)
    await batch.add(recordBatch(2, 1040, ['{"n":1}']), batch.reader)
    expect(batch.isWaitingLong).toBe(true)
  })

  it('[E4] takes no rows of other columns', async () => {
    const batch = openBatch({ reader: readerOf('strict') })
    await batch.add(at40(['{"a":1}']), batch.reader)
    const other = readerOf('strict', renamed)
    expect(batch.isReadableBy(readerOf('strict'))).toBe(true)
    expect(batch.isReadableBy(other)).toBe(false)
    const moved = readerOf('strict')
    const otherKeys = { ...moved.format, coordinateKeys: { ...coordinateKeys, offset: '$o2' } }
    expect(batch.isReadableBy({ ...moved, format: otherKeys })).toBe(false)
    await expect(batch.add(recordBatch(2, 41, ['{"b":1}']), other)).rejects.toThrow('other columns')
  })

  it('[E7] goes from open to sealed to committed, and never back', async () => {
    const batch = openBatch()
    await batch.add(at40(['{"a":1}']), batch.reader)
    expect(batch.state).toBe('open')
    await expect(batch.staged([], [])).rejects.toThrow('the batch is open, expected sealed')
    expect(() => batch.committed()).toThrow('the batch is open, expected sealed')
    const idle = [{ topic: 't', partition: 9, from: 1n, to: 1n }]
    await batch.spill(true)
    batch.seal(idle)
    expect(batch).toMatchObject({ state: 'sealed', idle })
    await expect(batch.add(at40(['{"a":1}']), batch.reader)).rejects.toThrow('expected open')
    await expect(batch.retryWaiting(batch.reader)).rejects.toThrow('expected open')
    expect(() => batch.files).toThrow('not staged')
    await batch.staged([], [])
    expect(batch.files).toEqual([])
    batch.committed()
    expect(batch.state).toBe('committed')
    expect(() => batch.committed()).toThrow('the batch is committed, expected sealed')
  })
})

interface Reason {
  readonly name: string
  readonly value: string | null
  readonly says: RegExp
  /** Where it becomes a letter. */
  readonly in: Readonly<Record<Coercion, 'add' | 'retryWaiting' | 'staged'>>
}

const everywhere = (place: 'add' | 'retryWaiting'): Reason['in'] => ({
  strict: place,
  lenient: place,
})

const reasons: readonly Reason[] = [
  { name: 'a null value', value: null, says: /null value/, in: everywhere('add') },
  { name: 'no json', value: 'nope', says: /not json/, in: everywhere('add') },
  { name: 'an unknown field', value: '{"x":1}', says: /x/, in: everywhere('retryWaiting') },
  {
    name: 'a value that the column cannot keep',
    value: '{"a":"12x"}',
    says: /\ba\b|engine/,
    in: { strict: 'add', lenient: 'staged' },
  },
]

const cases = reasons.flatMap((reason) =>
  (['strict', 'lenient'] as const).flatMap((coercion) =>
    (['none', 'data', 'all'] as const).map((tolerance) => ({ ...reason, coercion, tolerance })),
  ),
)

describe('errors.tolerance', () => {
  it.each(cases)('$tolerance, $coercion: $name', async (each) => {
    const { value, coercion, tolerance, says } = each
    const batch = openBatch({ tolerance, reader: readerOf(coercion) })
    const steps = {
      add: () => batch.add(at40(['{"a":1}', value]), batch.reader),
      retryWaiting: () => batch.retryWaiting(batch.reader),
      staged: async () => {
        await seal(batch)
        const isHere = each.in[coercion] === 'staged'
        await batch.staged([], isHere ? [{ spool: 0, row: 1, reason: 'engine: not a long' }] : [])
      },
    }
    for (const [name, run] of Object.entries(steps)) {
      if (tolerance !== 'none' || name !== each.in[coercion]) {
        await run()
        continue
      }
      const error = await run().catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(ValidationError)
      expect(String(error)).toContain('a record cannot become a row and errors.tolerance is none: ')
      expect(String(error)).toMatch(says)
      expect(String(error)).toContain('topic=t partition=2 offset=41')
      expect(await letters(batch)).toEqual([])
      return
    }
    expect(tolerance).not.toBe('none')
    expect(await letters(batch)).toMatchObject([
      { offset: 41, value, error: expect.stringMatching(says) },
    ])
  })
})
