import { describe, expect, it } from 'vitest'
import { type Report, formatRecord, formatReport, parseOutputFormat } from './output.ts'

const report: Report = {
  columns: ['name', 'rows', { key: 'note', title: 'REMARK' }],
  wide: ['note'],
  rows: [
    { name: 'web.events', rows: 9007199254740993n, note: null },
    { name: 'a "b", c|d', rows: 7, note: 'x\ny' },
  ],
  empty: 'nothing',
}

describe('formatReport()', () => {
  it('writes a table without the wide columns', async () => {
    expect(await formatReport(report, 'table')).toBe(
      'NAME                    ROWS\nweb.events  9007199254740993\na "b", c|d                 7\n',
    )
  })

  it('writes numbers to the right, and text to the left unless its column says otherwise', async () => {
    const columns = ['id', 'mixed', { key: 'age', align: 'right' } as const, 'none']
    const rows = [
      { id: 1, mixed: 'a', age: '5d', none: null },
      { id: null, mixed: 2, age: '10d', none: null },
    ]
    expect(await formatReport({ columns, rows }, 'markdown')).toBe(
      '| id | mixed | age | none |\n| ---: | --- | ---: | --- |\n| 1 | a | 5d | - |\n| - | 2 | 10d | - |\n',
    )
  })

  it('writes wide, markdown and csv with all columns', async () => {
    expect(await formatReport(report, 'wide')).toContain('REMARK')
    expect(await formatReport(report, 'markdown')).toBe(
      '| name | rows | note |\n| --- | ---: | --- |\n| web.events | 9007199254740993 | - |\n| a "b", c\\|d | 7 | x y |\n',
    )
    expect(await formatReport(report, 'csv')).toBe(
      'name,rows,note\nweb.events,9007199254740993,\n"a ""b"", c|d",7,"x\ny"\n',
    )
  })

  it('keeps every digit in json', async () => {
    expect(await formatReport(report, 'jsonl')).toBe(
      '{"name":"web.events","rows":9007199254740993,"note":null}\n{"name":"a \\"b\\", c|d","rows":7,"note":"x\\ny"}\n',
    )
    expect(await formatReport({ ...report, rows: [] }, 'json')).toBe('[]\n')
  })

  it('says so when there is nothing, in the table only', async () => {
    expect(await formatReport({ ...report, rows: [] }, 'table')).toBe('nothing\n')
    expect(await formatReport({ ...report, rows: [] }, 'csv')).toBe('name,rows,note\n')
  })

  it('shows control characters instead of obeying them', async () => {
    const hostile: Report = { columns: ['a'], rows: [{ a: 'x\u001B[2Jy' }] }
    expect(await formatReport(hostile, 'table')).toBe('A\nx\\x1b[2Jy\n')
  })

  it('formatRecord() writes one thing as rows or as one object', async () => {
    expect(await formatRecord({ a: 1, bc: 'x' }, 'table')).toBe('KEY  VALUE\na    1\nbc   x\n')
    expect(await formatRecord({ a: 1, bc: 'x' }, 'jsonl')).toBe('{"a":1,"bc":"x"}\n')
  })

  it('parseOutputFormat() takes synonyms and suggests', () => {
    expect(parseOutputFormat('text')).toBe('table')
    expect(() => parseOutputFormat('jsn')).toThrow('unknown output format "jsn", did you mean json')
  })
})
