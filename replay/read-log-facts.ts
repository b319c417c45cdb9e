/** Reads the bounds of the partitions that a stream has read, and the offsets of the requested times. */
import { checkIdentity, type RecordSource, type StreamOffsets } from '../ingest/index.ts'
import { type StreamSettings, withoutGroup } from '../ingest/settings/index.ts'
import { type LogFacts, partitionsOf, type ReplayFrom, type ReplayUntil } from './replay-ranges.ts'
import type { ReplayTools } from './replay-tools.ts'

/** Throws LogMismatchError when the table was filled from another log. */
export async function readLogFacts(
  tools: ReplayTools,
  settings: StreamSettings,
  committed: StreamOffsets,
  { from, until }: { readonly from: ReplayFrom; readonly until: ReplayUntil },
): Promise<LogFacts> {
  const source = await tools.openSource(withoutGroup(settings.input), tools.logger)
  try {
    await source.start()
    const topics = await source.describeTopics()
    checkIdentity(committed, {
      stream: settings.name,
      clusterId: await source.clusterId(),
      topicIds: new Map(topics.map(({ topic, topicId }) => [topic, topicId])),
    })
    const counts = new Map(topics.map(({ topic, partitionCount }) => [topic, partitionCount]))
    const partitions = partitionsOf(committed).filter(
      ({ topic, partition }) => partition < (counts.get(topic) ?? 0),
    )
    const timesOf = (end: ReplayFrom | ReplayUntil): ReturnType<RecordSource['offsetsForTime']> =>
      end.kind === 'time'
        ? source.offsetsForTime(partitions, end.timestampMs)
        : Promise.resolve(new Map())
    return {
      bounds: await source.offsetBounds(partitions),
      fromTimes: await timesOf(from),
      untilTimes: await timesOf(until),
    }
  } finally {
    await source.stop()
  }
}
