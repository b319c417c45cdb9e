import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { NestedField, Type } from '../../../catalog/format/index.ts'
import { DecodeResult } from '../row-decoder.ts'
import { RowScanner } from './row-scanner.ts'
import { compileScanPlan } from './scan-plan.ts'
import { SpoolBuffer } from '../../spool/spool-buffer.ts'

let lastId = 0
function field(name: string, type: Type, required = false): NestedField {
  return { id: ++lastId, name, required, type }
}

function scanner(
  fields: readonly NestedField[],
  coercion: 'strict' | 'lenient' = 'strict',
): RowScanner {
  return new RowScanner(compileScanPlan(fields, coercion))
}

const noPrefix = Buffer.alloc(0)

interface Scanned {
  readonly result: number
  readonly fault: string
  readonly row: string
}

function scan(fields: readonly NestedField[], value: string | Buffer, prefix = noPrefix): Scanned {
  const row = new SpoolBuffer(16)
  const subject = scanner(fields)
  // The record stands between other bytes, as it does in a fetched batch.
  const padded = Buffer.concat([Buffer.from('}"1'), Buffer.from(value), Buffer.from('"}9')])
  const result = subject.scan(padded, 3, padded.length - 3)
  if (result === DecodeResult.good) subject.copyTo(row, prefix, prefix.length)
  return {
    result,
    fault: result === DecodeResult.good ? '' : subject.fault,
    row: row.view().toString(),
  }
}

function reasonFor(type: Type, json: string): string {
  return scan([field('a', type)], `{"a":${json}}`).fault
}

const simple = (
  type:
    | 'boolean'
    | 'int'
    | 'long'
    | 'float'
    | 'double'
    | 'date'
    | 'time'
    | 'timestamp'
    | 'timestamptz'
    | 'string'
    | 'uuid'
    | 'binary',
): Type => ({ type })

describe('RowScanner', () => {
  it('[J1] copies a good record with its place after the brace', () => {
    const prefix = Buffer.from('"$o":7')
    expect(scan([field('a', simple('long'))], '{"a":1}', prefix).row).toBe('{"$o":7,"a":1}\n')
    expect(scan([field('a', simple('long'))], '\n\n{"a":\r\n1}\n', prefix).row).toBe(
      '{"$o":7,"a":  1}\n',
    )
    expect(scan([field('a', simple('long'))], ' {} ', prefix).row).toBe('{"$o":7}\n')
  })

  it.each([
    ['long', '1.5', 'not an integer'],
    ['long', '1.0', 'not an integer'],
    ['long', '1e3', 'not an integer'],
    ['long', 'true', 'expected an integer, found a boolean'],
    ['long', '"1"', 'expected an integer, found a string'],
    ['long', '9223372036854775808', 'out of the range of long'],
    ['long', '-9223372036854775809', 'out of the range of long'],
    ['int', '2147483648', 'out of the range of int'],
    ['int', '-2147483649', 'out of the range of int'],
    ['double', '9007199254740993', 'integer not exact in a double'],
    ['double', '1e999', 'out of the range of double'],
    ['double', 'NaN', 'not json'],
    ['double', '-Infinity', 'not json'],
    ['float', '16777217', 'integer not exact in a float'],
    ['float', '1e39', 'out of the range of float'],
    ['boolean', '1', 'expected true or false, found a number'],
    ['string', '1', 'expected a string, found a number'],
    ['string', '{}', 'expected a string, found an object'],
    ['date', '"2024-02-30"', 'not a date'],
    ['date', '"2024-1-1"', 'not a date'],
    ['time', '"24:00:00"', 'not a time'],
    ['timestamp', '"2024-01-01T00:00:00Z"', 'timestamp with a zone in a column without one'],
    ['timestamptz', '"2024-01-01T00:00:00"', 'timestamp without a zone'],
    ['timestamptz', '"2024-01-01T00:00:00.1234567Z"', 'finer than a microsecond'],
    ['timestamptz', '1704067200000', 'expected a string, found a number'],
    ['uuid', '"6f9619ff-8b86-d011-b42d-00c04fc964f"', 'not a uuid'],
    ['binary', '"a"', 'not base64'],
  ] as const)('[J2] refuses for %s what would be altered: %s', (type, json, reason) => {
    expect(reasonFor(simple(type), json)).toContain(reason)
  })

  it.each([
    ['long', '9223372036854775807'],
    ['long', '-9223372036854775808'],
    ['long', '9007199254740993'],
    ['int', '-2147483648'],
    ['double', '9007199254740992'],
    ['double', '0.1'],
    ['double', '-1.5E+300'],
    ['float', '0.1'],
    ['date', '"2024-02-29"'],
    ['time', '"23:59:59.999999"'],
    ['timestamp', '"2024-01-01 00:00"'],
    ['timestamptz', '"1969-12-31T23:59:59.000001+05:30"'],
    ['timestamptz', '"2024-01-01T00:00:00Z"'],
    ['uuid', '"6F9619FF-8b86-d011-b42d-00c04fc964ff"'],
    ['binary', '"AAE="'],
    ['string', '"\\ud83d\\ude00 \\u0000 \\"\\\\"'],
  ] as const)('[J2] takes for %s what is kept exactly: %s', (type, json) => {
    expect(scan([field('a', simple(type))], `{"a":${json}}`)).toMatchObject({
      result: DecodeResult.good,
      row: `{"a":${json}}\n`,
    })
  })

  it('[J2] quotes a long decimal, so that it is not read through a double', () => {
    const fields = [
      field('a', { type: 'decimal', precision: 38, scale: 10 }),
      field('b', simple('long')),
    ]
    expect(scan(fields, '{"a":12345678901234567890.0123456789,"b":1}').row).toBe(
      '{"a":"12345678901234567890.0123456789","b":1}\n',
    )
    expect(scan(fields, '{"a":1.5,\n"b":1}').row).toBe('{"a":1.5, "b":1}\n')
    expect(scan(fields, '{\n"a":12345678901234567890.0123456789,\n"b":1}').row).toBe(
      '{ "a":"12345678901234567890.0123456789", "b":1}\n',
    )
    expect(reasonFor({ type: 'decimal', precision: 9, scale: 2 }, '1.239')).toContain(
      'more than 2 decimal places',
    )
    expect(reasonFor({ type: 'decimal', precision: 9, scale: 2 }, '12345678')).toContain(
      'more than 7 digits',
    )
    expect(reasonFor({ type: 'decimal', precision: 9, scale: 2 }, '1.2300')).toBe('')
  })

  it.each([
    ['', 'the record ends early'],
    ['null', 'expected a json object, found null'],
    ['[1]', 'expected a json object, found an array'],
    ['nope', 'not json'],
    ['{"a":1}}', 'bytes after the end'],
    ['{"a":1,}', 'not json'],
    ['{"a":01}', 'not json'],
    ['{"a":1', 'the record ends early'],
    ['{"a"', 'the record ends early'],
    ['{"a":tru', 'not json (byte 5)'],
    ['{"a":1,"a":2}', 'duplicate key a'],
    ['{"a":1,"A":2}', 'only in upper and lower case'],
    ['{"\\u0061":1,"a":2}', 'duplicate key a'],
  ] as const)('[J3] refuses %s', (json, reason) => {
    const { result, fault } = scan([field('a', simple('long'))], json)
    expect(result).toBe(DecodeResult.bad)
    expect(fault).toContain(reason)
  })

  it('[J3] refuses strings that are no text', () => {
    const fields = [field('a', simple('string'))]
    const withBytes = (...bytes: number[]): Buffer =>
      Buffer.concat([Buffer.from('{"a":"'), Buffer.from(bytes), Buffer.from('"}')])
    expect(scan(fields, withBytes(0xff)).fault).toBe('invalid utf-8')
    expect(scan(fields, withBytes(0xed, 0xa0, 0x80)).fault).toBe('invalid utf-8')
    expect(scan(fields, withBytes(0x0a)).fault).toBe('raw control character in a string')
    expect(scan(fields, withBytes(0x00)).fault).toBe('raw control character in a string')
    expect(scan(fields, '{"a":"\\ud800"}').fault).toBe('lone surrogate in a string')
    expect(scan(fields, '{"a":"\\udc00"}').fault).toBe('lone surrogate in a string')
  })

  it('[J4] reports an unknown key at any depth, but not one that holds null', () => {
    const inner: Type = { type: 'struct', fields: [field('x', simple('long'))] }
    const fields = [
      field('a', simple('long')),
      field('s', inner),
      field('l', { type: 'list', elementId: 90, elementRequired: false, element: inner }),
    ]
    expect(scan(fields, '{"a":1,"b":[{"c":1}]}')).toMatchObject({
      result: DecodeResult.unknownField,
      fault: 'field b is not in the schema',
    })
    expect(scan(fields, '{"s":{"y":1}}').fault).toBe('field s.y is not in the schema')
    expect(scan(fields, '{"l":[{"x":1},{"z":1}]}').fault).toBe(
      'field l.element.z is not in the schema',
    )
    expect(scan(fields, '{"a":1,"b":null}').result).toBe(DecodeResult.good)
  })

  it('[J4] refuses what no column can be named, wherever it stands, and never passes over it', () => {
    const fields = [field('s', { type: 'struct', fields: [field('x', simple('long'))] })]
    const faults = (text: string): string => {
      const { result, fault } = scan(fields, text)
      return result === DecodeResult.bad ? fault : `not bad: ${result}`
    }
    const refused = 'no column can have the name of field'
    expect(faults('{"":1}')).toBe(`${refused} "": it is empty`)
    expect(faults('{"s":{"x":1,"":2}}')).toBe(`${refused} "s.": it is empty`)
    expect(faults('{"":{"a":1},"b":2}')).toBe(`${refused} "": it is empty`)
    expect(faults('{"a\\u0000b":1}')).toBe(`${refused} "a\\u0000b": it holds a zero byte`)
    expect(faults(`{"${'k'.repeat(1_025)}":1}`)).toContain('longer than 1024 bytes')
    expect(scan(fields, '{"":null}').result).toBe(DecodeResult.good)
    expect(scan(fields, `{"${'k'.repeat(1_024)}":1}`).result).toBe(DecodeResult.unknownField)
  })

  it('[J5] demands required fields, in every struct of a list', () => {
    const inner: Type = { type: 'struct', fields: [field('x', simple('long'), true)] }
    const fields = [
      field('a', simple('long'), true),
      field('l', { type: 'list', elementId: 91, elementRequired: true, element: inner }),
    ]
    expect(scan(fields, '{}').fault).toBe('required field a is missing')
    expect(scan(fields, '{"a":null}').fault).toBe('null in required field a')
    expect(scan(fields, '{"a":1,"l":[{"x":1},{}]}').fault).toBe(
      'required field l.element.x is missing',
    )
    expect(scan(fields, '{"a":1,"l":[null]}').fault).toBe('null in required field l.element')
    expect(scan(fields, '{"l":[{"x":1}],"a":1}').result).toBe(DecodeResult.good)
  })

  it('[J6] bounds nesting instead of overflowing the stack', () => {
    const deep = (levels: number): string => `${'['.repeat(levels)}1${']'.repeat(levels)}`
    expect(scan([], `{"a":${deep(64)}}`).result).toBe(DecodeResult.unknownField)
    expect(scan([], `{"a":${deep(5000)}}`).fault).toContain('nested deeper than 100 levels')
  })

  it('[J7] agrees with JSON.parse about what is JSON, on mutated documents', () => {
    const document = fc.json({ maxDepth: 4 }).filter((text) => text.startsWith('{'))
    const mutated = fc
      .tuple(
        document,
        fc.nat(),
        fc.constantFrom('', '"', '{', '}', ',', ':', '1', '\\', 'e', ' ', '\n', 'é'),
      )
      .map(([text, at, piece]) => {
        const index = at % (text.length + 1)
        return text.slice(0, index) + piece + text.slice(index + (piece === '' ? 1 : 0))
      })
    fc.assert(
      fc.property(fc.oneof(document, mutated), (text) => {
        const { result, fault } = scan([], text)
        if (result === DecodeResult.bad) {
          // Stricter than JSON.parse only in these, each on purpose.
          const onPurpose =
            /[Dd]uplicate key|lone surrogate|upper and lower|no column can have/.test(fault)
          if (!onPurpose) expect(isJsonObject(text)).toBe(false)
        } else expect(isJsonObject(text)).toBe(true)
      }),
      { numRuns: 3000 },
    )
  })

  it('[J7] reads the same values whatever the order and spacing of keys', () => {
    const fields = [
      field('a', simple('long')),
      field('bb', simple('string')),
      field('c', simple('double')),
    ]
    const record = fc.record(
      {
        a: fc.maxSafeInteger(),
        bb: fc.string(),
        c: fc.double({ noNaN: true, noDefaultInfinity: true }).filter(isKept),
      },
      { requiredKeys: [] },
    )
    const space = fc.constantFrom('', ' ', '\n', '\r\n\t')
    fc.assert(
      fc.property(record, space, fc.boolean(), (value, gap, reversed) => {
        const entries = Object.entries(value)
        if (reversed) entries.reverse()
        const text = `{${entries.map(([key, v]) => `${gap}"${key}"${gap}:${gap}${JSON.stringify(v)}`).join(`${gap},`)}${gap}}`
        const { result, row } = scan(fields, text)
        expect(result).toBe(DecodeResult.good)
        expect(row.indexOf('\n')).toBe(row.length - 1)
        expect(JSON.parse(row)).toEqual(JSON.parse(text))
      }),
    )
  })

  it('[J8] with lenient coercion checks only that the record is a JSON object', () => {
    const lenient = scanner([field('a', simple('long'))], 'lenient')
    const bytes = Buffer.from('{"a":1.5}')
    expect(lenient.scan(bytes, 0, bytes.length)).toBe(DecodeResult.good)
    const broken = Buffer.from('{"a":1.5')
    expect(lenient.scan(broken, 0, broken.length)).toBe(DecodeResult.bad)
  })
})

/** An integer of 64 bits that a double rounds is a dead letter; JSON.stringify may print such a one. */
function isKept(value: number): boolean {
  const text = JSON.stringify(value)
  if (!/^-?\d+$/.test(text)) return true
  return BigInt(text) === BigInt(value) || Math.abs(value) >= 2 ** 63
}

function isJsonObject(text: string): boolean {
  try {
    const value = JSON.parse(text) as unknown
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}
