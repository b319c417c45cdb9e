/** What a replay needs, made from a lake. */
import type { ReplayTools } from '../replay/index.ts'
import type { Lake } from './lake.ts'
import { openQueryParts } from './open-query-engine.ts'
import { openSource } from './open-source.ts'

export function openReplayTools(lake: Lake): ReplayTools {
  const { catalog, io, clock, random, logger } = lake
  return {
    catalog,
    io,
    clock,
    random,
    logger,
    openSource: (input, sourceLogger) => openSource(input, { clock, random, logger: sourceLogger }),
    withQueryStage: async (stageCatalog, work) => {
      const { openQueryStage } = await import('../sql/index.ts')
      const parts = await openQueryParts(lake)
      try {
        const stage = await openQueryStage({ ...parts.options, catalog: stageCatalog })
        try {
          return await work(stage)
        } finally {
          stage.close()
        }
      } finally {
        await parts.close()
      }
    },
    withDataFileWriter: async (threads, work) => {
      const { createDataFileWriter, openDatabase } = await import('../sql/index.ts')
      const database = await openDatabase(threads === undefined ? {} : { threads })
      try {
        return await work(createDataFileWriter(database))
      } finally {
        database.close()
      }
    },
  }
}
