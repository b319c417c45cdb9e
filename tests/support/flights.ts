/**
 * The 3,000,000 US flights of vega-datasets, read by hyparquet: what the demo and the end-to-end tests
 * must find again in the table, counted by a reader that is neither DuckDB nor ours.
 */
import { fileURLToPath } from 'node:url'
import wasmZstd from '@foxglove/wasm-zstd'
import {
  asyncBufferFromFile,
  type FileMetaData,
  parquetMetadataAsync,
  parquetRead,
} from 'hyparquet'

export interface FlightsSummary {
  readonly count: number
  readonly delaySum: bigint
  readonly distanceSum: bigint
  /** Rows per day, `YYYY-MM-DD`, in order. */
  readonly days: ReadonlyMap<string, number>
  /** Rows per month, `YYYY-MM`, in order. */
  readonly months: ReadonlyMap<string, number>
  /** Rows per airport of departure. */
  readonly origins: ReadonlyMap<string, number>
}

export interface Flight {
  /** Local time of the departure, `YYYY-MM-DDTHH:MM:SS.sss`, as the file has it: without a zone. */
  readonly date: string
  readonly delay: number
  readonly distance: number
  readonly origin: string
  readonly destination: string
}

export const flightsFile = fileURLToPath(
  new URL('../../node_modules/vega-datasets/data/flights-3m.parquet', import.meta.url),
)

/** Counts and sums over all flights, or the first `rowsMax`; reads one row group at a time. */
export async function summarizeFlights(
  rowsMax = Number.POSITIVE_INFINITY,
): Promise<FlightsSummary> {
  const days = new Map<string, number>()
  const months = new Map<string, number>()
  const origins = new Map<string, number>()
  let count = 0
  let delaySum = 0n
  let distanceSum = 0n
  for await (const group of rowGroups(rowsMax)) {
    for (const flight of group) {
      count++
      delaySum += BigInt(flight.delay)
      distanceSum += BigInt(flight.distance)
      increment(days, flight.date.slice(0, 10))
      increment(months, flight.date.slice(0, 7))
      increment(origins, flight.origin)
    }
  }
  return { count, delaySum, distanceSum, days: sorted(days), months: sorted(months), origins }
}

/** Rows `[from, to)` in the order of the file. */
export async function readFlights(from: number, to: number): Promise<readonly Flight[]> {
  const { file, metadata } = await openFlights()
  return readRows(file, metadata, from, to)
}

type FlightsFile = Awaited<ReturnType<typeof asyncBufferFromFile>>

async function openFlights(): Promise<{ file: FlightsFile; metadata: FileMetaData }> {
  await wasmZstd.isLoaded
  const file = await asyncBufferFromFile(flightsFile)
  return { file, metadata: await parquetMetadataAsync(file) }
}

async function* rowGroups(rowsMax: number): AsyncGenerator<readonly Flight[]> {
  const { file, metadata } = await openFlights()
  let start = 0
  for (const group of metadata.row_groups) {
    if (start >= rowsMax) return
    const end = start + Number(group.num_rows)
    yield await readRows(file, metadata, start, Math.min(end, rowsMax))
    start = end
  }
}

interface RawFlight {
  readonly date: Date
  readonly delay: bigint | number
  readonly distance: bigint | number
  readonly origin: string
  readonly destination: string
}

async function readRows(
  file: FlightsFile,
  metadata: FileMetaData,
  rowStart: number,
  rowEnd: number,
): Promise<readonly Flight[]> {
  let rows: readonly RawFlight[] = []
  await parquetRead({
    file,
    metadata,
    rowStart,
    rowEnd,
    rowFormat: 'object',
    compressors: {
      ZSTD: (input: Uint8Array, outputLength: number) => wasmZstd.decompress(input, outputLength),
    },
    onComplete: (found: unknown) => {
      rows = found as readonly RawFlight[]
    },
  })
  return rows.map((row) => ({
    date: row.date.toISOString().slice(0, -1),
    delay: Number(row.delay),
    distance: Number(row.distance),
    origin: row.origin,
    destination: row.destination,
  }))
}

function increment(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

function sorted(counts: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  return new Map([...counts].sort(([left], [right]) => (left < right ? -1 : 1)))
}
