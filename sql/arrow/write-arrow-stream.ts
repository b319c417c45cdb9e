/** Results in Arrow's IPC stream format. The Arrow library is loaded by the first result that needs it. */
import type { QueryResult } from '../session/query-result.ts'

/** Where bytes go; awaits the receiver, so that no more is read than it takes. */
export type ByteSink = (bytes: Uint8Array) => Promise<void>

/** Reads the result to its end. The caller closes it. */
export async function writeArrowStream(sink: ByteSink, result: QueryResult): Promise<void> {
  const { ArrowEncoder } = await import('./arrow-encoder.ts')
  const encoder = new ArrowEncoder(result.columns)
  await sink(encoder.begin())
  for await (const rows of result.batches) {
    if (rows.length > 0) await sink(encoder.batch(rows))
  }
  await sink(encoder.end())
}
