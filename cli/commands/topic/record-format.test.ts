import { describe, expect, it } from 'vitest'
import { type ShownRecord, compileRecordFormat, jsonRecord } from './record-format.ts'

const record: ShownRecord = {
  topic: 'events',
  partition: 2,
  offset: 9007199254740993n,
  timestampMs: 1_700_000_000_000n,
  key: Buffer.from('k'),
  value: Uint8Array.of(0xff, 0x00),
  headers: [
    { name: 'a', value: Buffer.from('b') },
    { name: 'n', value: null },
  ],
}

describe('compileRecordFormat()', () => {
  it('fills every letter and escape, and leaves bytes as they are', () => {
    const text = compileRecordFormat('%t|%p|%o|%T|%k|%K|%S|%h|%%|\\t|\\x41|\\\\n\\n')(record)
    expect(text.toString()).toBe(
      'events|2|9007199254740993|1700000000000|k|1|2|a=b,n=NULL|%|\t|A|\\n\n',
    )
    expect(compileRecordFormat('%s')(record)).toEqual(Buffer.from([0xff, 0x00]))
    expect(compileRecordFormat('<%v>%S')({ ...record, value: null }).toString()).toBe('<>-1')
  })

  it('refuses an unknown letter, and a % at the end', () => {
    expect(() => compileRecordFormat('%q')).toThrow('unknown format "%q"')
    expect(() => compileRecordFormat('%')).toThrow('unknown format "%"')
  })
})

describe('jsonRecord()', () => {
  it('keeps every digit, and base64 for what is no text', () => {
    expect(jsonRecord(record).toString()).toBe(
      '{"topic":"events","partition":2,"offset":9007199254740993,"timestamp":1700000000000,"key":"k","value":"/wA=","value_encoding":"base64","headers":[{"key":"a","value":"b"},{"key":"n","value":null}]}\n',
    )
    expect(jsonRecord({ ...record, key: null, value: null }).toString()).toContain(
      '"key":null,"value":null',
    )
  })
})
