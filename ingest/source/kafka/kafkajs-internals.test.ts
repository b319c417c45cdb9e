import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { createRequire } from 'node:module'
import { CompressionTypes, Kafka, logLevel } from 'kafkajs'
import { describe, expect, it } from 'vitest'
import { UnavailableError, silentLogger } from '../../../common/index.ts'
import { KafkaNode } from './kafka-node.ts'
import { metadataRequest } from './kafka-requests.ts'
import { createKafkajsBroker, type KafkajsConnection } from './kafkajs-internals.ts'
import { kafkajsCompression, registerKafkajsCodecs } from './kafkajs-codecs.ts'
import { recordCodecs } from '../../record-batch/record-compression.ts'

const require = createRequire(import.meta.url)

describe('the inside of kafkajs that we lean on', () => {
  it('is of the version that was looked at', () => {
    const used = require('kafkajs/package.json') as { version: string }
    const wanted = JSON.parse(
      readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'),
    ) as { dependencies: Record<string, string> }
    expect(used.version).toBe('2.2.4')
    expect(wanted.dependencies['kafkajs']).toBe('2.2.4')
  })

  it('gives a broker two connections, the second for Fetch, and sends any protocol pair', async () => {
    const broker = await unconnectedBroker()
    const { connectionPool } = broker
    expect(connectionPool.pool).toHaveLength(2)
    for (const connection of connectionPool.pool) {
      expect(typeof connection.rejectRequests).toBe('function')
      expect(connection.isConnected()).toBe(false)
    }
    expect(typeof connectionPool.send).toBe('function')
    expect(typeof connectionPool.getConnection).toBe('function')
    expect(broker.versions).toBeNull()
    await broker.disconnect()
  })

  it('writes our body behind a request head of version 1 and hands our decoder the rest', async () => {
    const requests: Buffer[] = []
    const server = fakeBroker(requests)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const settings = { seedBrokers: [`127.0.0.1:${port}`], clientId: 'us' }
    const node = new KafkaNode('127.0.0.1', port, settings, silentLogger)
    try {
      const metadata = await node.send(metadataRequest(['t']))
      expect(metadata).toEqual({ clusterId: 'c', brokers: [], topics: [] })
      const sent = requests.at(-1) as Buffer
      expect(sent.readInt16BE(4)).toBe(3)
      expect(sent.readInt16BE(6)).toBe(10)
      expect(sent.toString('latin1', 14, 16)).toBe('us')
      expect(sent.subarray(16)).toEqual(metadataRequest(['t']).body)
    } finally {
      await node.close()
      server.close()
    }
    await expect(node.send(metadataRequest(['t']))).rejects.toThrow(UnavailableError)
  })

  it('hands on an answer that came whole without copying it', async () => {
    const broker = await unconnectedBroker()
    const connection = broker.connectionPool.pool[1] as KafkajsConnection & {
      requestQueue: { fulfillRequest: (answer: { payload: Buffer }) => void }
    }
    const payloads: Buffer[] = []
    connection.requestQueue.fulfillRequest = ({ payload }) => payloads.push(payload)
    const answer = (): Buffer => Buffer.from('000000080000000155555555', 'hex')
    const [first, second] = [answer(), answer()] as const
    for (const bytes of [first, second]) connection.processData(bytes)
    expect(payloads).toEqual([first.subarray(8), second.subarray(8)])
    second.fill(1)
    expect(payloads[1]).toEqual(Buffer.alloc(4, 1))
    // What is cut is still put together.
    for (const byte of answer()) connection.processData(Buffer.from([byte]))
    expect(payloads[2]?.toString('hex')).toBe('55555555')
    await broker.disconnect()
  })

  it('ends requests in flight at once when a node is closed', async () => {
    const server = fakeBroker([], false)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const settings = { seedBrokers: [`127.0.0.1:${port}`] }
    const node = new KafkaNode('127.0.0.1', port, settings, silentLogger)
    const began = performance.now()
    const sent = node.send(metadataRequest(['t'])).catch((error: unknown) => error)
    setTimeout(() => void node.close(), 100)
    expect(await sent).toBeInstanceOf(UnavailableError)
    expect(performance.now() - began).toBeLessThan(15_000)
    server.close()
  })

  it('takes codecs from a table shared by all clients, under the numbers of the format', async () => {
    await registerKafkajsCodecs()
    expect(recordCodecs.map((codec) => kafkajsCompression[codec])).toEqual([0, 1, 2, 3, 4])
    const internal = require('kafkajs/src/protocol/message/compression') as {
      lookupCodec(type: number): { decompress(bytes: Buffer): Promise<Buffer> }
    }
    const codec = internal.lookupCodec(CompressionTypes.ZSTD)
    await expect(codec.decompress(Buffer.from('not zstd'))).rejects.toThrow(/zstd/)
  })

  it('has the consumer events that a group is followed by', () => {
    const kafka = new Kafka({ brokers: ['127.0.0.1:1'], logLevel: logLevel.NOTHING })
    const { events } = kafka.consumer({ groupId: 'g' })
    expect(events).toMatchObject({
      GROUP_JOIN: 'consumer.group_join',
      REBALANCING: 'consumer.rebalancing',
      CRASH: 'consumer.crash',
      START_BATCH_PROCESS: 'consumer.start_batch_process',
    })
  })
})

/** One that is never connected. */
function unconnectedBroker(): ReturnType<typeof createKafkajsBroker> {
  return createKafkajsBroker({
    host: '127.0.0.1',
    port: 1,
    clientId: 'test',
    ssl: undefined,
    sasl: undefined,
    connectionTimeoutMs: 1000,
    requestTimeoutMs: 1000,
    logCreator: () => () => undefined,
  })
}

/** Answers ApiVersions and, if asked to, Metadata v10 with an empty cluster. */
function fakeBroker(requests: Buffer[], answersMetadata = true): ReturnType<typeof createServer> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (request: Buffer) => {
      requests.push(Buffer.from(request))
      const apiKey = request.readInt16BE(4)
      const correlation = request.subarray(8, 12)
      const supported = [0, 1, 2, 3, 18].map((key) => {
        const entry = Buffer.alloc(6)
        entry.writeInt16BE(key, 0)
        entry.writeInt16BE(key === 18 ? 2 : 12, 4)
        return entry
      })
      // ApiVersions v2: error, the versions, throttle. Metadata v10: tags, throttle, no brokers, 'c'.
      const versions = Buffer.concat([
        Buffer.from('0000', 'hex'),
        Buffer.from([0, 0, 0, supported.length]),
        ...supported,
        Buffer.alloc(4),
      ])
      const metadata = Buffer.from('00000000000102630000000101', 'hex')
      if (apiKey !== 18 && !answersMetadata) return
      const body = Buffer.concat([correlation, apiKey === 18 ? versions : metadata])
      const size = Buffer.alloc(4)
      size.writeInt32BE(body.length)
      socket.write(Buffer.concat([size, body]))
    })
  })
  return server
}
