import { describe, expect, it } from 'vitest'
import { formatEntries, variableSource } from '../../settings/index.ts'
import { parseStreamSettings } from './stream-document.ts'

const text = `name: s
input: {kafka: {seed_brokers: ["b:1"], topics: [t], sasl: [{mechanism: PLAIN, username: u, password: p}]}}
schema: {fields: [{name: a, type: {type: list, element: int}}, {name: b, type: "decimal(9,2)"}]}
output: {iceberg: {table: a.b, properties: {write.target-file-size-bytes: 1000}}}
`

function load(yaml: string) {
  const variables = variableSource({})
  return parseStreamSettings({
    text: yaml,
    file: 's.yaml',
    variables,
    overrides: [],
    directory: '/p',
  })
}

describe('formatEntries()', () => {
  it('writes yaml that loads to the same settings, but for masked secrets', () => {
    const loaded = load(text)
    const again = load(formatEntries(loaded.entries, true)).settings
    const input = again.input.kind === 'kafka' ? again.input : undefined
    expect(input?.sasl?.password).toBe('***')
    // What was a default before is stated now.
    const stated = { ...loaded.settings, statesMetadata: true }
    expect({ ...again, input: undefined }).toEqual({ ...stated, input: undefined })
  })

  it('writes fields in the short form as such', () => {
    const short = text.replace(
      /^schema: .*$/m,
      'schema: {fields: {a: [int], at: timestamptz unix_ms, p: {x: double not null, y: double}, k: {type: long, doc: key}}}',
    )
    const loaded = load(short)
    expect(load(formatEntries(loaded.entries, true)).settings.schema).toEqual(
      loaded.settings.schema,
    )
  })

  it('puts the origin behind each value', () => {
    const yaml = formatEntries(load(text).entries, true)
    expect(yaml).toContain('name: s # s.yaml:1:7\n')
    expect(yaml).toContain('coercion: strict # default\n')
    expect(formatEntries(load(text).entries, false)).not.toContain('#')
  })
})
