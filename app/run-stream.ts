/** Runs a stream of settings on a lake: source, engine and ingest put together. */
import { formatIdentifier, mainBranch } from '../catalog/format/index.ts'
import type { StreamSettings } from '../ingest/settings/index.ts'
import type { MemberStream, StreamRunOptions, StreamRunResult } from '../ingest/index.ts'
import type { Lake } from './lake.ts'
import type { LakeLive } from './open-live.ts'
import { openSource } from './open-source.ts'
import { openStreamEngine } from './open-stream-engine.ts'
import { requireSafeStore } from './safe-store.ts'

export interface LakeStreamOptions extends StreamRunOptions {
  /** Spool files go below; default: the system's temporary directory. */
  readonly workDirectory?: string
  /** Of the engine that types rows and writes Parquet; default: one per core. */
  readonly threads?: number
  /** Queries of this process see the stream's rows before they are committed. */
  readonly live?: Pick<LakeLive, 'layer'>
}

/** Runs until the end that `options` names; throws what stops it earlier. Nothing is lost either way. */
export async function runLakeStream(
  lake: Lake,
  settings: StreamSettings,
  options: LakeStreamOptions,
): Promise<StreamRunResult> {
  await requireSafeStore(lake)
  const { runStream } = await import('../ingest/index.ts')
  const { createDataFileRewriter, createDataFileWriter } = await import('../sql/index.ts')
  const { catalog, io, clock, random } = lake
  const { live, threads, workDirectory, ...rest } = options
  const logger = lake.logger.with({ stream: settings.name })
  const stream = memberStream(lake, settings)
  const source = await openSource(settings.input, { clock, random, logger, stream })
  const engine = await openStreamEngine({
    memoryBytesMax: settings.memoryBytesMax,
    ...(threads === undefined ? {} : { threads }),
    ...(workDirectory === undefined ? {} : { workDirectory }),
  })
  try {
    const writer = createDataFileWriter(engine.database)
    const rewriter = createDataFileRewriter(engine.database)
    const directory = workDirectory === undefined ? {} : { workDirectory }
    const attached = live?.layer.attach(settings)
    const shown = attached === undefined ? {} : { streaming: attached }
    const tools = { source, catalog, io, writer, rewriter, clock, random, logger }
    return await runStream(settings, { ...tools, ...directory, ...shown }, rest)
  } finally {
    await source.stop()
    await engine.close()
  }
}

/** A local warehouse has another path on each host that shares it, so only a bucket says which one it is. */
function memberStream({ warehouse }: Lake, { name, output }: StreamSettings): MemberStream {
  const { table, branch } = output
  const at = branch === mainBranch ? '' : `@${branch}`
  const isBucket = warehouse?.startsWith('s3://') === true
  return {
    name,
    table: `${formatIdentifier(table)}${at}`,
    warehouse: isBucket ? (warehouse ?? '') : '',
  }
}
