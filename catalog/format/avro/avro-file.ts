/**
 * Avro object container files (Avro specification, "Object Container Files"): a header with the
 * schema and string metadata, then compressed blocks of data.
 *
 * Written with deflate, as Java writes manifests; read with deflate or none.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import {
  CorruptDataError,
  errorMessage,
  parseJson,
  stringifyJson,
  UnsupportedError,
  type Json,
} from '../../../common/index.ts'
import { AvroDecoder, AvroEncoder } from './avro-binary.ts'
import { datumCodec, type AvroDatum, type DatumCodec } from './avro-datum.ts'
import { parseAvroSchema, type AvroType } from './avro-schema.ts'

const magic = Buffer.from('Obj\u0001', 'latin1')
/** A block is closed when it has grown to this many bytes, before compression. */
const blockBytesTarget = 64_000
/** A block that inflates beyond this is an attack or damage. */
const blockBytesMax = 1 << 28

const metadataCodec = datumCodec({ kind: 'map', values: { kind: 'bytes' } })

export interface AvroFileContent {
  readonly schema: Json
  /** File metadata besides Avro's own; all strings. */
  readonly metadata: Readonly<Record<string, string>>
  readonly records: Iterable<AvroDatum>
  /** 16 bytes that separate blocks. */
  readonly syncMarker: Uint8Array
}

export function writeAvroFile(content: AvroFileContent): Uint8Array {
  const datums = datumCodec(parseAvroSchema(content.schema, 'schema to write'))
  const file = new AvroEncoder()
  file.raw(magic)
  writeMetadata(file, {
    ...content.metadata,
    'avro.schema': stringifyJson(content.schema),
    'avro.codec': 'deflate',
  })
  file.raw(content.syncMarker)
  const block = new AvroEncoder()
  let count = 0
  const closeBlock = (): void => {
    if (count === 0) return
    file.int(count)
    file.bytes(deflateRawSync(block.written()))
    file.raw(content.syncMarker)
    block.clear()
    count = 0
  }
  for (const record of content.records) {
    datums.write(block, record)
    count++
    if (block.length >= blockBytesTarget) closeBlock()
  }
  closeBlock()
  return Uint8Array.from(file.written())
}

export interface AvroFile {
  readonly type: AvroType
  readonly metadata: ReadonlyMap<string, string>
  readonly records: readonly AvroDatum[]
  /** Size of the data after decompression, as a measure of memory. */
  readonly inflatedBytes: number
}

/** Reads a whole file; `where` is its location, for errors. */
export function readAvroFile(bytes: Uint8Array, where: string): AvroFile {
  const decoder = new AvroDecoder(bytes, where)
  if (bytes.length < 4 || Buffer.compare(decoder.raw(4), magic) !== 0) {
    throw decoder.corrupt('it does not begin with the magic bytes of a container file')
  }
  const metadata = readMetadata(decoder)
  const schemaText = metadata.get('avro.schema')
  if (schemaText === undefined) throw decoder.corrupt('the header has no schema')
  const type = parseAvroSchema(parseJson(schemaText, where), where)
  const codec = metadata.get('avro.codec') ?? 'null'
  const syncMarker = Buffer.from(decoder.raw(16))
  const datums = datumCodec(type)
  const records: AvroDatum[] = []
  let inflatedBytes = 0
  while (decoder.remaining > 0) {
    const count = decoder.long()
    const data = decompress(codec, decoder.bytes(), where)
    inflatedBytes += data.length
    readBlock(new AvroDecoder(data, where), datums, count, records)
    if (Buffer.compare(decoder.raw(16), syncMarker) !== 0) {
      throw decoder.corrupt('a block does not end with the sync marker')
    }
  }
  return { type, metadata, records, inflatedBytes }
}

function readBlock(
  block: AvroDecoder,
  datums: DatumCodec,
  count: bigint,
  records: AvroDatum[],
): void {
  if (count < 0n || count > BigInt(block.remaining)) {
    throw block.corrupt('a block claims more records than bytes')
  }
  for (let index = 0n; index < count; index++) records.push(datums.read(block))
  if (block.remaining > 0) throw block.corrupt('a block holds more than its records')
}

function writeMetadata(file: AvroEncoder, metadata: Readonly<Record<string, string>>): void {
  const entries = Object.entries(metadata)
  file.int(entries.length)
  for (const [key, value] of entries) {
    file.string(key)
    file.string(value)
  }
  file.int(0)
}

function readMetadata(decoder: AvroDecoder): ReadonlyMap<string, string> {
  const raw = metadataCodec.read(decoder) as ReadonlyMap<string, Uint8Array>
  return new Map(
    [...raw].map(([key, value]) => [key, Buffer.from(value).toString('utf8')] as const),
  )
}

function decompress(codec: string, data: Uint8Array, where: string): Uint8Array {
  if (codec === 'null') return data
  if (codec !== 'deflate') {
    throw new UnsupportedError('avro codec is not supported; supported are deflate and null', {
      facts: { where, codec },
    })
  }
  try {
    return inflateRawSync(data, { maxOutputLength: blockBytesMax })
  } catch (error) {
    throw new CorruptDataError(`not valid avro: ${errorMessage(error)}`, {
      facts: { where },
      cause: error,
    })
  }
}
