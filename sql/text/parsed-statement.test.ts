import { describe, expect, it } from 'vitest'
import { parseStatement } from './parsed-statement.ts'

describe('parseStatement()', () => {
  it('keeps the tokens of a text that nothing changes', () => {
    const { kind, original, source } = parseStatement('EXPLAIN SELECT 1')
    expect(kind).toEqual({ kind: 'query', prefix: 8 })
    expect(source.text).toBe(original.text)
    expect(source.tokens).toBe(original.tokens)
  })

  it('fills placeholders, also in a time travel clause, and knows where each position came from', () => {
    const sql = 'SELECT nope FROM t FOR VERSION AS OF {v:Int64} AS x WHERE nope'
    const { source, values } = parseStatement(sql, { v: '7' })
    expect(source.text).toBe(
      'SELECT nope FROM t AS x AT (VERSION => CAST($v AS BIGINT)) WHERE nope',
    )
    expect(values).toEqual({ v: '7' })
    expect(source.originalPosition(source.text.lastIndexOf('nope'))).toBe(sql.lastIndexOf('nope'))
    const last = source.tokens.at(-1)
    expect(source.text.slice(last?.start, last?.end)).toBe('nope')
  })

  it('refuses a parameter that nothing takes, and a text without a statement', () => {
    expect(() => parseStatement('USE web', { v: '7' })).toThrow('no placeholder {v:Type}')
    expect(() => parseStatement(' -- nothing\n')).toThrow('there is no statement to run')
  })
})
