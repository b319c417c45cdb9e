import { describe, expect, it } from 'vitest'
import { parseTemplate } from '../project/template.ts'
import { renderTemplate } from './render-model.ts'

function render(text: string): string {
  const project = {
    directory: '',
    models: [],
    tests: [],
    sourceTable: (source: string, name: string) => ({ namespace: [source], name }),
    eventTimeOf: () => undefined,
  }
  const rendering = { project, vars: {}, environment: () => undefined, runId: 'r' }
  const words = { table: undefined, isIncremental: false, span: undefined }
  return renderTemplate(rendering, parseTemplate(text, 'models/m.sql'), words)
}

describe('renderTemplate()', () => {
  it.each([
    ['SELECT 1;', 'SELECT 1'],
    ['\n SELECT 1 ; ;\n', 'SELECT 1'],
    ['SELECT 1; -- note', 'SELECT 1'],
    ['SELECT 1; -- note; and more\n', 'SELECT 1'],
    ['SELECT 1 /* a; */; /* b;\n /* c */ ; */ -- d\n', 'SELECT 1 /* a; */'],
    ['-- head\nSELECT 1;', '-- head\nSELECT 1'],
    ['SELECT 1 -- note;', 'SELECT 1 -- note;'],
    ["SELECT ';' AS a, $$;$$ AS b; -- it's", "SELECT ';' AS a, $$;$$ AS b"],
    ["SELECT * FROM {{ source('a', 'b') }}; {# end #}", 'SELECT * FROM "a"."b"'],
    ['-- nothing', '-- nothing'],
  ])(
    'leaves no last semicolon, which would end the query this one is put into: %j',
    (text, sql) => {
      expect(render(text)).toBe(sql)
    },
  )

  it('leaves a text that does not end to the engine, which names the place', () => {
    expect(render("SELECT 'a; -- b")).toBe("SELECT 'a; -- b")
  })

  it('refuses two queries in one file', () => {
    expect(() => render('SELECT 1; SELECT 2;')).toThrow(
      /^models\/m\.sql: a file holds one query, found 2 statements/,
    )
  })
})
