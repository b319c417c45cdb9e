import { describe, expect, it } from 'vitest'
import { splitStatements } from './statements.ts'

describe('splitStatements()', () => {
  it('splits at semicolons and drops empty statements', () => {
    expect(splitStatements('select 1; ;\n-- nothing\n; select 2;')).toEqual({
      statements: ['select 1', 'select 2'],
      rest: '',
    })
  })

  it.each([
    ["select 'a;b'"],
    ['select "a;b"'],
    ["select 'it''s; fine'"],
    ["select e'\\'; x'"],
    ['select $$a;b$$'],
    ['select $tag$ ; $$ ; $tag$'],
    ['select 1 /* a; /* b; */ c; */'],
    ['select 1 -- a; b\n + 2'],
    ['select "a"";b"'],
  ])('keeps %s whole', (statement) => {
    expect(splitStatements(`${statement}; select 2`)).toEqual({
      statements: [statement],
      rest: 'select 2',
    })
  })

  it.each([["select 'a;"], ['select "a;'], ['select /* a; '], ['select $x$ a; $$'], ["e'\\'; "]])(
    'leaves unfinished %s as the rest',
    (text) => {
      expect(splitStatements(`select 1; ${text}`)).toEqual({
        statements: ['select 1'],
        rest: text.trim(),
      })
    },
  )
})
