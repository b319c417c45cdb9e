/** The producer: flights of the source file into the log, as fast as allowed. */
import type { Clock } from '../common/index.ts'
import type { EmbeddedLog } from '../ingest/index.ts'
import { type Database, streamJson } from '../sql/index.ts'
import { demoPartitions, demoTopic } from './demo-project.ts'
import { flightRecords } from './flights.ts'

export interface ProduceRequest {
  readonly log: EmbeddedLog
  readonly database: Database
  readonly clock: Clock
  readonly file: string
  /** Flights before this one are left out; default 0. */
  readonly first?: number
  readonly records: number
  /** Ends earlier when it takes longer. */
  readonly durationMsMax: number
  readonly recordsPerSecond: number | undefined
  readonly signal: AbortSignal
  readonly onAppended: (produced: number, append: Append) => void
}

/** Records that are durable now, from `baseOffset` on. */
export interface Append {
  readonly partition: number
  readonly baseOffset: bigint
  readonly values: readonly string[]
}

/** Records of one append, which is one fsync. */
const appendRecordsMax = 25_000
/** A few flights and slow ones are spread over all partitions too. */
const appendsMin = 40
const appendsPerSecond = 10

/** Returns how many records are durable in the log. */
export async function produceFlights(request: ProduceRequest): Promise<number> {
  const { clock, records, recordsPerSecond, signal } = request
  const startedMs = clock.monotonic()
  const size = appendSize(records, recordsPerSecond)
  let waiting: string[] = []
  let produced = 0
  let appends = 0
  const append = async (values: readonly string[]): Promise<void> => {
    // Whole appends in turn: the order of time is kept in each partition.
    const partition = appends++ % demoPartitions
    const { baseOffset } = await request.log.appendValues({ topic: demoTopic, partition }, values)
    produced += values.length
    request.onAppended(produced, { partition, baseOffset, values })
    if (recordsPerSecond === undefined) return
    const aheadMs = (produced / recordsPerSecond) * 1000 - (clock.monotonic() - startedMs)
    if (aheadMs > 0) await clock.sleep(aheadMs, signal)
  }
  const { file, first = 0 } = request
  const source = flightRecords(file, first + records, first)
  for await (const values of streamJson(request.database, source)) {
    waiting.push(...values)
    while (waiting.length >= size) {
      signal.throwIfAborted()
      if (clock.monotonic() - startedMs >= request.durationMsMax) return produced
      await append(waiting.slice(0, size))
      waiting = waiting.slice(size)
    }
  }
  if (waiting.length > 0) await append(waiting)
  return produced
}

function appendSize(records: number, recordsPerSecond: number | undefined): number {
  const paced = recordsPerSecond === undefined ? records : recordsPerSecond / appendsPerSecond
  return Math.max(1, Math.floor(Math.min(appendRecordsMax, records / appendsMin, paced)))
}
