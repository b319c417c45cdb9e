/** A stream as `tide stream run --until latest` drains it, but read by the plain consumer. */
import { runStream, type StreamParts, type StreamRunResult } from '../../../ingest/index.ts'
import type { StreamSettings } from '../../../ingest/settings/index.ts'
import { createDataFileWriter, openDatabase } from '../../../sql/index.ts'
import { createKafkajsSource } from './kafkajs-source.ts'

export async function drainWithKafkajs(
  parts: Omit<StreamParts, 'source' | 'writer'>,
  settings: StreamSettings,
): Promise<StreamRunResult> {
  const { input } = settings
  if (input.kind !== 'kafka') throw new Error('the plain consumer reads Kafka only')
  const { seedBrokers, clientId, topics, consumerGroup = `${settings.name}-kafkajs` } = input
  const source = createKafkajsSource({
    connection: { seedBrokers, clientId },
    topics,
    consumerGroup,
  })
  const database = await openDatabase()
  try {
    const writer = createDataFileWriter(database)
    return await runStream(settings, { ...parts, source, writer }, { until: 'latest' })
  } finally {
    await source.stop()
    database.close()
  }
}
