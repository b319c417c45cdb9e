/** `tide topic consume`: reads without a group, so no committed offset moves. */
import type { Command } from 'commander'
import { logBounds, openSource } from '../../../app/index.ts'
import { NotFoundError } from '../../../common/index.ts'
import {
  type RecordBatch,
  type RecordSource,
  type TopicPartition,
  decodeRecordHeaders,
  partitionKey,
} from '../../../ingest/index.ts'
import {
  type ConsumeRange,
  type OffsetMark,
  parseConsumeRange,
  resolveMark,
} from './consume-range.ts'
import type { CliContext } from '../../frame/context.ts'
import { UsageError } from '../../frame/failure.ts'
import { outputFormats } from '../../frame/output.ts'
import {
  type RecordFormatter,
  type ShownRecord,
  compileRecordFormat,
  jsonRecord,
} from './record-format.ts'
import { type LogFlags, topicInput } from './input.ts'
import { partitionList } from './partition-list.ts'
import { topicVerb } from './topic-verb.ts'

interface ConsumeFlags extends LogFlags {
  readonly partitions?: string
  readonly num?: string
  readonly count?: string
  readonly exit?: boolean
  readonly format?: string
  readonly json?: boolean
  readonly null?: boolean
}

/** One partition on its way from `next` to `end`. */
interface Reading extends TopicPartition {
  readonly start: bigint
  readonly end: bigint | undefined
  next: bigint
}

const pollBytesMax = 4_000_000
const pollWaitMs = 250

export function addConsume(topic: Command, context: CliContext): void {
  topicVerb(topic, 'consume')
    .description('print records; -o takes an offset (start, end, 100:200, -5, @time) or json')
    .option('-p, --partitions <list>', 'only these partitions: 0,2')
    .option('-n, --num <count>', 'stop after so many records')
    .option('-c, --count <count>', 'the same, as kcat writes it')
    .option('-e, --exit', 'stop at the end of the log')
    .option('-f, --format <format>', "for example '%p %o %k %s\\n'; default '%s\\n'")
    .option('-J, --json', 'one JSON object per record (also -o json)')
    .option('-Z, --null', 'print NULL for null keys and values')
    .action((name: string, flags: ConsumeFlags) => consumeTopic(context, name, flags))
}

async function consumeTopic(
  context: CliContext,
  topic: string,
  flags: ConsumeFlags,
): Promise<void> {
  const { range, formatter } = readFlags(context, flags)
  const recordsMax = countOf(flags.num ?? flags.count)
  const input = await topicInput(context, flags, [topic])
  const source = await openSource(input, { clock: context.clock, logger: await context.logger() })
  context.onClose(() => source.stop())
  await source.start()
  const bounded = flags.exit === true ? { end: { kind: 'latest' as const }, ...range } : range
  const readings = await planReadings(source, topic, partitionList(flags.partitions), bounded)
  await readAll(context, source, readings, formatter, recordsMax)
}

/** `-o` stands for a format or an offset; no word is both. */
function readFlags(
  context: CliContext,
  flags: ConsumeFlags,
): { readonly range: ConsumeRange; readonly formatter: RecordFormatter } {
  const words = context.globals.output
  const isFormat = (word: string): boolean => (outputFormats as readonly string[]).includes(word)
  const format = words.filter(isFormat).at(-1)
  if (format !== undefined && format !== 'json' && format !== 'jsonl') {
    throw new UsageError(`records are printed as json, or by -f; "${format}" is for tables`)
  }
  const json = flags.json === true || format !== undefined
  return {
    range: parseConsumeRange(
      words.filter((word) => !isFormat(word)),
      context.clock.now(),
    ),
    formatter: json
      ? jsonRecord
      : compileRecordFormat(
          flags.format ?? '%s\\n',
          flags.null === true ? { nullText: 'NULL' } : {},
        ),
  }
}

async function planReadings(
  source: RecordSource,
  topic: string,
  only: readonly number[] | undefined,
  range: ConsumeRange,
): Promise<ReadonlyMap<string, Reading>> {
  const [bounds] = await logBounds(source)
  const partitions = (bounds?.partitions ?? []).map((_, partition) => ({ topic, partition }))
  const missing = only?.find((partition) => partition >= partitions.length)
  if (missing !== undefined) {
    throw new NotFoundError(`topic ${topic} has no partition ${missing}`, {
      facts: { partitions: partitions.length },
    })
  }
  const startTimes = await timesOf(source, partitions, range.start)
  const endTimes = await timesOf(source, partitions, range.end)
  const readings = new Map<string, Reading>()
  for (const partition of partitions) {
    if (only !== undefined && !only.includes(partition.partition)) continue
    const key = partitionKey(partition)
    const limits = bounds?.partitions[partition.partition] ?? { earliest: 0n, latest: 0n }
    const start = resolveMark(range.start, limits, startTimes.get(key))
    const end =
      range.end === undefined ? undefined : resolveMark(range.end, limits, endTimes.get(key))
    readings.set(key, { ...partition, start, end, next: start })
  }
  return readings
}

async function timesOf(
  source: RecordSource,
  partitions: readonly TopicPartition[],
  mark: OffsetMark | undefined,
): Promise<ReadonlyMap<string, bigint | undefined>> {
  if (mark?.kind !== 'time') return new Map()
  return source.offsetsForTime(partitions, mark.timestampMs)
}

async function readAll(
  context: CliContext,
  source: RecordSource,
  readings: ReadonlyMap<string, Reading>,
  formatter: RecordFormatter,
  recordsMax: number,
): Promise<void> {
  let left = recordsMax
  const isDone = (): boolean =>
    left <= 0 || [...readings.values()].every(({ end, next }) => end !== undefined && next >= end)
  while (!isDone() && !context.signal.aborted) {
    const result = await source.poll(pollBytesMax, pollWaitMs, context.signal).catch(ifAborted)
    if (result === undefined) return
    if (result.kind === 'assigned') {
      begin(source, result.partitions, readings)
      continue
    }
    for (const batch of result.batches) {
      const reading = readings.get(partitionKey(batch))
      if (reading === undefined) continue
      for (const record of shownRecords(batch, reading)) {
        if (left-- <= 0) return
        await print(context, formatter(record))
      }
      reading.next = batch.nextOffset
      if (reading.end !== undefined && reading.next >= reading.end) source.pause([reading])
    }
  }
}

function begin(
  source: RecordSource,
  partitions: readonly TopicPartition[],
  readings: ReadonlyMap<string, Reading>,
): void {
  for (const partition of partitions) {
    const reading = readings.get(partitionKey(partition))
    source.seek(partition, reading?.next ?? 0n)
    const isOver =
      reading === undefined || (reading.end !== undefined && reading.next >= reading.end)
    if (isOver) source.pause([partition])
  }
}

function* shownRecords(batch: RecordBatch, reading: Reading): Generator<ShownRecord> {
  for (let index = 0; index < batch.count; index++) {
    const offset = batch.offsets[index] ?? 0n
    if (reading.end !== undefined && offset >= reading.end) return
    yield {
      topic: batch.topic,
      partition: batch.partition,
      offset,
      timestampMs: batch.timestamps[index] ?? 0n,
      key: slice(batch.data, batch.keyStarts[index], batch.keyEnds[index]),
      value: slice(batch.data, batch.valueStarts[index], batch.valueEnds[index]),
      headers: decodeRecordHeaders(
        batch.data,
        batch.headerStarts[index] ?? 0,
        batch.headerEnds[index] ?? 0,
      ),
    }
  }
}

function slice(data: Uint8Array, start = -1, end = 0): Uint8Array | null {
  return start < 0 ? null : data.subarray(start, end)
}

/** Waits while the reader of our stdout is slower than the log. */
async function print(context: CliContext, bytes: Uint8Array): Promise<void> {
  const { stdout } = context.streams
  if (stdout.write(bytes)) return
  await new Promise<void>((resolve) => stdout.once('drain', resolve))
}

function countOf(text: string | undefined): number {
  if (text === undefined) return Number.POSITIVE_INFINITY
  if (!/^\d+$/.test(text)) throw new UsageError(`not a number of records: "${text}"`)
  return Number(text)
}

function ifAborted(error: unknown): undefined {
  if (error instanceof Error && error.name === 'AbortError') return undefined
  throw error
}
