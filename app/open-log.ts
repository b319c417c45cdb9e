/** Writing to a log and looking after its topics, whichever kind of log it is. */
import { type Logger, silentLogger } from '../common/index.ts'
import type { InputSettings } from '../ingest/settings/index.ts'
import type { EmbeddedLog, RecordProducer, TopicAdmin } from '../ingest/index.ts'

export interface LogTools {
  readonly logger?: Logger
  /** An embedded log whose directory is none yet is made; without this it is an error. */
  readonly createsLog?: boolean
}

export async function openProducer(
  input: InputSettings,
  tools: LogTools = {},
): Promise<RecordProducer> {
  const { createEmbeddedProducer, createKafkaProducer } = await import('../ingest/index.ts')
  if (input.kind === 'embedded') {
    const log = await openEmbeddedLog(input.directory, tools)
    const producer = createEmbeddedProducer(log)
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
  return createKafkaProducer({ connection, logger: tools.logger ?? silentLogger })
}

export async function openTopicAdmin(
  input: InputSettings,
  tools: LogTools = {},
): Promise<TopicAdmin> {
  const { createEmbeddedAdmin, createKafkaAdmin } = await import('../ingest/index.ts')
  if (input.kind === 'embedded') {
    const log = await openEmbeddedLog(input.directory, tools)
    const admin = createEmbeddedAdmin(log)
    return {
      ...admin,
      close: async () => {
        await admin.close()
        await log.close()
      },
    }
  }
  const { kafkaConnection } = await import('./open-kafka-source.ts')
  return createKafkaAdmin(await kafkaConnection(input), tools.logger ?? silentLogger)
}

async function openEmbeddedLog(directory: string, { createsLog }: LogTools): Promise<EmbeddedLog> {
  const { EmbeddedLog } = await import('../ingest/index.ts')
  return createsLog === true ? EmbeddedLog.open(directory) : EmbeddedLog.openExisting(directory)
}
