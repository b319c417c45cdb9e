import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { LongestFirst } from './tests/support/longest-first.ts'

// One project per kind of test, so that `npx vitest --project unit` stays under a few seconds
// while the slow kinds (real services) are asked for by name.
/**
 * One more than there are cores: a file of a slow kind often waits for its own processes. Not many more:
 * those processes want the cores, too.
 */
const maxWorkers = Math.min(availableParallelism() + 1, 4)
const setupFiles = ['tests/support/keep-table-metadata.ts']
const exclude = ['**/node_modules/**', '**/dist/**', '**/.cache/**']
const slow = { testTimeout: 600_000, hookTimeout: 600_000, setupFiles }

export default defineConfig({
  test: {
    maxWorkers,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            '{app,batch-jobs,catalog,cli,common,compactor,demo,ingest,io,minio,replay,server,settings,sql}/**/*.test.ts',
            'tests/{architecture,conformance}/**/*.test.ts',
          ],
          exclude,
          testTimeout: 120_000,
          setupFiles,
        },
      },
      {
        test: { name: 'e2e', include: ['tests/e2e/**/*.test.ts'], exclude, ...slow },
      },
      {
        test: { name: 'simulation', include: ['tests/simulation/**/*.test.ts'], exclude, ...slow },
      },
      {
        test: {
          name: 'integration',
          include: ['tests/integration/**/*.test.ts'],
          exclude,
          ...slow,
        },
      },
      {
        test: { name: 'interop', include: ['tests/interop/**/*.test.ts'], exclude, ...slow },
      },
    ],
  },
})
