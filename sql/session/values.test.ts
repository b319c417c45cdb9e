import { DuckDBTimestampTZValue } from '@duckdb/node-api'
import { afterEach, describe, expect, it } from 'vitest'
import { openDatabase } from './database.ts'
import { jsonText, plainText, valueReader, type SqlValue } from './values.ts'

const zone = DuckDBTimestampTZValue.timezoneOffsetInMinutes
afterEach(() => {
  DuckDBTimestampTZValue.timezoneOffsetInMinutes = zone
})

async function read(expression: string): Promise<SqlValue> {
  const database = await openDatabase()
  try {
    return await database.withConnection(async (connection) => {
      const reader = await connection.runAndReadAll(`SELECT ${expression}`)
      return valueReader(reader.columnType(0))(reader.getRows()[0]?.[0] ?? null)
    })
  } finally {
    database.close()
  }
}

describe('[Q6] valueReader()', () => {
  it.each([
    ['9007199254740993::BIGINT', '9007199254740993', '9007199254740993'],
    ['18446744073709551615::UBIGINT', '18446744073709551615', '18446744073709551615'],
    ['-0.1::DECIMAL(38,10)', '-0.1000000000', '-0.1000000000'],
    ['0.1::FLOAT', '0.1', '0.1'],
    ['3.4028234e38::FLOAT', '3.4028235e+38', '3.4028235e+38'],
    ['16777216::FLOAT', '16777216', '16777216'],
    ["'-0.0'::DOUBLE", '-0', '-0'],
    ["'-inf'::DOUBLE", '"-Infinity"', '-inf'],
    [
      "TIMESTAMP '1969-12-31 23:59:59.999999'",
      '"1969-12-31T23:59:59.999999"',
      '1969-12-31 23:59:59.999999',
    ],
    [
      "TIMESTAMPTZ '2026-01-01 00:00:00.5+02'",
      '"2025-12-31T22:00:00.5Z"',
      '2025-12-31 22:00:00.5+00',
    ],
    ["'infinity'::TIMESTAMPTZ", '"infinity"', 'infinity'],
    ["DATE '0044-03-15 (BC)'", '"0044-03-15 (BC)"', '0044-03-15 (BC)'],
    ['INTERVAL 1 MONTH + INTERVAL 2 HOUR', '"1 month 02:00:00"', '1 month 02:00:00'],
    [
      "[{'a': 0.1::FLOAT, 'b': [NULL, 2]}]",
      '[{"a":0.1,"b":[null,2]}]',
      "[{'a': 0.1, 'b': [NULL, 2]}]",
    ],
    [
      "MAP {TIMESTAMPTZ '2026-01-01 00:00:00+00': 1}",
      '{"2026-01-01 00:00:00+00":1}',
      "{'2026-01-01 00:00:00+00'=1}",
    ],
    ["'\\x00''\"\\x5Ca'::BLOB", '"\\\\x00\\\\x27\\\\x22\\\\x5Ca"', '\\x00\\x27\\x22\\x5Ca'],
    ['[1, 2]::INTEGER[2]', '[1,2]', '[1, 2]'],
    ["'x'::ENUM('x', 'y')", '"x"', 'x'],
    ["'1010'::BIT", '"1010"', '1010'],
    ["'q\"\n'", '"q\\"\\n"', 'q"\n'],
  ])('%s', async (expression, json, plain) => {
    // The driver would shift instants to the zone of the machine.
    DuckDBTimestampTZValue.timezoneOffsetInMinutes = 90
    const value = await read(expression)
    expect(jsonText(value)).toBe(json)
    expect(plainText(value)).toBe(plain)
  })
})
