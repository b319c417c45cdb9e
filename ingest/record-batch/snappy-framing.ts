/**
 * Snappy as Kafka clients write it: Java wraps raw snappy blocks in the frame of the xerial library,
 * librdkafka and others write one raw block. Both are legal in a record batch.
 */
import { uncompressSync } from 'snappy'
import { CorruptDataError } from '../../common/index.ts'

const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
/** Magic, version and lowest compatible version. */
const xerialHeaderBytes = xerialMagic.length + 8

export function uncompressKafkaSnappy(bytes: Uint8Array, bytesMax: number): Uint8Array {
  const input = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (!isXerial(input)) return uncompressBlock(input, bytesMax)
  const blocks: Uint8Array[] = []
  let left = bytesMax
  for (let at = xerialHeaderBytes; at < input.length; ) {
    if (at + 4 > input.length) throw torn(input.length)
    const end = at + 4 + input.readUInt32BE(at)
    if (end > input.length) throw torn(input.length)
    const block = uncompressBlock(input.subarray(at + 4, end), left)
    left -= block.length
    blocks.push(block)
    at = end
  }
  const [only] = blocks
  return blocks.length === 1 && only !== undefined ? only : Buffer.concat(blocks)
}

function isXerial(input: Buffer): boolean {
  return (
    input.length >= xerialHeaderBytes &&
    input.compare(xerialMagic, 0, xerialMagic.length, 0, xerialMagic.length) === 0
  )
}

/** A raw block opens with its uncompressed length, so a forged one is seen before it is allocated. */
function uncompressBlock(block: Buffer, bytesMax: number): Buffer {
  let length = 0
  for (let index = 0; index < 5; index++) {
    const byte = block[index]
    if (byte === undefined) throw torn(block.length)
    length += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) break
  }
  if (length > bytesMax) {
    throw new CorruptDataError('snappy block claims more bytes than a record batch may hold', {
      facts: { claimed: length, bytesMax },
    })
  }
  // Copied out: memory that the garbage collector does not see costs more than the copy.
  return uncompressSync(block, { asBuffer: true, copyOutputData: true }) as Buffer
}

function torn(bytes: number): CorruptDataError {
  return new CorruptDataError('snappy data ends within a block', { facts: { bytes } })
}
