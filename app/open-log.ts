/** Writing to a log and looking after its topics, whichever kind of log it is. */
import { type Logger, silentLogger } from '../common/index.ts'
import type { InputSettings } from '../settings/index.ts'
import type { RecordProducer, TopicAdmin } from '../ingest/index.ts'

export interface LogTools {
  readonly logger?: Logger
}

export async function openProducer(
  input: InputSettings,
  tools: LogTools = {},
): Promise<RecordProducer> {
  const ingest = await import('../ingest/index.ts')
  if (input.kind === 'embedded') {
    const log = await ingest.EmbeddedLog.open(input.directory)
    const producer = ingest.createEmbeddedProducer(log)
    return {
      produce: (topic, records) => producer.produce(topic, records),
      close: async () => {
        await producer.close()
        await log.close()
      },
    }
  }
  const { kafkaConnection } = await import('./open-kafka-source.ts')
  const connection = await kafkaConnection(input)
  return ingest.createKafkaProducer({ connection, logger: tools.logger ?? silentLogger })
}

export async function openTopicAdmin(
  input: InputSettings,
  tools: LogTools = {},
): Promise<TopicAdmin> {
  const ingest = await import('../ingest/index.ts')
  if (input.kind === 'embedded') {
    const log = await ingest.EmbeddedLog.open(input.directory)
    const admin = ingest.createEmbeddedAdmin(log)
    return {
      ...admin,
      close: async () => {
        await admin.close()
        await log.close()
      },
    }
  }
  const { kafkaConnection } = await import('./open-kafka-source.ts')
  return ingest.createKafkaAdmin(await kafkaConnection(input), tools.logger ?? silentLogger)
}
