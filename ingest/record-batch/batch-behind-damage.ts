/**
 * Finds where sound record batches go on behind damaged bytes, so that damage costs only what is damaged.
 *
 * A batch that was searched for counts only when its checksum holds and another head, or the end of the bytes,
 * follows it: the value of a record may hold a whole record batch, and must not be taken for one of the log.
 */
import {
  batchHeaderBytes,
  batchPrefixBytes,
  offsetAfter,
  peekBatchHeader,
  readBatchHeader,
  verifyBatchChecksum,
  type RecordBatchHeader,
  type RecordSetOrigin,
} from './record-batch-header.ts'

const lengthAt = 8
const magicAt = 16

/**
 * The first sound batch behind the damage at `damagedAt` whose offsets are not below `offset`, or undefined when
 * `bytes` hold none.
 */
export function batchBehindDamage(
  bytes: Uint8Array,
  damagedAt: number,
  offset: bigint,
  origin: RecordSetOrigin,
): RecordBatchHeader | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const soundAt = (start: number): RecordBatchHeader | undefined => {
    const header = soundBatchAt(bytes, view, start, origin)
    return header === undefined || header.baseOffset < offset ? undefined : header
  }
  // Mostly the length in the damaged head is right, and where it leads needs no further proof.
  const claimedEnd = endOfHead(view, damagedAt)
  const follower = claimedEnd === undefined ? undefined : soundAt(claimedEnd)
  if (follower !== undefined) return follower
  for (let start = damagedAt + 1; start + batchHeaderBytes <= bytes.length; start++) {
    if (bytes[start + magicAt] !== 2) continue
    const batch = soundAt(start)
    if (batch !== undefined && isFollowed(view, batch, origin)) return batch
  }
  return undefined
}

/** True when the bytes end behind the batch, or another head follows it there. */
function isFollowed(view: DataView, header: RecordBatchHeader, origin: RecordSetOrigin): boolean {
  if (view.byteLength - header.end < batchHeaderBytes) return true
  try {
    const next = peekBatchHeader(view, header.end, origin)
    return next === undefined || next.baseOffset >= offsetAfter(header)
  } catch {
    return false
  }
}

/** The batch at `start` when it is whole and its checksum holds. */
export function soundBatchAt(
  bytes: Uint8Array,
  view: DataView,
  start: number,
  origin: RecordSetOrigin,
): RecordBatchHeader | undefined {
  try {
    const header = readBatchHeader(view, start, origin)
    if (header !== undefined) verifyBatchChecksum(bytes, view, header, origin)
    return header
  } catch {
    return undefined
  }
}

function endOfHead(view: DataView, start: number): number | undefined {
  if (start + batchHeaderBytes > view.byteLength) return undefined
  const length = view.getInt32(start + lengthAt)
  const end = start + batchPrefixBytes + length
  return length < batchHeaderBytes - batchPrefixBytes || end > view.byteLength ? undefined : end
}
