/**
 * The most bytes a zstd frame can hold, from its block headers alone (RFC 8878, "Frame Format").
 *
 * The WASM decoder wants its output sized beforehand, and Java producers stream their frames and so
 * leave the content size out.
 */
import { CorruptDataError } from '../../common/index.ts'

const zstdMagic = 0xfd2fb528
const blockBytesMax = 1 << 17
const contentSizeBytes = [0, 2, 4, 8] as const
const dictionaryIdBytes = [0, 1, 2, 4] as const

export function zstdBytesMax(bytes: Uint8Array, bytesMax: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let total = 0
  let at = 0
  // Frames may be concatenated; skippable frames (magic 0x184d2a5?) hold no content.
  while (at < bytes.length) {
    const magic = need(view, at, 4).getUint32(at, true)
    if (magic >>> 4 === 0x184d2a5) {
      at += 8 + need(view, at, 8).getUint32(at + 4, true)
      continue
    }
    if (magic !== zstdMagic) throw new CorruptDataError('not a zstd frame', { facts: { at } })
    const frame = measureFrame(view, at + 4)
    total += frame.bytesMax
    at = frame.end
    if (total > bytesMax) {
      throw new CorruptDataError('zstd frame claims more bytes than a record batch may hold', {
        facts: { claimed: total, bytesMax },
      })
    }
  }
  return total
}

function measureFrame(view: DataView, start: number): { bytesMax: number; end: number } {
  const descriptor = need(view, start, 1).getUint8(start)
  const singleSegment = (descriptor & 0x20) !== 0
  const hasChecksum = (descriptor & 0x04) !== 0
  const sizeBytes =
    descriptor < 0x40 && singleSegment ? 1 : (contentSizeBytes[descriptor >>> 6] ?? 0)
  let at =
    start + 1 + (singleSegment ? 0 : 1) + (dictionaryIdBytes[descriptor & 3] ?? 0) + sizeBytes
  let total = 0
  for (let last = false; !last; ) {
    need(view, at, 3)
    const header = view.getUint16(at, true) | (view.getUint8(at + 2) << 16)
    const type = (header >>> 1) & 3
    const size = header >>> 3
    if (type === 3) throw new CorruptDataError('zstd block has a reserved type', { facts: { at } })
    last = (header & 1) === 1
    // A raw or run-length block says its size; a compressed one holds at most 128 KiB.
    total += type === 2 ? blockBytesMax : size
    at += 3 + (type === 1 ? 1 : size)
  }
  const end = at + (hasChecksum ? 4 : 0)
  need(view, end, 0)
  return { bytesMax: total, end }
}

function need(view: DataView, at: number, bytes: number): DataView {
  if (at + bytes > view.byteLength) {
    throw new CorruptDataError('zstd frame ends early', { facts: { bytes: view.byteLength } })
  }
  return view
}
