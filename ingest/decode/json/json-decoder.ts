/** JSON objects as rows: their values in columns where every column is flat, else their text. */
import type { NestedField } from '../../../catalog/format/index.ts'
import type { RecordBatch } from '../../record-batch/record-batch.ts'
import { columnLayout } from '../../spool/column-layout.ts'
import type { ColumnarRows } from '../../spool/columnar-rows.ts'
import type { CoordinateKeys } from '../../spool/coordinate-keys.ts'
import { recordMember } from '../../spool/record-member.ts'
import type { RowFormat } from '../../spool/row-buffer.ts'
import type { TextRows } from '../../spool/text-rows.ts'
import { DecodeResult, type DecoderOptions, type RowDecoder } from '../row-decoder.ts'
import type { Coercion } from './coercion.ts'
import { RowScanner } from './row-scanner.ts'
import { compileScanPlan, type ScanPlanOptions } from './scan-plan.ts'

export interface JsonDecoderOptions extends DecoderOptions, ScanPlanOptions {
  readonly coercion: Coercion
  /** What becomes of a record without a value. */
  readonly tombstones?: Tombstones
}

type Tombstones = 'dead_letter' | 'skip'

/** With lenient coercion the engine converts the values, so it gets text. */
export function openJsonDecoder(
  fields: readonly NestedField[],
  coordinateKeys: CoordinateKeys,
  options: JsonDecoderOptions,
): RowDecoder {
  const { coercion, keepsRecords = coercion === 'lenient', tombstones = 'dead_letter' } = options
  const scanner = new RowScanner(compileScanPlan(fields, coercion, options))
  const layout = keepsRecords ? undefined : columnLayout(fields, coordinateKeys)
  return layout === undefined
    ? new JsonTextDecoder(scanner, coordinateKeys, tombstones)
    : new JsonColumnsDecoder(scanner, { coordinateKeys, layout }, tombstones)
}

abstract class JsonDecoder {
  readonly format: RowFormat
  protected readonly scanner: RowScanner
  readonly #tombstones: Tombstones

  constructor(scanner: RowScanner, format: RowFormat, tombstones: Tombstones = 'dead_letter') {
    this.scanner = scanner
    this.format = format
    this.#tombstones = tombstones
  }

  get fault(): string {
    return this.scanner.fault
  }

  get unknownField(): string | undefined {
    return this.scanner.unknownField
  }

  bytesOf({ valueStarts, valueEnds }: RecordBatch, index: number): number {
    const start = valueStarts[index] as number
    return start < 0 ? 0 : (valueEnds[index] as number) - start
  }

  protected refuseNull(): number {
    this.scanner.fault = 'null value'
    return this.#tombstones === 'skip' ? DecodeResult.skipped : DecodeResult.bad
  }
}

export class JsonColumnsDecoder extends JsonDecoder implements RowDecoder {
  decode(batch: RecordBatch, index: number, rows: ColumnarRows): number {
    const start = batch.valueStarts[index] as number
    if (start < 0) return this.refuseNull()
    rows.beginRow()
    const result = this.scanner.scan(batch.data, start, batch.valueEnds[index] as number, rows)
    if (result === DecodeResult.good) rows.endRow(batch, index)
    else rows.dropRow()
    return result
  }
}

export class JsonTextDecoder extends JsonDecoder implements RowDecoder {
  constructor(scanner: RowScanner, coordinateKeys: CoordinateKeys, tombstones?: Tombstones) {
    super(scanner, { coordinateKeys, layout: undefined }, tombstones)
    scanner.keepClear(new Set(Object.values(coordinateKeys)))
  }

  decode(batch: RecordBatch, index: number, rows: TextRows): number {
    const { scanner } = this
    const start = batch.valueStarts[index] as number
    if (start < 0) return this.refuseNull()
    const result = scanner.scan(batch.data, start, batch.valueEnds[index] as number)
    if (result !== DecodeResult.good) return result
    rows.beginRow(batch, index)
    const { record } = this.format.coordinateKeys
    const member = recordMember(record, batch, index, scanner.isTextChanged)
    scanner.copyTo(rows.text, rows.prefix.bytes, rows.prefix.length, member)
    return result
  }
}
