/** An engine, and a place for files, as long as rows of a range are worked on. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Lake } from '../lake.ts'
import { openQueryParts } from '../open-query-engine.ts'
import type { RangeTools } from './range-rows.ts'

export async function withRangeTools<T>(
  lake: Lake,
  work: (tools: RangeTools) => Promise<T>,
  workDirectory: string = tmpdir(),
): Promise<T> {
  const { openQueryStage } = await import('../../sql/index.ts')
  const directory = await mkdtemp(join(workDirectory, 'tidewater-replay-'))
  try {
    const parts = await openQueryParts(lake)
    try {
      const stage = await openQueryStage(parts.options)
      try {
        return await work({ lake, stage, directory })
      } finally {
        stage.close()
      }
    } finally {
      await parts.close()
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
