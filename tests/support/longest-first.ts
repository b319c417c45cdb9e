/**
 * The order in which vitest starts test files: the longest first, so that at the end of a run no core
 * idles while the other works through one long file. Files that are not named here follow, services
 * before units, the larger file first.
 */
import { existsSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { repositoryRoot } from './services/paths.ts'

/** Seconds on two cores, two files at a time; only their order matters. */
const seconds: Readonly<Record<string, number>> = {
  'tests/integration/kill-sink.test.ts': 290,
  'tests/integration/stream-stops.test.ts': 218,
  'tests/integration/shop-example.test.ts': 165,
  'tests/integration/record-source-kafka.test.ts': 107,
  'tests/integration/replay-kafka.test.ts': 91,
  'tests/e2e/replay-hazards.test.ts': 90,
  'tests/integration/readme.test.ts': 84,
  'tests/e2e/package.test.ts': 79,
  'tests/integration/rival-sinks.test.ts': 78,
  'tests/e2e/demo.test.ts': 75,
}

for (const path of Object.keys(seconds)) {
  if (!existsSync(join(repositoryRoot, path))) throw new Error(`no such test file: ${path}`)
}

export class LongestFirst extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const weighed = files.map((file) => ({ file, weight: weightOf(file.moduleId) }))
    weighed.sort((left, right) => right.weight - left.weight)
    return Promise.resolve(weighed.map(({ file }) => file))
  }
}

/** Below one for a file that is not named, so that it comes after those that are. */
function weightOf(moduleId: string): number {
  const path = relative(repositoryRoot, moduleId)
  const named = seconds[path]
  if (named !== undefined) return named
  const size = statSync(moduleId).size / 2 ** 24
  return path.startsWith('tests/') ? 0.5 + size : size
}
