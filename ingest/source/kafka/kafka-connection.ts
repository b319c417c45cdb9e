/**
 * How to reach a Kafka cluster, and the kafkajs client made from that.
 */
import type { ConnectionOptions } from 'node:tls'
import { Kafka, logLevel } from 'kafkajs'
import type { ISocketFactory, RetryOptions, SASLOptions, logCreator } from 'kafkajs'
import { type Logger, ValidationError } from '../../../common/index.ts'

export interface KafkaConnectionSettings {
  /** `host:port`, at least one. */
  readonly seedBrokers: readonly string[]
  readonly clientId?: string
  readonly tls?: boolean | ConnectionOptions
  readonly sasl?: KafkaSaslSettings
  readonly connectionTimeoutMs?: number
  readonly requestTimeoutMs?: number
}

export interface KafkaSaslSettings {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  readonly username: string
  readonly password: string
}

/** For a client whose user waits for the answer. */
export const promptRetry: RetryOptions = { initialRetryTime: 200, maxRetryTime: 2_000, retries: 6 }

export const kafkaDefaults = {
  clientId: 'tidewater',
  connectionTimeoutMs: 3_000,
  requestTimeoutMs: 30_000,
} as const

/** The public kafkajs client, for groups, producing and administration. */
export function createKafkajsClient(
  settings: KafkaConnectionSettings,
  logger: Logger,
  retry: RetryOptions = {},
  socketFactory?: ISocketFactory,
): Kafka {
  checkSeedBrokers(settings.seedBrokers)
  const sasl = kafkajsSasl(settings)
  return new Kafka({
    brokers: [...settings.seedBrokers],
    clientId: settings.clientId ?? kafkaDefaults.clientId,
    ...(settings.tls === undefined ? {} : { ssl: settings.tls }),
    ...(sasl === undefined ? {} : { sasl }),
    connectionTimeout: settings.connectionTimeoutMs ?? kafkaDefaults.connectionTimeoutMs,
    requestTimeout: settings.requestTimeoutMs ?? kafkaDefaults.requestTimeoutMs,
    logLevel: logLevel.INFO,
    logCreator: kafkajsLogCreator(logger),
    retry,
    ...(socketFactory === undefined ? {} : { socketFactory }),
  })
}

/**
 * kafkajs logs each failed attempt as an error, also those that it repeats. We report the outcome, so its
 * lines are for debugging.
 */
export function kafkajsLogCreator(logger: Logger): logCreator {
  return () =>
    ({ namespace, label, log }) => {
      logger.debug('kafka.client', { namespace, label, text: log.message, ...errorField(log) })
    }
}

export function kafkajsSasl(settings: KafkaConnectionSettings): SASLOptions | undefined {
  const { sasl } = settings
  if (sasl === undefined) return undefined
  const { mechanism, username, password } = sasl
  return { mechanism, username, password } as SASLOptions
}

/** `host:port` in parts; an IPv6 address stands in brackets. */
export function parseBrokerAddress(address: string): { host: string; port: number } {
  const match = /^\[?(?<host>[^\]]+?)\]?:(?<port>\d{1,5})$/.exec(address)
  const host = match?.groups?.['host']
  const port = Number(match?.groups?.['port'])
  if (host === undefined || !(port > 0 && port < 65_536)) {
    throw new ValidationError('a kafka broker is given as host:port', { facts: { address } })
  }
  return { host, port }
}

function checkSeedBrokers(seedBrokers: readonly string[]): void {
  if (seedBrokers.length === 0) throw new ValidationError('kafka needs at least one seed broker')
  for (const address of seedBrokers) parseBrokerAddress(address)
}

function errorField(log: { readonly [key: string]: unknown }): { error?: unknown } {
  return log['error'] === undefined ? {} : { error: log['error'] }
}
