/**
 * The live layer of a process: rows that its streams have read and not committed yet are answered
 * together with the tables (docs/spec/live.md).
 *
 *   const live = await openLive(lake, { jobs })
 *   await runLakeStream(lake, settings, { until: 'stopped', signal, live })   // any number of streams
 *   const server = await openServer(lake, lake.settings.server, version, live.layers)
 *   // stop: the server, the streams, then live.close()
 */
import type { StreamingLayer } from '../catalog/scan/index.ts'
import type { LiveLayer } from '../ingest/index.ts'
import type { ViewSource } from '../sql/index.ts'
import type { Lake } from './lake.ts'
import type { LakeBatchJobs } from './open-batch-jobs.ts'

/** What a server shows beside the tables of the catalog. */
export interface ServerLayers {
  readonly live?: StreamingLayer
  /** Views: models with `lambda: true`. */
  readonly views?: ViewSource
}

export interface LiveOptions {
  /** Models with `lambda: true` are answered up to the newest row. */
  readonly jobs?: LakeBatchJobs
}

export interface LakeLive {
  readonly layers: ServerLayers
  /** For `runLakeStream`, which attaches its stream. */
  readonly layer: LiveLayer
  /** After the streams and the server have stopped. */
  close(): Promise<void>
}

export async function openLive(lake: Lake, options: LiveOptions = {}): Promise<LakeLive> {
  const { createLiveLayer } = await import('../ingest/index.ts')
  const { createDataFileWriter, openDatabase } = await import('../sql/index.ts')
  // Not the sink's engine: a query must not wait for a batch that is being written, nor the reverse.
  const database = await openDatabase({ threads: 1 })
  const layer = createLiveLayer({
    writer: createDataFileWriter(database),
    clock: lake.clock,
    intervalMs: lake.settings.live.intervalMs,
  })
  const { jobs } = options
  return {
    layers: { live: layer, ...(jobs === undefined ? {} : { views: jobs.lambdaViews() }) },
    layer,
    close: async () => database.close(),
  }
}
