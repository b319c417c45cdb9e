/**
 * Registers with kafkajs the codecs that it lacks. Its table of codecs is global, so this happens once per
 * process however many clients there are.
 */
import { createRequire } from 'node:module'
import { CompressionTypes } from 'kafkajs'
import {
  loadRecordCompression,
  type RecordCodec,
  type RecordCompression,
} from '../../record-batch/record-compression.ts'

interface KafkajsCodec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>
  decompress(bytes: Buffer): Promise<Buffer>
}

/** kafkajs's own number for a codec. */
export const kafkajsCompression: Readonly<Record<RecordCodec, CompressionTypes>> = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
}

export async function registerKafkajsCodecs(): Promise<void> {
  const compression = await loadRecordCompression()
  // kafkajs is CommonJS: a named import would be a copy of the table, not the table.
  const { CompressionCodecs } = createRequire(import.meta.url)('kafkajs') as {
    readonly CompressionCodecs: Record<number, () => KafkajsCodec>
  }
  for (const codec of ['snappy', 'lz4', 'zstd'] as const) {
    CompressionCodecs[kafkajsCompression[codec]] = () => kafkajsCodec(compression, codec)
  }
}

function kafkajsCodec(compression: RecordCompression, codec: RecordCodec): KafkajsCodec {
  // In a `then`, so that damaged bytes reject instead of throwing at kafkajs.
  return {
    compress: (encoder) =>
      Promise.resolve().then(() => Buffer.from(compression.compress(codec, encoder.buffer))),
    decompress: (bytes) =>
      Promise.resolve().then(() => Buffer.from(compression.decompress(codec, bytes))),
  }
}
