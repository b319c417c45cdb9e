import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { NestedField } from '../../catalog/format/index.ts'
import { systemClock } from '../../common/index.ts'
import type { DeadLetter } from '../dead-letter/dead-letter.ts'
import { columnLayout } from '../spool/column-layout.ts'
import { RowScanner } from '../decode/json/row-scanner.ts'
import { compileScanPlan } from '../decode/json/scan-plan.ts'
import { SpoolWriter } from '../spool/spool-writer.ts'
import { RecordColumns } from '../record-batch/record-columns.ts'
import { MicroBatch, type RowRules } from './batch.ts'
import type { RecordBatch } from '../source/record-source.ts'
import { refusedLetters } from './refused-rows.ts'

const placeKeys = { offset: '$o', timestamp: '$t', partition: '$p', record: '$r' }
const fields: NestedField[] = [{ id: 1, name: 'a', required: false, type: { type: 'long' } }]

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tidewater-micro-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

function rules(coercion: 'strict' | 'lenient'): RowRules {
  const layout = columnLayout(fields, coercion, placeKeys)
  return {
    scanner: new RowScanner(compileScanPlan(fields, coercion)),
    format: { placeKeys, layout },
  }
}

function microBatch(name: string, spoolWriter = new SpoolWriter()): MicroBatch {
  return new MicroBatch({
    directory: join(directory, name),
    stream: 's',
    clock: systemClock,
    spoolWriter,
    placeKeys,
    committedOffset: () => 40n,
  })
}

async function lettersOf(
  batch: MicroBatch,
  refused: Parameters<typeof refusedLetters>[1],
): Promise<readonly DeadLetter[]> {
  const letters: DeadLetter[] = []
  for await (const letter of refusedLetters(batch, refused)) letters.push(letter)
  return letters
}

/** Key `k` and one header `h: xy` for each value, or neither. */
function records(values: readonly string[], isBare = false): RecordBatch {
  const columns = new RecordColumns(values.length)
  const parts: Buffer[] = []
  let at = 0
  const put = (bytes: Buffer): number => {
    parts.push(bytes)
    at += bytes.length
    return at
  }
  for (const [row, value] of values.entries()) {
    columns.setOffsetBigint(row, 40n + BigInt(row))
    columns.setTimestampBigint(row, 1000n)
    columns.keyStarts[row] = isBare ? -1 : at
    columns.keyEnds[row] = isBare ? -1 : put(Buffer.from('k'))
    columns.valueStarts[row] = at
    columns.valueEnds[row] = put(Buffer.from(value))
    columns.headerStarts[row] = at
    // Zigzag varints: one header, a name of one byte, a value of two.
    columns.headerEnds[row] = isBare ? at : put(Buffer.from('\u0002\u0002h\u0004xy', 'latin1'))
  }
  columns.count = values.length
  const data = Buffer.concat(parts)
  const nextOffset = 40n + BigInt(values.length)
  return columns.toBatch({ topic: 't', partition: 2, data, timestampType: 0, nextOffset })
}

describe('MicroBatch', () => {
  it('letterOfRow() gives back the whole record, byte for byte', async () => {
    const values = ['{"a":1.5}', ' {"a":\n"x"}\n', '{}', '{"a" :12345678901234567890}']
    const batch = microBatch('letters')
    await batch.add(records(values), rules('lenient'))
    await batch.spill(true)
    await batch.spools[0]?.written
    const refused = values.map((_, row) => ({ spool: 0, row, reason: 'refused' }))
    const letters = await lettersOf(batch, refused)
    expect(letters.map((letter) => Buffer.from(letter.value ?? []).toString())).toEqual(values)
    for (const [row, letter] of letters.entries()) {
      expect(Buffer.from(letter.key ?? []).toString()).toBe('k')
      expect(letter.headers).toEqual([{ name: 'h', value: Buffer.from('xy') }])
      expect(letter).toMatchObject({ topic: 't', partition: 2, offset: 40n + BigInt(row) })
    }
  })

  it('letterOfRow() knows a record without key and headers', async () => {
    const batch = microBatch('bare')
    await batch.add(records(['{"a":true}', '{}'], true), rules('lenient'))
    await batch.spill(true)
    await batch.spools[0]?.written
    const path = batch.spools[0]?.path ?? ''
    expect((await readFile(path, 'utf8')).split('\n')).toHaveLength(3)
    const letters = await lettersOf(
      batch,
      [0, 1].map((row) => ({ spool: 0, row, reason: '' })),
    )
    expect(letters.map(({ key, headers }) => ({ key, headers }))).toEqual([
      { key: null, headers: [] },
      { key: null, headers: [] },
    ])
    expect(letters.map((letter) => Buffer.from(letter.value ?? []).toString())).toEqual([
      '{"a":true}',
      '{}',
    ])
  })

  it('[E4] writes the rows of one format before it takes rows of another', async () => {
    const spoolWriter = new SpoolWriter()
    const batch = microBatch('formats', spoolWriter)
    await batch.add(records(['{"a":1}', '{"a":2}']), rules('strict'))
    await batch.add(records(['{"a":3}']), rules('lenient'))
    await batch.spill(true)
    expect(batch.spools.map(({ rowCount, columns }) => [rowCount, columns?.[0]])).toEqual([
      [2, 'a'],
      [1, undefined],
    ])
    expect(batch.rowCount).toBe(3)
  })
})
