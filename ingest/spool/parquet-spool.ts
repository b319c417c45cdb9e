/**
 * A spool of columns as a Parquet file that the engine reads at the speed of a copy: one row group, one
 * uncompressed PLAIN page per column, no statistics. It never leaves this machine; table files are the
 * engine's own.
 */
import type { ColumnBuffer } from './column-buffer.ts'
import { ColumnKind } from './column-layout.ts'
import { CompactWriter } from './thrift-compact.ts'

const magic = Buffer.from('PAR1')
/** parquet.thrift: Type, FieldRepetitionType, ConvertedType, Encoding, PageType. */
const physical = { boolean: 0, int32: 1, int64: 2, float: 4, double: 5, byteArray: 6 } as const
const optional = 1
const convertedUtf8 = 0
const encodingPlain = 0
const encodingRle = 3
const dataPage = 0

interface Chunk {
  readonly column: ColumnBuffer
  readonly offset: number
  readonly sizeBytes: number
}

/** The file's parts in order. They alias the buffers: write them before more rows are appended. */
export function parquetSpool(
  rowCount: number,
  columns: readonly ColumnBuffer[],
): readonly Uint8Array[] {
  const parts: Uint8Array[] = [magic]
  const chunks: Chunk[] = []
  let offset = magic.length
  for (const column of columns) {
    const levels = definitionLevels(column, rowCount)
    const values = plainValues(column)
    const header = pageHeader(rowCount, levels.length + values.length)
    const sizeBytes = header.length + levels.length + values.length
    parts.push(header, levels, values)
    chunks.push({ column, offset, sizeBytes })
    offset += sizeBytes
  }
  const footer = fileMetadata(rowCount, chunks)
  const tail = Buffer.alloc(4)
  tail.writeUInt32LE(footer.length)
  parts.push(footer, tail, magic)
  return parts
}

function plainValues(column: ColumnBuffer): Uint8Array {
  if (column.bytesPerValue === 0) return column.text.view()
  const values = column.bytes.subarray(0, column.count * column.bytesPerValue)
  return column.kind === ColumnKind.boolean ? packBits(values, values.length) : values
}

/** Levels of a nullable column, 0 for null: one run where nothing is null, else bits (RLE hybrid). */
function definitionLevels(column: ColumnBuffer, rowCount: number): Uint8Array {
  const body =
    column.count === rowCount
      ? Buffer.from([...varint(rowCount * 2), 1])
      : Buffer.concat([
          Buffer.from(varint(Math.ceil(rowCount / 8) * 2 + 1)),
          packBits(column.defined, rowCount),
        ])
  const length = Buffer.alloc(4)
  length.writeUInt32LE(body.length)
  return Buffer.concat([length, body])
}

function packBits(bits: Uint8Array, count: number): Uint8Array {
  const packed = new Uint8Array(Math.ceil(count / 8))
  for (let index = 0; index < count; index++) {
    if (bits[index] === 1) packed[index >> 3] = (packed[index >> 3] as number) | (1 << (index & 7))
  }
  return packed
}

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  bytes.push(rest)
  return bytes
}

function pageHeader(rowCount: number, sizeBytes: number): Uint8Array {
  const out = new CompactWriter()
  out.i32(1, dataPage)
  out.i32(2, sizeBytes)
  out.i32(3, sizeBytes)
  out.struct(5, () => {
    out.i32(1, rowCount)
    out.i32(2, encodingPlain)
    out.i32(3, encodingRle)
    out.i32(4, encodingRle)
  })
  out.stop()
  return out.bytes
}

function fileMetadata(rowCount: number, chunks: readonly Chunk[]): Uint8Array {
  const totalBytes = chunks.reduce((sum, chunk) => sum + chunk.sizeBytes, 0)
  const out = new CompactWriter()
  out.i32(1, 1)
  out.structs(2, [undefined, ...chunks], (chunk) => schemaElement(out, chunk, chunks.length))
  out.i64(3, rowCount)
  out.structs(4, [chunks], (columns) => {
    out.structs(1, columns, (chunk) => columnChunk(out, chunk, rowCount))
    out.i64(2, totalBytes)
    out.i64(3, rowCount)
  })
  out.text(6, 'tidewater spool')
  out.stop()
  return out.bytes
}

function schemaElement(out: CompactWriter, chunk: Chunk | undefined, childCount: number): void {
  if (chunk === undefined) {
    out.text(4, 'spool')
    out.i32(5, childCount)
    return
  }
  const { name, kind } = chunk.column
  out.i32(1, physicalType(kind))
  out.i32(3, optional)
  out.text(4, name)
  const isText = kind === ColumnKind.text || kind === ColumnKind.token
  if (isText) out.i32(6, convertedUtf8)
  if (kind !== ColumnKind.timestamp && kind !== ColumnKind.timestamptz) return
  // LogicalType TIMESTAMP(isAdjustedToUTC, unit MICROS)
  out.struct(10, () =>
    out.struct(8, () => {
      out.bool(1, kind === ColumnKind.timestamptz)
      out.struct(2, () => out.struct(2, () => undefined))
    }),
  )
}

function columnChunk(out: CompactWriter, chunk: Chunk, rowCount: number): void {
  out.i64(2, chunk.offset)
  out.struct(3, () => {
    out.i32(1, physicalType(chunk.column.kind))
    out.i32s(2, [encodingPlain, encodingRle])
    out.texts(3, [chunk.column.name])
    out.i32(4, 0)
    out.i64(5, rowCount)
    out.i64(6, chunk.sizeBytes)
    out.i64(7, chunk.sizeBytes)
    out.i64(9, chunk.offset)
  })
}

function physicalType(kind: number): number {
  switch (kind) {
    case ColumnKind.boolean:
      return physical.boolean
    case ColumnKind.int:
      return physical.int32
    case ColumnKind.float:
      return physical.float
    case ColumnKind.double:
      return physical.double
    case ColumnKind.text:
    case ColumnKind.token:
    case ColumnKind.binary:
      return physical.byteArray
    default:
      return physical.int64
  }
}
