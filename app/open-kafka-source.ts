/** A Kafka source from settings: certificates read. */
import { readFile } from 'node:fs/promises'
import type { ConnectionOptions } from 'node:tls'
import {
  type Clock,
  type Logger,
  type Random,
  SettingsError,
  errorMessage,
} from '../common/index.ts'
import type { KafkaInputSettings, KafkaTlsSettings } from '../ingest/settings/index.ts'
import {
  type KafkaConnectionSettings,
  type MemberStream,
  type RecordSource,
  createKafkaSource,
} from '../ingest/index.ts'

export interface KafkaTools {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Shown to the other members of its consumer group. */
  readonly stream?: MemberStream
}

export async function openKafkaSource(
  input: KafkaInputSettings,
  tools: KafkaTools,
): Promise<RecordSource> {
  const { consumerGroup, sessionTimeoutMs, fetchBytesMax, partitionFetchBytesMax } = input
  const common = {
    connection: await kafkaConnection(input),
    topics: input.topics,
    ...(sessionTimeoutMs === undefined ? {} : { sessionTimeoutMs }),
    ...tools,
  }
  const limits = {
    ...(fetchBytesMax === undefined ? {} : { bytesMax: fetchBytesMax }),
    ...(partitionFetchBytesMax === undefined ? {} : { partitionBytesMax: partitionFetchBytesMax }),
  }
  return createKafkaSource({
    ...common,
    fetch: limits,
    ...(consumerGroup === undefined ? {} : { consumerGroup }),
  })
}

/** How to reach the brokers of an input; reads the PEM files that it names. */
export async function kafkaConnection(input: KafkaInputSettings): Promise<KafkaConnectionSettings> {
  const { requestTimeoutMs, sasl, tls } = input
  return {
    seedBrokers: input.seedBrokers,
    clientId: input.clientId,
    ...(tls === undefined ? {} : { tls: await tlsOptions(tls) }),
    ...(sasl === undefined ? {} : { sasl }),
    ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }),
  }
}

async function tlsOptions(settings: KafkaTlsSettings): Promise<ConnectionOptions> {
  const { rootCasFile, clientCertFile, clientKeyFile, verifyCertificate } = settings
  return {
    rejectUnauthorized: verifyCertificate,
    ...(rootCasFile === undefined ? {} : { ca: await pem(rootCasFile, 'root_cas_file') }),
    ...(clientCertFile === undefined ? {} : { cert: await pem(clientCertFile, 'cert_file') }),
    ...(clientKeyFile === undefined ? {} : { key: await pem(clientKeyFile, 'key_file') }),
  }
}

async function pem(file: string, key: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new SettingsError(`cannot read ${key} of input.kafka.tls`, {
      facts: { file, reason: errorMessage(error) },
      cause: error,
    })
  }
}
