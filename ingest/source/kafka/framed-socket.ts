/**
 * A plain connection to a broker that reads each answer straight to where it will lie.
 *
 * Node's own way is a new buffer of 64 KB for each read, put together in the end: for a topic that is
 * drained, each byte once more over the memory bus and as much again to collect. Here the length in
 * front of an answer (Kafka documentation, "Protocol Primitives") says how much memory to get, and the
 * reads fill it. Who listens hears whole answers.
 */
import { connect, type Socket } from 'node:net'
import type { FramePool } from './frame-pool.ts'

export interface FramedTarget {
  readonly host: string
  readonly port: number
  readonly onConnect: () => void
}

const scratchBytes = 64 << 10
/** Answers beyond are none of Kafka's, or nobody asked for them: no memory is taken on their word. */
const frameBytesMax = 128 << 20
/** As kafkajs's own sockets. */
const keepAliveMs = 60_000

export function connectFramed({ host, port, onConnect }: FramedTarget, pool: FramePool): Socket {
  const frames = new FrameReader(pool, (bytes) => socket.emit('data', bytes))
  const onread = {
    buffer: () => frames.space(),
    callback: (byteCount: number) => {
      frames.filled(byteCount)
      return true
    },
  }
  const socket = connect({ host, port, onread }, onConnect)
  return socket.setKeepAlive(true, keepAliveMs)
}

export class FrameReader {
  readonly #pool: FramePool
  readonly #emit: (bytes: Buffer) => void
  /** The begin of a frame whose length is not known, and small frames. */
  readonly #scratch = Buffer.allocUnsafeSlow(scratchBytes)
  /** The frame that is being read, and how much of it, or of the scratch, is there. */
  #frame: Buffer | undefined
  #held = 0
  #isFramed = true

  constructor(pool: FramePool, emit: (bytes: Buffer) => void) {
    this.#pool = pool
    this.#emit = emit
  }

  /** Where the next bytes go. */
  space(): Buffer {
    return (this.#frame ?? this.#scratch).subarray(this.#held)
  }

  /** So many bytes were put where `space` said. */
  filled(byteCount: number): void {
    this.#held += byteCount
    if (this.#frame === undefined) this.#readScratch()
    else if (this.#held === this.#frame.length) {
      const frame = this.#frame
      this.#frame = undefined
      this.#held = 0
      this.#emit(frame)
    }
  }

  #readScratch(): void {
    const held = this.#scratch.subarray(0, this.#held)
    this.#held = 0
    let at = 0
    while (this.#isFramed && held.length - at >= 4) {
      const frameBytes = 4 + held.readInt32BE(at)
      if (frameBytes < 4 || frameBytes > frameBytesMax) this.#isFramed = false
      else if (held.length - at < frameBytes) {
        this.#frame = this.#pool.take(frameBytes)
        this.#held = held.copy(this.#frame, 0, at)
        return
      } else {
        this.#emit(Buffer.from(held.subarray(at, at + frameBytes)))
        at += frameBytes
      }
    }
    if (this.#isFramed) this.#held = held.copy(this.#scratch, 0, at)
    // Not Kafka's protocol: kafkajs shall say so, as it would without us.
    else this.#emit(Buffer.from(held.subarray(at)))
  }
}
