/** JSON objects as rows: their values in columns where every column is flat, else their text. */
import type { NestedField } from '../../../catalog/format/index.ts'
import type { RecordBatch } from '../../record-batch/record-batch.ts'
import { columnLayout } from '../../spool/column-layout.ts'
import type { ColumnarRows } from '../../spool/columnar-rows.ts'
import type { CoordinateKeys } from '../../spool/coordinate-keys.ts'
import { recordMember } from '../../spool/record-member.ts'
import type { RowFormat } from '../../spool/row-buffer.ts'
import type { TextRows } from '../../spool/text-rows.ts'
import { DecodeResult, type RowDecoder } from '../row-decoder.ts'
import type { Coercion } from './coercion.ts'
import type { EpochColumn } from './epoch-unit.ts'
import { RowScanner } from './row-scanner.ts'
import { compileScanPlan, type SchemaGrowth } from './scan-plan.ts'

/** With lenient coercion the engine converts the values, so it gets text. */
export function openJsonDecoder(
  fields: readonly NestedField[],
  coercion: Coercion,
  coordinateKeys: CoordinateKeys,
  growth?: SchemaGrowth,
  epochColumns?: readonly EpochColumn[],
): RowDecoder {
  const scanner = new RowScanner(compileScanPlan(fields, coercion, growth, epochColumns))
  const layout = coercion === 'strict' ? columnLayout(fields, coordinateKeys) : undefined
  return layout === undefined
    ? new JsonTextDecoder(scanner, coordinateKeys)
    : new JsonColumnsDecoder(scanner, { coordinateKeys, layout })
}

abstract class JsonDecoder {
  readonly format: RowFormat
  protected readonly scanner: RowScanner

  constructor(scanner: RowScanner, format: RowFormat) {
    this.scanner = scanner
    this.format = format
  }

  get fault(): string {
    return this.scanner.fault
  }

  bytesOf({ valueStarts, valueEnds }: RecordBatch, index: number): number {
    const start = valueStarts[index] as number
    return start < 0 ? 0 : (valueEnds[index] as number) - start
  }

  protected refuseNull(): number {
    this.scanner.fault = 'null value'
    return DecodeResult.bad
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
  constructor(scanner: RowScanner, coordinateKeys: CoordinateKeys) {
    super(scanner, { coordinateKeys, layout: undefined })
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
