import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ValidationError } from '../../common/index.ts'
import { readSources } from '../../tests/support/import-graph.ts'
import { drawTableProperties, withPropertyTable } from '../../tests/support/property-table.ts'
import { repositoryRoot } from '../../tests/support/services/paths.ts'
import {
  checkTableProperty,
  columnProperty,
  commitRetryDefaults,
  commitRetryPolicy,
  propertyNotes,
  propertyOf,
  statedProperty,
  statusCheckDefaults,
  statusCheckPolicy,
  tableProperties,
  type TableProperty,
  TablePropertyError,
} from './properties.ts'

const all = Object.values<TableProperty<unknown>>(tableProperties)
const numeric = all.filter(({ syntax }) => /^(?:number|bigint)$/.test(typeof syntax.parse('1')))
const flags = all.filter(({ syntax }) => syntax.parse('true') === true)

describe('the registry of table properties', () => {
  it('names each property once, with a doc, who acts and a default of its own syntax', () => {
    const names = all.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(numeric.length).toBeGreaterThan(15)
    for (const { doc, actor, syntax, defaultText, ...property } of all) {
      expect(doc.length * actor.length * defaultText.length).toBeGreaterThan(0)
      if (property.default !== undefined) {
        expect(syntax.parse(String(property.default)), property.name).toEqual(property.default)
      }
    }
  })

  const faulty = numeric.flatMap((property) =>
    ['', 'abc', '-1', '+1', '1.5', '1e3', ' 5 ', '0x10', '5d', '99999999999999999999'].map(
      (text) => [property.name, text, property] as const,
    ),
  )
  it.each(faulty)('%s=%j is refused by name, when set and when read', (name, text, property) => {
    const message = `the table property ${name} must be ${property.syntax.expected}`
    for (const read of [
      () => checkTableProperty(name, text),
      () => statedProperty({ [name]: text }, property),
      () => propertyOf({ [name]: text }, property),
    ]) {
      expect(read).toThrow(TablePropertyError)
      expect(read).toThrow(ValidationError)
      expect(read).toThrow(message)
      expect(read).toThrow(`value=${/^\S+$/.test(text) ? text : JSON.stringify(text)}`)
    }
  })

  it('a number beyond 2^53 is exact or refused, never rounded', () => {
    const large = 2n ** 53n + 1n
    for (const property of numeric) {
      const read = (): unknown => propertyOf({ [property.name]: String(large) }, property)
      if (typeof property.syntax.parse('1') === 'bigint') expect(read()).toBe(large)
      else expect(read, property.name).toThrow(property.name)
    }
  })

  it.each(flags.map((property) => [property.name, property] as const))(
    '%s is true or false in any case, and nothing else',
    (name, property) => {
      expect(propertyOf({ [name]: 'FALSE' }, property)).toBe(false)
      expect(propertyOf({ [name]: 'True' }, property)).toBe(true)
      for (const text of ['', 'no', '0', ' true']) {
        expect(() => propertyOf({ [name]: text }, property)).toThrow(
          `${name} must be true or false`,
        )
      }
    },
  )

  it('reads words in any case and refuses others with the list', () => {
    const { parquetCodec } = tableProperties
    expect(propertyOf({ [parquetCodec.name]: 'ZSTD' }, parquetCodec)).toBe('zstd')
    expect(() => checkTableProperty(parquetCodec.name, 'lzo')).toThrow(
      'must be one of zstd, snappy, gzip, lz4, brotli, uncompressed: property=',
    )
  })

  it('checks the properties of columns by their common name', () => {
    const name = 'write.metadata.metrics.column.a.b'
    expect(() => checkTableProperty(name, 'truncate(0)')).toThrow(`the table property ${name} must`)
    expect(() => checkTableProperty(name, 'full')).not.toThrow()
    expect(propertyNotes({ [name]: 'full' })).toEqual([])
  })

  it('takes the name of a column as it is', () => {
    for (const column of ['a$$b', '$&', "$'", '*', 'a.b']) {
      const properties = { [`write.metadata.metrics.column.${column}`]: 'none' }
      const mode = columnProperty(properties, tableProperties.metricsOfColumn, column)
      expect(mode, column).toEqual({ kind: 'none' })
    }
  })

  it('reads names of the table alone, not those of every object', () => {
    expect(propertyNotes({ constructor: 'x' })).toEqual([])
    expect(() => checkTableProperty('toString', 'x')).not.toThrow()
  })

  it('tells which names of Iceberg have no effect, and passes over names of others', () => {
    expect(
      propertyNotes({
        'write.delet.mode': 'x',
        'history.keep': '1',
        'commit.retry.num-retries': '1',
        'read.split.target-size': '1',
        owner: 'me',
      }),
    ).toEqual([
      'write.delet.mode is stored but not acted on, did you mean write.delete.mode',
      'history.keep is stored but not acted on',
    ])
  })

  it('has the defaults of Iceberg for retries', () => {
    expect(commitRetryDefaults).toEqual({
      retriesMax: 4,
      waitMsMin: 100,
      waitMsMax: 60_000,
      totalMsMax: 1_800_000,
    })
    expect(statusCheckDefaults).toEqual({ ...commitRetryDefaults, retriesMax: 3, waitMsMin: 1_000 })
    const own = { 'commit.retry.num-retries': '0', 'commit.status-check.min-wait-ms': '7' }
    expect(commitRetryPolicy(own)).toEqual({ ...commitRetryDefaults, retriesMax: 0 })
    expect(statusCheckPolicy(own)).toEqual({ ...statusCheckDefaults, waitMsMin: 7 })
  })

  it('is the only place that spells the names, so that every reader reads by it', () => {
    const spelled = readSources()
      .filter(({ path, isTest }) => !isTest && path !== 'catalog/table/properties.ts')
      .filter(({ path }) => !/^(?:tests|bench|demo|scripts)\//.test(path))
      .flatMap(({ path, code }) =>
        all
          .map(({ name }) => name.replace('*', ''))
          .filter((name) => code.includes(`'${name}`) || code.includes(`\`${name}`))
          .map((name) => `${path}: ${name}`),
      )
    expect(spelled).toEqual([])
  })

  it('is what docs/configuration.md shows', () => {
    const page = readFileSync(join(repositoryRoot, 'docs/configuration.md'), 'utf8')
    const remedy = 'run: npx tsx scripts/draw-table-properties.ts'
    expect(page, remedy).toBe(withPropertyTable(page, drawTableProperties()))
  })
})
