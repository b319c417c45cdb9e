/** The log behind a stream, made from settings. Nothing is contacted before `start`. */
import {
  type Clock,
  type Logger,
  type Random,
  silentLogger,
  systemClock,
  systemRandom,
} from '../common/index.ts'
import type { InputSettings } from '../ingest/settings/index.ts'
import type { MemberStream, RecordSource } from '../ingest/index.ts'

export interface SourceTools {
  readonly clock?: Clock
  readonly random?: Random
  readonly logger?: Logger
  /** Shown to the other members of its consumer group. */
  readonly stream?: MemberStream
}

/** Close with `stop`. To look without taking part in a group, leave `consumerGroup` out. */
export async function openSource(
  input: InputSettings,
  tools: SourceTools = {},
): Promise<RecordSource> {
  const clock = tools.clock ?? systemClock
  // Loaded when needed: most commands read no log and should not wait for a Kafka client.
  if (input.kind === 'embedded') {
    const { EmbeddedLog, createEmbeddedSource } = await import('../ingest/index.ts')
    const log = await EmbeddedLog.openExisting(input.directory, { clock }, input.topics)
    return createEmbeddedSource({ log, topics: input.topics })
  }
  const { openKafkaSource } = await import('./open-kafka-source.ts')
  return openKafkaSource(input, {
    clock,
    random: tools.random ?? systemRandom,
    logger: tools.logger ?? silentLogger,
    ...(tools.stream === undefined ? {} : { stream: tools.stream }),
  })
}
