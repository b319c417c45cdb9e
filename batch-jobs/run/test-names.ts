/**
 * Names of the tests of columns. A result, a retry and the manifest identify a test by its name, so no two
 * tests of a project may share one (docs/spec/batch-jobs.md, B13).
 */
import type { DataTest } from '../settings/model-settings.ts'
import type { Model, Project } from '../project/model.ts'

export interface NamedColumnTest {
  readonly name: string
  readonly model: Model
  readonly column: string
  readonly test: DataTest
}

/** Longer details are cut; a number then makes the names unique. */
const detailMax = 64

/**
 * The tests of all columns of a project, named as dbt does: `unique_orders_id`. Where several would have the
 * same name, their arguments are appended (`accepted_values_orders_status__paid__sent`); where that is not
 * unique either, or is in `taken`, a number is.
 */
export function namedColumnTests(
  { models }: Project,
  taken: Iterable<string>,
): readonly NamedColumnTest[] {
  const tests = models.flatMap((model) =>
    model.columns.flatMap(({ column, tests: own }) =>
      own.map((test) => ({ model, column, test, plain: `${test.kind}_${model.name}_${column}` })),
    ),
  )
  const counts = new Map<string, number>()
  for (const { plain } of tests) counts.set(plain, (counts.get(plain) ?? 0) + 1)
  const used = new Set(taken)
  return tests.map(({ plain, ...test }) => {
    const preferred = counts.get(plain) === 1 ? plain : `${plain}${detailOf(test.test)}`
    return { name: freeName(preferred, used), ...test }
  })
}

/** `name`, with the lowest number appended that makes it unique if it is not; adds the result to `used`. */
export function freeName(name: string, used: Set<string>): string {
  let free = name
  for (let count = 2; used.has(free); count++) free = `${name}_${count}`
  used.add(free)
  return free
}

function detailOf(test: DataTest): string {
  if (test.kind === 'accepted_values') return joined(test.values)
  return test.kind === 'relationships' ? joined([test.field, test.to]) : ''
}

function joined(parts: readonly string[]): string {
  const words = parts.map((part) => part.replaceAll(/[^\p{L}\p{N}_]+/gu, '_'))
  return `__${words.join('__')}`.slice(0, detailMax)
}
