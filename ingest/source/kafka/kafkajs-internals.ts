/**
 * The internals of kafkajs that we use: one broker's connections with TLS, SASL, timeouts and
 * correlation of answers, over which we send requests of our own.
 *
 * kafkajs is pinned exactly, and `kafkajs-internals.test.ts` checks what these internals must do. All other code
 * uses its public interface.
 */
import { createRequire } from 'node:module'
import type { ISocketFactory, SASLOptions, logCreator } from 'kafkajs'

/** What kafkajs calls a protocol: how a request is written and its answer read. */
export interface KafkajsProtocol<T> {
  readonly request: {
    readonly apiKey: number
    readonly apiVersion: number
    readonly apiName: string
    encode(): Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>
  }
  readonly response: {
    decode(payload: Buffer): Promise<T>
    parse(decoded: T): Promise<T>
  }
  readonly requestTimeout?: number
  readonly logResponseError?: boolean
}

export interface KafkajsConnection {
  /** Bytes of answers that are not complete. */
  chunks: Buffer[]
  processData(bytes: Buffer): void
  isConnected(): boolean
  rejectRequests(error: Error): void
}

export interface KafkajsConnectionPool {
  readonly pool: readonly KafkajsConnection[]
  getConnection(index?: number): Promise<KafkajsConnection>
  send<T>(protocol: KafkajsProtocol<T>): Promise<T>
  destroy(): Promise<void>
}

export interface KafkajsBroker {
  readonly connectionPool: KafkajsConnectionPool
  /** By api key, after connecting. */
  readonly versions: Readonly<Record<string, { minVersion: number; maxVersion: number }>> | null
  connect(): Promise<void>
  disconnect(): Promise<void>
}

export interface KafkajsBrokerOptions {
  readonly host: string
  readonly port: number
  readonly clientId: string
  readonly ssl: object | boolean | undefined
  readonly sasl: SASLOptions | undefined
  readonly connectionTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly logCreator: logCreator
  readonly socketFactory?: ISocketFactory
}

interface Internals {
  readonly Broker: new (options: object) => KafkajsBroker
  readonly connectionPoolBuilder: (options: object) => {
    build(destination: { host: string; port: number }): Promise<KafkajsConnectionPool>
  }
  readonly createLogger: (options: object) => object
  readonly socketFactory: () => ISocketFactory
}

const debugLevel = 5

export async function createKafkajsBroker(options: KafkajsBrokerOptions): Promise<KafkajsBroker> {
  const { Broker, connectionPoolBuilder, createLogger, socketFactory } = loadInternals()
  const logger = createLogger({ level: debugLevel, logCreator: options.logCreator })
  const connectionPool = await connectionPoolBuilder({
    brokers: [`${options.host}:${options.port}`],
    socketFactory: options.socketFactory ?? socketFactory(),
    ssl: options.ssl,
    sasl: options.sasl,
    clientId: options.clientId,
    connectionTimeout: options.connectionTimeoutMs,
    requestTimeout: options.requestTimeoutMs,
    enforceRequestTimeout: true,
    logger,
  }).build({ host: options.host, port: options.port })
  for (const connection of connectionPool.pool) dropEmptyChunks(connection)
  return new Broker({ connectionPool, logger, allowAutoTopicCreation: false })
}

/**
 * kafkajs keeps the bytes after an answer, mostly none, and joins them to the next answer by copying it, even
 * when it has 16 MB.
 */
function dropEmptyChunks(connection: KafkajsConnection): void {
  const processData = connection.processData.bind(connection)
  connection.processData = (bytes) => {
    if (connection.chunks.every(({ length }) => length === 0)) connection.chunks = []
    processData(bytes)
  }
}

/** The socket factory that kafkajs uses by default. */
export function kafkajsSocketFactory(): ISocketFactory {
  return loadInternals().socketFactory()
}

function loadInternals(): Internals {
  const require = createRequire(import.meta.url)
  const { createLogger } = require('kafkajs/src/loggers') as Pick<Internals, 'createLogger'>
  return {
    Broker: require('kafkajs/src/broker') as Internals['Broker'],
    connectionPoolBuilder:
      require('kafkajs/src/cluster/connectionPoolBuilder') as Internals['connectionPoolBuilder'],
    createLogger,
    socketFactory: require('kafkajs/src/network/socketFactory') as Internals['socketFactory'],
  }
}
