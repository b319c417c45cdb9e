import { describe, expect, it } from 'vitest'
import { parseTemplate } from './template.ts'

const words = {
  config: () => '',
  ref: () => '"m"."t"',
  source: () => '"web"."events"',
  this: '"m"."self"',
  var: () => '7',
  env_var: () => '',
  is_incremental: () => false,
  start: 'START',
  end: 'END',
  run_id: 'run',
}

describe('parseTemplate()', () => {
  it('reads config, refs and sources of every branch without running it', () => {
    const template = parseTemplate(
      `{{ config(materialized='incremental', tags=['a', "b"], lookback=2, lambda=true, properties={'k': 'v'}) }}
      SELECT * FROM {{ source('web', 'events') }}
      {% if is_incremental() %} JOIN {{ ref('never') }} {% else %} JOIN {{ ref('other') }} {% endif %}`,
      'models/a.sql',
    )
    expect(template.config).toEqual({
      materialized: 'incremental',
      tags: ['a', 'b'],
      lookback: '2',
      lambda: 'true',
      properties: { k: 'v' },
    })
    expect(template.refs).toEqual(['never', 'other'])
    expect(template.sources).toEqual([{ source: 'web', table: 'events' }])
  })

  it('renders conditions, loops, sets and macros, and leaves all else alone', () => {
    const text = `{% macro cents(x) %}({{ x }} * 100){% endmacro -%}
{% set cols = ['a', 'b'] -%}
SELECT {% for c in cols %}{{ cents(c) }}{{ ", " if not loop.last }}{% endfor %}, '{"k": 1}' AS j
FROM {{ ref('m') }} {#- hidden -#}
{% if not is_incremental() %} WHERE x = {{ var('n', 3) }} AND y LIKE '100%'{% endif %}`
    expect(parseTemplate(text, 'f').render(words).trim()).toBe(
      `SELECT (a * 100), (b * 100), '{"k": 1}' AS j\nFROM "m"."t" WHERE x = 7 AND y LIKE '100%'`,
    )
  })

  it.each([
    ['{{ reff("a") }}', /unknown word "reff".*did you mean ref/],
    ['{% if is_incremental() and nope %}{% endif %}', /unknown word "nope"/],
    ['{{ ref(name) }}', /plain names/],
    ["{{ ref('a' ~ 'b') }}", /plain names/],
    ["{{ source('a') }}", /plain names/],
    ["{{ config('table') }}", /named values/],
    ["{{ config(cron=var('x')) }}", /plain value/],
    ['{{ ref( }}', /models\/x\.sql: not a valid template/],
    ['{% if true %}', /not a valid template/],
  ])('refuses %s', (text, message) => {
    expect(() => parseTemplate(text, 'models/x.sql')).toThrow(message)
  })

  it('gives the text no way to the machine', () => {
    const template = parseTemplate(
      `{{ ''.constructor }}|{{ ref.constructor }}|{{ this.__proto__ }}|{{ this | upper }}`,
      'f',
    )
    expect(template.render(words)).toBe('|||"M"."SELF"')
    expect(() =>
      parseTemplate(`{{ ''.constructor.constructor('return process')() }}`, 'f').render(words),
    ).toThrow()
  })
})
