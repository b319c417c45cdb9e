/**
 * The engine of one running stream. It has most of `limits.memory`, since records that wait for their commit lie in
 * files; what Node itself needs comes on top (docs/configuration.md).
 */
import { availableParallelism } from 'node:os'
import { rm } from 'node:fs/promises'
import { openOwnDirectory } from '../common/index.ts'
import type { Database } from '../sql/index.ts'

export interface StreamEngineOptions {
  /** `limits.memory` of the stream. */
  readonly memoryBytesMax: number
  /** Default: one per core, as far as the memory goes. */
  readonly threads?: number
  /** What does not fit into memory goes below; default: the system's temporary directory. */
  readonly workDirectory?: string
}

export interface StreamEngine {
  readonly database: Database
  close(): Promise<void>
}

/** Less is too little for a batch of nested records. */
const engineBytesMin = 256 << 20
/** Buffers of a reader, a row group and its pages. */
const threadBytes = 64 << 20

export async function openStreamEngine(options: StreamEngineOptions): Promise<StreamEngine> {
  const { openDatabase } = await import('../sql/index.ts')
  const memoryLimitBytes = Math.max(engineBytesMin, Math.floor(options.memoryBytesMax * 0.75))
  const threads =
    options.threads ?? Math.min(availableParallelism(), Math.floor(memoryLimitBytes / threadBytes))
  const directory = await openOwnDirectory('tidewater-engine', options.workDirectory)
  const database = await openDatabase({
    threads,
    memoryLimitBytes,
    returnsMemory: true,
    tempDirectory: directory,
  })
  return {
    database,
    close: async () => {
      database.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
