import { describe, expect, it } from 'vitest'
import { rewriteTimeTravel as rewrite } from './time-travel-syntax.ts'
import { tokenizedText } from './tokens.ts'

const rewriteTimeTravel = (text: string) => rewrite(tokenizedText(text))

describe('rewriteTimeTravel()', () => {
  it.each([
    ['from t for version as of 5', 'from t AT (VERSION => 5)'],
    ['from t FOR VERSION AS OF 5 AS x where a = 1', 'from t AS x AT (VERSION => 5) where a = 1'],
    ['from t for version as of 5 x', 'from t x AT (VERSION => 5)'],
    ["from t x for version as of 'audit', u", "from t x AT (VERSION => 'audit'), u"],
    [
      "from t for timestamp as of timestamp '2026-01-01 00:00:00 UTC' join u using (k)",
      "from t AT (TIMESTAMP => timestamp '2026-01-01 00:00:00 UTC') join u using (k)",
    ],
    [
      "from t for timestamp as of current_timestamp - interval '1' day order by 1",
      "from t AT (TIMESTAMP => current_timestamp - interval '1' day) order by 1",
    ],
    [
      'from t for timestamp as of now() - (interval 5 minutes)::interval limit 1',
      'from t AT (TIMESTAMP => now() - (interval 5 minutes)::interval) limit 1',
    ],
    ['from t at (version => 5) as x(a, b) where 1', 'from t as x(a, b) AT (VERSION => 5) where 1'],
    ['(select 1 from t for version as of 7)', '(select 1 from t AT (VERSION => 7))'],
    [
      'from a for version as of 1 union from b for version as of 2 y',
      'from a AT (VERSION => 1) union from b y AT (VERSION => 2)',
    ],
    ['from t for system_version as of 3', 'from t AT (VERSION => 3)'],
  ])('rewrites %s', (sql, expected) => {
    expect(rewriteTimeTravel(sql).text).toBe(expected)
  })

  it.each([
    ['select x from t at (version => 5)'],
    ["select 'for version as of 5' from t"],
    ['select a -- for version as of 5\nfrom t'],
    ['select [x for x in [1, 2]]'],
    ["select ts at time zone 'UTC' from t"],
    ['select "for" from t for update'],
    ['select 1 from t for version as of'],
  ])('leaves %s alone', (sql) => {
    expect(rewriteTimeTravel(sql).text).toBe(sql)
  })

  it('maps positions back to what the user wrote', () => {
    const sql = 'from t for version as of 5 as x where nope'
    const rewritten = rewriteTimeTravel(sql)
    const at = rewritten.text.indexOf('nope')
    expect(rewritten.originalPosition(at)).toBe(sql.indexOf('nope'))
  })
})
