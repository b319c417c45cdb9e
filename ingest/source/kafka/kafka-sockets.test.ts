import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { KafkaSockets } from './kafka-sockets.ts'

describe('KafkaSockets', () => {
  it('ends every socket that kafkajs opened, also one that it forgot', async () => {
    const accepted: Socket[] = []
    const server = createServer((socket) => accepted.push(socket.resume()))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const sockets = new KafkaSockets()
    const open = async (): Promise<void> => {
      const target = { host: '127.0.0.1', port, ssl: {}, onConnect: () => undefined }
      // kafkajs says "no TLS" by an absent `ssl`, against its own types.
      const { ssl: _, ...plain } = target
      await once(sockets.factory(plain as typeof target), 'connect')
    }
    await open()
    await open()
    while (accepted.length < 2) await once(server, 'connection')
    expect(sockets.count).toBe(2)
    sockets.destroy()
    // The server closes only when no connection is left.
    await new Promise((resolve) => server.close(resolve))
    expect(sockets.count).toBe(0)
  })

  it('refuses what a task of kafkajs opens after the end, with an error that it understands', async () => {
    const sockets = new KafkaSockets()
    sockets.destroy()
    const target = { host: '127.0.0.1', port: 9, ssl: {}, onConnect: () => undefined }
    const [error] = await once(sockets.factory(target), 'error').catch((cause: unknown) => [cause])
    expect(String(error)).toContain('the client was closed')
  })
})
