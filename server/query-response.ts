/**
 * The body of a query's answer. The first block is held back: while a query can still fail at once,
 * no status has been sent, so a failure is an error status and not a broken 200.
 */
import { once } from 'node:events'
import type { FastifyReply } from 'fastify'

/** Smaller results are sent in one piece, with their length. */
const heldBytesMax = 64 * 1024

export class QueryResponse {
  readonly #reply: FastifyReply
  readonly #headers: () => Readonly<Record<string, string>>
  #held: Uint8Array[] = []
  #heldBytes = 0
  #hasBegun = false

  /** `headers` is called when the answer begins. */
  constructor(reply: FastifyReply, headers: () => Readonly<Record<string, string>>) {
    this.#reply = reply
    this.#headers = headers
  }

  get hasBegun(): boolean {
    return this.#hasBegun
  }

  readonly write = async (part: string | Uint8Array): Promise<void> => {
    if (part.length === 0) return
    const { raw } = this.#reply
    if (!this.#hasBegun) {
      const bytes = typeof part === 'string' ? Buffer.from(part) : part
      this.#held.push(bytes)
      this.#heldBytes += bytes.length
      if (this.#heldBytes < heldBytesMax) return
      this.#begin()
    } else if (raw.write(part)) return
    if (raw.writableNeedDrain && !raw.destroyed) {
      await this.#drained()
    }
    if (raw.destroyed) throw new Error('the client went away')
  }

  /** Waits until the client has room for more; a client that goes away ends the wait too. */
  async #drained(): Promise<void> {
    const { raw } = this.#reply
    const either = new AbortController()
    const { signal } = either
    await Promise.race([once(raw, 'drain', { signal }), once(raw, 'close', { signal })])
    // Of the two listeners one is still attached.
    either.abort()
  }

  async end(): Promise<void> {
    if (this.#hasBegun) this.#reply.raw.end()
    else await this.#reply.headers(this.#headers()).send(Buffer.concat(this.#held))
  }

  /** After the status has been sent: a last line if the format has one, and no proper end. */
  breakOff(lastLine: string | undefined): void {
    const { raw } = this.#reply
    if (lastLine === undefined) raw.destroy()
    else raw.write(lastLine, () => raw.destroy())
  }

  #begin(): void {
    this.#hasBegun = true
    this.#reply.hijack()
    this.#reply.raw.writeHead(200, this.#headers())
    this.#reply.raw.write(Buffer.concat(this.#held))
    this.#held = []
  }
}
