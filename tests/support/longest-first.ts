/**
 * The order in which vitest starts test files: the longest first, so that at the end of a run no core
 * idles while the other works through one long file. Files that are not named here follow, services
 * before units, the larger file first.
 */
import { existsSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { repositoryRoot } from './services/paths.ts'

/** The longest first, by the list that `npm test` prints at the end of a run. */
const longest = [
  'tests/integration/kill-sink.test.ts',
  'tests/integration/record-source-kafka.test.ts',
  'tests/e2e/snapshot-properties.test.ts',
  'tests/integration/readme.test.ts',
  'tests/integration/stream-stops.test.ts',
  'tests/integration/rival-sinks.test.ts',
  'tests/integration/stream-lost-reply.test.ts',
  'tests/simulation/histories.test.ts',
  'tests/e2e/replay-killed.test.ts',
  'tests/e2e/demo.test.ts',
  'tests/e2e/replay.test.ts',
  'tests/integration/live-soak.test.ts',
  'tests/integration/kill-compaction.test.ts',
  'tests/e2e/replay-hazards.test.ts',
  'tests/e2e/package.test.ts',
  'tests/e2e/sandbox.test.ts',
  'tests/e2e/maintenance.test.ts',
  'tests/integration/stream-log-faults.test.ts',
  'tests/e2e/local-file-io-processes.test.ts',
  'tests/e2e/batch-processes.test.ts',
  'tests/integration/stream-bad-input.test.ts',
  'tests/e2e/compaction.test.ts',
]

for (const path of longest) {
  if (!existsSync(join(repositoryRoot, path))) throw new Error(`no such test file: ${path}`)
}

export class LongestFirst extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const weighed = files.map((file) => ({ file, weight: weightOf(file.moduleId) }))
    weighed.sort((left, right) => right.weight - left.weight)
    return Promise.resolve(weighed.map(({ file }) => file))
  }
}

/** More than one for a file that is named, less than one for the others. */
function weightOf(moduleId: string): number {
  const path = relative(repositoryRoot, moduleId)
  const place = longest.indexOf(path)
  if (place >= 0) return longest.length - place + 1
  const size = statSync(moduleId).size / 2 ** 24
  return path.startsWith('tests/') ? 0.5 + size : size
}
