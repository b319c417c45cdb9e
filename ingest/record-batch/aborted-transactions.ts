/**
 * Which batches a `read_committed` reader may see (Kafka's KIP-98, "Consumer").
 *
 * The broker answers with everything up to the last stable offset and a list of the aborted
 * transactions in it; each ends at its abort marker, a control batch of the same producer.
 */
import {
  isControlBatch,
  isTransactional,
  offsetAfter,
  type RecordBatchHeader,
  batchHeaderBytes,
} from './record-batch-header.ts'
import { VarintCursor } from './varint-cursor.ts'

export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: bigint
}

const abortMarker = 0

export class AbortedTransactions {
  /** By first offset, latest first, so that the next to open is popped off the end. */
  readonly #pending: AbortedTransaction[]
  readonly #open = new Set<bigint>()

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#pending = [...aborted].sort((left, right) =>
      left.firstOffset < right.firstOffset ? 1 : left.firstOffset > right.firstOffset ? -1 : 0,
    )
  }

  /** Must see every batch, in order; a repeat is harmless. False: control batch or aborted records. */
  admits(header: RecordBatchHeader, bytes: Uint8Array): boolean {
    const control = isControlBatch(header)
    if (this.#pending.length === 0 && this.#open.size === 0) return !control
    const after = offsetAfter(header)
    for (let next = this.#pending.at(-1); next !== undefined && next.firstOffset < after; ) {
      this.#open.add(next.producerId)
      this.#pending.pop()
      next = this.#pending.at(-1)
    }
    if (control) {
      if (markerType(header, bytes) === abortMarker) this.#open.delete(header.producerId)
      return false
    }
    return !(isTransactional(header) && this.#open.has(header.producerId))
  }
}

/** The type in the key of a control record: two bytes of version, two of type. */
function markerType(header: RecordBatchHeader, bytes: Uint8Array): number {
  const cursor = new VarintCursor(bytes, header.start + batchHeaderBytes)
  cursor.varint()
  cursor.at++
  cursor.varlong()
  cursor.varint()
  const keyLength = cursor.varint()
  if (keyLength < 4 || cursor.at + 4 > header.end) return -1
  return ((bytes[cursor.at + 2] ?? 0) << 8) | (bytes[cursor.at + 3] ?? 0)
}
