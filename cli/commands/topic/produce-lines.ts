/** The lines of stdin, byte for byte, as records of a topic. */
import type { RecordProducer, RecordToProduce } from '../../../ingest/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { UsageError } from '../../frame/failure.ts'

const batchRecordsMax = 10_000
const batchBytesMax = 4_000_000
const lineBytesMax = 128_000_000
const lingerMs = 100
const newline = 0x0a

/** Sends whole batches, and what waits in one when its input pauses: a slow producer must not be held back. */
export async function produceLines(
  context: CliContext,
  producer: RecordProducer,
  topic: string,
  toRecord: (line: Uint8Array) => RecordToProduce,
): Promise<number> {
  const { stdin } = context.streams
  const ended = new AbortController()
  let count = 0
  let batch: RecordToProduce[] = []
  let batchBytes = 0
  // One after the other, so that records keep their order.
  let sending: Promise<void> = Promise.resolve()
  const flush = (): Promise<void> => {
    sending = sending.then(async () => {
      const records = batch
      batch = []
      batchBytes = 0
      if (records.length > 0) await producer.produce(topic, records)
      count += records.length
      context.progress.update({ label: topic, records: count })
    })
    return sending
  }
  const flushing = flushNowAndThen(context, ended.signal, flush)
  try {
    for await (const line of lines(stdin)) {
      if (context.signal.aborted) break
      batch.push(toRecord(line))
      batchBytes += line.length
      const isFull = batch.length >= batchRecordsMax || batchBytes >= batchBytesMax
      if (isFull || stdin.isTTY === true) await flush()
    }
    await flush()
  } catch (error) {
    if (count > 0) context.note(`produced ${count} records to ${topic} before it failed`)
    throw error
  } finally {
    ended.abort()
    await flushing
  }
  return count
}

/** A failure ends the input, whose reader then fails with it. */
async function flushNowAndThen(
  { clock, streams }: CliContext,
  ended: AbortSignal,
  flush: () => Promise<void>,
): Promise<void> {
  try {
    for (;;) {
      await clock.sleep(lingerMs, ended)
      await flush()
    }
  } catch (error) {
    if (!ended.aborted) streams.stdin.destroy(error instanceof Error ? error : undefined)
  }
}

/** Splits at newlines without decoding: invalid UTF-8 passes through unharmed. */
export async function* lines(input: AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array[] = []
  let restBytes = 0
  for await (const chunk of input) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Uint8Array)
    let start = 0
    for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
      yield withoutReturn(joined(rest, bytes.subarray(start, end)))
      rest = []
      restBytes = 0
      start = end + 1
    }
    if (start < bytes.length) rest.push(Uint8Array.from(bytes.subarray(start)))
    restBytes += bytes.length - start
    if (restBytes > lineBytesMax) {
      throw new UsageError(`a line is longer than ${lineBytesMax} bytes`)
    }
  }
  if (rest.length > 0) yield withoutReturn(joined(rest, new Uint8Array()))
}

function joined(rest: readonly Uint8Array[], last: Uint8Array): Uint8Array {
  return rest.length === 0 ? Uint8Array.from(last) : Buffer.concat([...rest, last])
}

function withoutReturn(line: Uint8Array): Uint8Array {
  return line.at(-1) === 0x0d ? line.subarray(0, -1) : line
}
