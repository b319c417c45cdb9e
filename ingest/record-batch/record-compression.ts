/**
 * The codecs of Kafka record batches, synchronous because a batch is small and a thread hop is not.
 *
 * zstd comes from node:zlib where the runtime has it (22.15 on), else from a WASM decoder, which must
 * be loaded first: that is why the codecs are an object made by `loadRecordCompression`.
 */
import { gunzipSync, gzipSync } from 'node:zlib'
import * as zlib from 'node:zlib'
import { compressFrameSync } from 'lz4-napi'
import { compressSync as snappyCompress } from 'snappy'
import { CorruptDataError, UnsupportedError } from '../../common/index.ts'
import { ByteArena } from './byte-arena.ts'
import { decompressLz4Frame } from './lz4-frame.ts'
import { uncompressKafkaSnappy } from './snappy-framing.ts'
import { zstdBytesMax } from './zstd-frame.ts'

/** In the order of their codes in the attributes of a record batch. */
export const recordCodecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const

export type RecordCodec = (typeof recordCodecs)[number]

export interface RecordCompression {
  compress(codec: RecordCodec, bytes: Uint8Array): Uint8Array
  /** Throws CorruptDataError; the result never aliases `bytes` unless the codec is `none`. */
  decompress(codec: RecordCodec, bytes: Uint8Array): Uint8Array
  /** The same, appended to `out`. What a failure leaves behind is undefined. */
  decompressInto(codec: RecordCodec, bytes: Uint8Array, out: ByteArena): void
}

/** One record batch must fit in memory; a forged length must not take the process down. */
export const decompressedBytesMax = 1 << 30

interface Codec {
  compress(bytes: Uint8Array): Uint8Array
  decompress(bytes: Uint8Array): Uint8Array
  /** Set when a codec can decompress straight into an arena. */
  decompressInto?(bytes: Uint8Array, out: ByteArena): void
}

interface ZlibWithZstd {
  readonly zstdCompressSync?: (bytes: Uint8Array) => Uint8Array
  readonly zstdDecompressSync?: (
    bytes: Uint8Array,
    options: { readonly maxOutputLength: number },
  ) => Uint8Array
}

export async function loadRecordCompression(): Promise<RecordCompression> {
  const codecs: Readonly<Record<RecordCodec, Codec>> = {
    none: { compress: (bytes) => bytes, decompress: (bytes) => bytes },
    gzip: {
      compress: (bytes) => gzipSync(bytes),
      decompress: gunzip,
    },
    snappy: {
      compress: (bytes) => snappyCompress(asBuffer(bytes)),
      decompress: (bytes) => uncompressKafkaSnappy(bytes, decompressedBytesMax),
    },
    lz4: {
      compress: (bytes) => compressFrameSync(asBuffer(bytes)),
      decompress: (bytes) => {
        const out = new ByteArena()
        decompressLz4Frame(asBuffer(bytes), decompressedBytesMax, out)
        return out.bytes.subarray(0, out.length)
      },
      decompressInto: (bytes, out) =>
        decompressLz4Frame(asBuffer(bytes), decompressedBytesMax, out),
    },
    zstd: nativeZstd() ?? (await loadWasmZstd()),
  }
  return {
    compress: (codec, bytes) => codecs[codec].compress(bytes),
    decompress: (codec, bytes) => orCorrupt(codec, bytes, () => codecs[codec].decompress(bytes)),
    decompressInto: (codec, bytes, out) =>
      orCorrupt(codec, bytes, () => {
        const { decompress, decompressInto } = codecs[codec]
        if (decompressInto === undefined) out.append(decompress(bytes))
        else decompressInto(bytes, out)
      }),
  }
}

function orCorrupt<T>(codec: RecordCodec, bytes: Uint8Array, decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    if (error instanceof CorruptDataError) throw error
    throw new CorruptDataError('compressed records do not decompress', {
      facts: { codec, bytes: bytes.length },
      cause: error,
    })
  }
}

/** The codec named by the low three bits of a batch's attributes. */
export function recordCodecOf(attributes: number): RecordCodec {
  const codec = recordCodecs[attributes & 7]
  if (codec === undefined) {
    throw new UnsupportedError('compression codec of a record batch is not known', {
      facts: { code: attributes & 7 },
    })
  }
  return codec
}

/** With the output sized beforehand from the trailer, which is a fifth faster; it is only a hint. */
function gunzip(bytes: Uint8Array): Uint8Array {
  const claimed = bytes.length < 4 ? 0 : asBuffer(bytes).readUInt32LE(bytes.length - 4)
  const chunkSize = Math.max(1 << 10, Math.min(claimed + 64, bytes.length * 64, 64 << 20))
  return gunzipSync(bytes, { chunkSize, maxOutputLength: decompressedBytesMax })
}

function nativeZstd(): Codec | undefined {
  const { zstdCompressSync, zstdDecompressSync } = zlib as ZlibWithZstd
  if (zstdCompressSync === undefined || zstdDecompressSync === undefined) return undefined
  return {
    compress: (bytes) => zstdCompressSync(bytes),
    decompress: (bytes) => zstdDecompressSync(bytes, { maxOutputLength: decompressedBytesMax }),
  }
}

async function loadWasmZstd(): Promise<Codec> {
  const { default: wasm } = await import('@foxglove/wasm-zstd')
  await wasm.isLoaded
  return {
    compress: (bytes) => wasm.compress(bytes, 3),
    decompress: (bytes) => wasm.decompress(bytes, zstdBytesMax(bytes, decompressedBytesMax)),
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
