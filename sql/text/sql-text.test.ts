import { describe, expect, it } from 'vitest'
import { quoteIdentifier, quoteLiteral, quoteTable } from './sql-text.ts'

describe('quoting', () => {
  it('doubles its own mark and nothing else', () => {
    expect(quoteIdentifier('a"b\'c')).toBe('"a""b\'c"')
    expect(quoteLiteral('it\'s "so" \\n')).toBe("'it''s \"so\" \\n'")
  })

  it('writes the levels of a namespace as one name', () => {
    expect(quoteTable({ namespace: ['web', 'raw'], name: 'ev"ents' })).toBe('"web.raw"."ev""ents"')
  })
})
