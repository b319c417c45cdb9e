import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fuzzEffort } from '../../tests/support/fuzz-effort.ts'
import { anyValue, sqlOf, valueTypes } from '../../tests/support/typed-values.ts'
import { formatType, type PrimitiveType, type Value } from '../../catalog/format/index.ts'
import { type Database, openDatabase } from '../session/database.ts'
import { engineValue } from './engine-value.ts'

let database: Database
beforeAll(async () => {
  database = await openDatabase({ threads: 1 })
})
afterAll(() => database.close())

async function textOf(type: PrimitiveType, values: readonly Value[]): Promise<readonly string[]> {
  const column = type.type === 'binary' ? 'hex(v)' : 'v::VARCHAR'
  const list = values.map((value) => sqlOf(type, value)).join(', ')
  return database.withConnection(async (connection) => {
    const read = await connection.runAndReadAll(
      `SELECT ${column} FROM (SELECT unnest([${list}]) AS v)`,
    )
    return read.getColumns()[0] as readonly string[]
  })
}

describe('engineValue()', () => {
  it.each(valueTypes.map((type) => [formatType(type), type] as const))(
    '[W6] reads what DuckDB writes of any %s, to the last digit',
    async (_, type) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(anyValue(type), { minLength: 20, maxLength: 40 }),
          async (given) => {
            const texts = await textOf(type, given)
            expect(texts.map((text) => engineValue(type, text))).toEqual(given)
          },
        ),
        { numRuns: 10 * fuzzEffort },
      )
    },
  )

  it.each([
    ['date', "DATE 'infinity'", 2 ** 31 - 1],
    ['date', "DATE '-infinity'", -(2 ** 31) + 1],
    ['date', "DATE '0044-03-15 (BC)'", -735_160],
    ['timestamp', "TIMESTAMP 'infinity'", 2n ** 63n - 1n],
    ['timestamptz', "TIMESTAMPTZ '-infinity'", -(2n ** 63n) + 1n],
    ['timestamp', "TIMESTAMP '294246-12-31 23:59:59.999999'", 9_223_371_244_799_999_999n],
    ['time', "TIME '24:00:00'", 86_400_000_000n],
  ] as const)('[W6] knows the ends of the calendar: %s %s', async (type, sql, value) => {
    const read = await database.withConnection(async (connection) =>
      (await connection.runAndReadAll(`SELECT (${sql})::VARCHAR`)).getRows(),
    )
    expect(engineValue({ type }, String(read[0]?.[0]))).toBe(value)
  })

  it.each([
    ['decimal', '1e5'],
    ['double', ''],
    ['int', '1.5'],
    ['uuid', 'x'],
    ['date', 'tomorrow'],
  ])('refuses what is no %s: %s', (type, text) => {
    const of = type === 'decimal' ? { type, precision: 9, scale: 2 } : { type }
    expect(() => engineValue(of as PrimitiveType, text)).toThrow(/unknown form|not known/)
  })
})
