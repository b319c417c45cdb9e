/**
 * One broker: sends our own requests over kafkajs's connections to it.
 */
import { UnavailableError, UnsupportedError, type Logger } from '../../../common/index.ts'
import {
  kafkaDefaults,
  kafkajsLogCreator,
  kafkajsSasl,
  type KafkaConnectionSettings,
} from './kafka-connection.ts'
import { kafkajsError } from './kafka-errors.ts'
import type { KafkaRequest } from './kafka-requests.ts'
import { KafkaSockets } from './kafka-sockets.ts'
import { createKafkajsBroker, type KafkajsBroker } from './kafkajs-internals.ts'

export class KafkaNode {
  /** `host:port` */
  readonly address: string
  readonly #host: string
  readonly #port: number
  readonly #settings: KafkaConnectionSettings
  readonly #logger: Logger
  readonly #sockets = new KafkaSockets()
  #broker: Promise<KafkajsBroker> | undefined
  #closed = false

  constructor(host: string, port: number, settings: KafkaConnectionSettings, logger: Logger) {
    this.address = `${host}:${port}`
    this.#host = host
    this.#port = port
    this.#settings = settings
    this.#logger = logger
  }

  /** Throws UnavailableError, AccessDeniedError, UnsupportedError; the next call connects again. */
  async send<T>(request: KafkaRequest<T>): Promise<T> {
    return this.#using(async (broker) => {
      requireVersion(broker, request, this.address)
      return broker.connectionPool.send({
        request: {
          apiKey: request.apiKey,
          apiVersion: request.apiVersion,
          apiName: request.apiName,
          encode: () => Promise.resolve({ buf: request.body, buffer: request.body }),
        },
        response: {
          decode: (payload) => Promise.resolve(request.decode(payload)),
          parse: (decoded) => Promise.resolve(decoded),
        },
        logResponseError: false,
      })
    })
  }

  async #using<T>(work: (broker: KafkajsBroker) => Promise<T>): Promise<T> {
    if (this.#closed) throw closedError(this.address)
    // Concurrent calls share one attempt: kafkajs would open a socket for each of them.
    const connecting = (this.#broker ??= this.#connect())
    try {
      return await work(await connecting)
    } catch (error) {
      const wrapped = kafkajsError(error, { connection: this.#settings, broker: this.address })
      // A connection that failed once is not trusted again: kafkajs does not repair it.
      if (wrapped.retryable || !(await isOpen(connecting))) await this.#drop(connecting)
      throw wrapped
    }
  }

  /** Throws as `send` does. */
  async connect(): Promise<void> {
    await this.#using(() => Promise.resolve())
  }

  /** Takes back the memory of an answer that is no longer read. */
  recycle(memory: ArrayBuffer): void {
    this.#sockets.recycle(memory)
  }

  /** Ends requests in flight immediately. */
  async close(): Promise<void> {
    this.#closed = true
    if (this.#broker !== undefined) await this.#drop(this.#broker)
    this.#sockets.destroy()
  }

  async #connect(): Promise<KafkajsBroker> {
    const { clientId, connectionTimeoutMs, requestTimeoutMs, tls } = this.#settings
    const broker = await createKafkajsBroker({
      host: this.#host,
      port: this.#port,
      clientId: clientId ?? kafkaDefaults.clientId,
      ssl: tls,
      sasl: kafkajsSasl(this.#settings),
      connectionTimeoutMs: connectionTimeoutMs ?? kafkaDefaults.connectionTimeoutMs,
      requestTimeoutMs: requestTimeoutMs ?? kafkaDefaults.requestTimeoutMs,
      logCreator: kafkajsLogCreator(this.#logger),
      socketFactory: this.#sockets.factory,
    })
    try {
      await broker.connect()
      // The second connection of the pool carries Fetch.
      await broker.connectionPool.getConnection(1)
      return broker
    } catch (error) {
      await closeBroker(broker)
      throw error
    }
  }

  async #drop(connecting: Promise<KafkajsBroker>): Promise<void> {
    if (this.#broker === connecting) this.#broker = undefined
    try {
      await closeBroker(await connecting)
    } catch {
      // It never connected, so there is nothing to close.
    }
  }
}

async function isOpen(connecting: Promise<KafkajsBroker>): Promise<boolean> {
  return connecting.then(
    () => true,
    () => false,
  )
}

/** kafkajs waits for answers to requests in flight before it closes, so they are ended first. */
async function closeBroker(broker: KafkajsBroker): Promise<void> {
  for (const connection of broker.connectionPool.pool) {
    connection.rejectRequests(new Error('the connection was closed'))
  }
  await broker.disconnect()
}

function closedError(address: string): UnavailableError {
  return new UnavailableError('the connection to kafka was closed', { facts: { broker: address } })
}

function requireVersion(
  broker: KafkajsBroker,
  request: KafkaRequest<unknown>,
  address: string,
): void {
  const { apiKey, apiName, apiVersion } = request
  const supported = broker.versions?.[String(apiKey)]
  if (supported === undefined) return
  if (apiVersion >= supported.minVersion && apiVersion <= supported.maxVersion) return
  throw new UnsupportedError(
    `the broker does not speak version ${apiVersion} of ${apiName}; kafka 2.8 or newer is needed`,
    { facts: { broker: address, min: supported.minVersion, max: supported.maxVersion } },
  )
}
