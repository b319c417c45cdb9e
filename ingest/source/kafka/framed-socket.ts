/**
 * A plain connection to a broker that reads each answer straight into its final memory.
 *
 * Node's own sockets allocate a buffer of 64 KB for each read, and the answer has to be copied together: for a
 * topic that is drained, each byte is copied once more and as much memory has to be collected. Here the length
 * before an answer (Kafka documentation, "Protocol Primitives") gives the size of the memory, and the reads
 * fill it. Listeners get whole answers.
 */
import { connect, type Socket } from 'node:net'
import { answeredInTls, notKafka } from './connection-faults.ts'
import type { FramePool } from './frame-pool.ts'

export interface FramedTarget {
  readonly host: string
  readonly port: number
  readonly onConnect: () => void
}

const scratchBytes = 64 << 10
/** A larger answer was not requested or is not Kafka's protocol, so no memory is allocated for it. */
const frameBytesMax = 128 << 20
/** As kafkajs's own sockets. */
const keepAliveMs = 60_000

export function connectFramed({ host, port, onConnect }: FramedTarget, pool: FramePool): Socket {
  const frames = new FrameReader(
    pool,
    (bytes) => socket.emit('data', bytes),
    (error) => socket.destroy(error),
  )
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
  readonly #fail: (error: Error) => void
  /** The start of a frame whose length has not been read, and small frames. */
  readonly #scratch = Buffer.allocUnsafeSlow(scratchBytes)
  /** The frame that is being read, and how many bytes of it, or of the scratch, have been read. */
  #frame: Buffer | undefined
  #held = 0
  #isFramed = true

  constructor(pool: FramePool, emit: (bytes: Buffer) => void, fail: (error: Error) => void) {
    this.#pool = pool
    this.#emit = emit
    this.#fail = fail
  }

  /** Where the next bytes go. */
  space(): Buffer {
    return (this.#frame ?? this.#scratch).subarray(this.#held)
  }

  /** Called after so many bytes were written to `space`. */
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
    else this.#fail(foreignAnswer(held.subarray(at)))
  }
}

/** The alert of TLS 1.0 to 1.3 begins with these bytes (RFC 8446, section 5.1). */
const tlsAlert = [0x15, 0x03]

function foreignAnswer(bytes: Buffer): Error {
  const isTls = bytes[0] === tlsAlert[0] && bytes[1] === tlsAlert[1]
  const shown = JSON.stringify(bytes.subarray(0, 40).toString('latin1'))
  const message = isTls ? 'the answer is a TLS alert' : `the answer begins with ${shown}`
  return Object.assign(new Error(message), { code: isTls ? answeredInTls : notKafka })
}
