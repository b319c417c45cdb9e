/** Which log a `tide topic` command talks to: flags, else what the project's streams read. */
import { resolve } from 'node:path'
import type { InputSettings } from '../../../ingest/settings/index.ts'
import type { CliContext } from '../../frame/context.ts'
import { UsageError } from '../../frame/failure.ts'
import { loadGoodStreams } from '../../frame/stream-files.ts'

export interface LogFlags {
  readonly brokers?: string
  readonly log?: string
  readonly stream?: string
}

/** An input whose topics are exactly `topics`. */
export async function topicInput(
  context: CliContext,
  flags: LogFlags,
  topics: readonly string[],
): Promise<InputSettings> {
  const startOffset = { kind: 'earliest' } as const
  if (flags.log !== undefined) {
    const directory = resolve(context.directory, flags.log)
    return { kind: 'embedded', directory, topics, startOffset }
  }
  const brokers = flags.brokers ?? context.environment('TIDEWATER_BROKERS')
  if (brokers !== undefined) {
    const seedBrokers = brokers.split(',').map((broker) => broker.trim())
    return { kind: 'kafka', seedBrokers, topics, startOffset, clientId: 'tide' }
  }
  return { ...(await streamInput(context, flags.stream, topics)), topics }
}

async function streamInput(
  context: CliContext,
  stream: string | undefined,
  topics: readonly string[],
): Promise<InputSettings> {
  const { withoutGroup } = await import('../../../ingest/settings/index.ts')
  const named = stream === undefined ? [] : [stream]
  const files = await context.streamFiles(named).catch((error: unknown) => {
    if (stream !== undefined) throw error
    return []
  })
  if (files.length === 0) {
    throw new UsageError(
      'no log to talk to: give --brokers host:port, --log directory or --stream file (env TIDEWATER_BROKERS)',
    )
  }
  const { streams } = await loadGoodStreams(context, files)
  const inputs = streams.map(({ settings }) => settings.input)
  const reads = inputs.find((input) => topics.every((topic) => input.topics.includes(topic)))
  const [first] = inputs
  if (reads !== undefined) return withoutGroup(reads)
  if (first === undefined) throw new UsageError('the project has no streams')
  return withoutGroup(first)
}
