/**
 * The sockets of one kafkajs client, so that all of them can be ended. When two of its tasks reconnect
 * at the same moment, kafkajs opens two connections and forgets one; that one, by its socket or by its
 * timer, would keep the process alive after everything was stopped (seen after a broker's restart).
 */
import type { Socket } from 'node:net'
import type { ISocketFactory } from 'kafkajs'
import { FramePool } from './frame-pool.ts'
import { connectFramed } from './framed-socket.ts'
import { kafkajsSocketFactory } from './kafkajs-internals.ts'

export class KafkaSockets {
  readonly #open = new Set<Socket>()
  readonly #make = kafkajsSocketFactory()
  readonly #pool = new FramePool()
  #ended = false

  /** How many are open or being opened. */
  get count(): number {
    return this.#open.size
  }

  /** Like kafkajs's own factory, but sockets are registered, and plain ones read whole answers. */
  readonly factory: ISocketFactory = (target) => {
    // Against kafkajs's types: null, false or undefined where there is no TLS.
    const tls = target.ssl as object | boolean | null | undefined
    const hasTls = tls !== null && tls !== undefined && tls !== false
    const socket = hasTls ? this.#make(target) : connectFramed(target, this.#pool)
    this.#open.add(socket)
    socket.once('close', () => this.#open.delete(socket))
    // kafkajs listens too; this one keeps a late error from ending the process.
    socket.on('error', () => undefined)
    if (this.#ended) socket.destroy(endedError())
    return socket
  }

  /** Takes back the memory of an answer that is no longer read, for a later one. */
  recycle(memory: ArrayBuffer): void {
    this.#pool.give(memory)
  }

  /** Closes all sockets once their users have finished; later ones are refused. */
  destroy(): void {
    this.#ended = true
    // Only an error makes kafkajs give up a connection, and with it its timer.
    for (const socket of this.#open) socket.destroy(endedError())
  }
}

function endedError(): Error {
  return new Error('the client was closed')
}
