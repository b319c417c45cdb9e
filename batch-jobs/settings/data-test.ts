/** A test in the YAML of a column. Options without effect are refused, so that no test is weaker or stricter than it reads. */
import { SettingsError, didYouMean } from '../../common/index.ts'
import type { DataTest } from './model-settings.ts'
import { isRawMap, type RawMap, type RawValue } from '../../settings/index.ts'

type TestKind = DataTest['kind']

/** The arguments of each test. */
const testArguments: Readonly<Record<TestKind, readonly string[]>> = {
  unique: [],
  not_null: [],
  accepted_values: ['values'],
  relationships: ['to', 'field'],
}

const testNames = Object.keys(testArguments) as readonly TestKind[]

const ownQuery = 'write the query whose rows are failures into tests/*.sql'

/** Options of dbt that would change what a test does or how it is named. */
const laterOptions: Readonly<Record<string, string>> = {
  where: `is not in this release: ${ownQuery}`,
  severity: 'is not in this release: every test that finds rows fails',
  warn_if: `is not in this release: ${ownQuery}`,
  error_if: `is not in this release: ${ownQuery}`,
  fail_calc: `is not in this release: ${ownQuery}`,
  limit: 'is not in this release: all rows are counted',
  store_failures: 'is not in this release',
  enabled: 'is not in this release: leave the test out',
  tags: 'is not in this release: tests are chosen by their model',
  name: 'is not in this release: the name is made of the test, the model and the column',
  config: 'is not in this release: tests take no where, severity, limit or tags',
}

/** `unique`, or `accepted_values: {values: [a, b]}`, with `arguments:` between them as in newer dbt. */
export function parseDataTest(value: RawValue): DataTest {
  const [name, given] = testParts(value)
  const kind = testNames.find((each) => each === name)
  if (kind === undefined) {
    throw new SettingsError(
      `unknown test "${name}"${didYouMean(name, testNames)} (known: ${testNames.join(', ')}; others go to tests/*.sql)`,
    )
  }
  const options = argumentsOf(kind, given)
  if (kind === 'unique' || kind === 'not_null') return { kind }
  if (kind === 'accepted_values') {
    const { values } = options
    const list = Array.isArray(values) ? (values as readonly RawValue[]) : []
    const texts = list.filter((each) => typeof each === 'string')
    if (texts.length === 0 || texts.length !== list.length) {
      throw new SettingsError('accepted_values needs values: [a, b]')
    }
    return { kind, values: texts }
  }
  const { to, field } = options
  if (typeof to !== 'string' || typeof field !== 'string') {
    throw new SettingsError("relationships needs to: ref('model') and field: column")
  }
  return { kind, to, field }
}

function testParts(value: RawValue): readonly [string, RawMap] {
  if (typeof value === 'string') return [value, {}]
  const entries = isRawMap(value) ? Object.entries(value) : []
  const [first] = entries
  if (first === undefined || entries.length !== 1 || !isRawMap(first[1])) {
    throw new SettingsError('expected a test, such as unique or accepted_values: {values: [a, b]}')
  }
  return [first[0], first[1]]
}

/** A description is ignored; every other key is an argument of the test or an error. */
function argumentsOf(kind: TestKind, given: RawMap): RawMap {
  const { arguments: inner, description: _, ...outer } = given
  if (inner === undefined) return checkKeys(kind, outer)
  if (!isRawMap(inner)) {
    throw new SettingsError(`${kind}: arguments: expected keys and values`)
  }
  for (const key of Object.keys(outer)) {
    if (!testArguments[kind].includes(key)) continue
    throw new SettingsError(`${kind}: ${key} belongs inside arguments, where the others are`)
  }
  checkKeys(kind, outer)
  return checkKeys(kind, inner)
}

function checkKeys(kind: TestKind, given: RawMap): RawMap {
  const expected = testArguments[kind]
  for (const key of Object.keys(given)) {
    if (expected.includes(key)) continue
    if (kind === 'accepted_values' && key === 'quote') {
      throw new SettingsError(`${kind}: quote: values are compared as text: leave it out`)
    }
    const later = Object.hasOwn(laterOptions, key) ? laterOptions[key] : undefined
    if (later !== undefined) throw new SettingsError(`${kind}: ${key} ${later}`)
    const takes = expected.length === 0 ? 'none' : expected.join(', ')
    throw new SettingsError(
      `${kind}: unknown key "${key}"${didYouMean(key, expected)} (it takes ${takes})`,
    )
  }
  return given
}
