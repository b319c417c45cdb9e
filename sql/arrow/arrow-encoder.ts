/** A result as an Arrow IPC stream, a record batch for each batch of rows. */
import {
  AsyncByteQueue,
  Data,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
} from 'apache-arrow'
import type { ResultColumn, ResultRow } from '../session/query-result.ts'
import { arrowField, columnEncoder } from './column-encoder.ts'
import { parseColumnType } from './column-type.ts'

/** Takes what the writer writes at once: a queue that is read from would run ahead of its reader. */
class Collector extends AsyncByteQueue {
  #chunks: Uint8Array[] = []

  override write(chunk: Uint8Array): void {
    this.#chunks.push(chunk)
  }

  taken(): Uint8Array {
    const chunks = this.#chunks
    this.#chunks = []
    return Buffer.concat(chunks)
  }
}

export class ArrowEncoder {
  readonly #columns: readonly ReturnType<typeof columnEncoder>[]
  readonly #schema: Schema
  readonly #collector = new Collector()
  readonly #writer = new RecordBatchStreamWriter()

  constructor(columns: readonly ResultColumn[]) {
    this.#columns = columns.map(({ type }) => columnEncoder(parseColumnType(type)))
    this.#schema = new Schema(
      this.#columns.map((encoder, index) => arrowField(columns[index]?.name ?? '', encoder)),
    )
  }

  /** The schema; comes first, and alone when there are no rows. */
  begin(): Uint8Array {
    this.#writer.reset(this.#collector, this.#schema)
    return this.#collector.taken()
  }

  batch(rows: readonly ResultRow[]): Uint8Array {
    const children = this.#columns.map((encoder, index) =>
      encoder.data(rows.map((row) => row[index] ?? null)),
    )
    const type = new Struct(this.#schema.fields)
    const data = new Data(type, 0, rows.length, 0, undefined, children)
    this.#writer.write(new RecordBatch(this.#schema, data))
    return this.#collector.taken()
  }

  end(): Uint8Array {
    this.#writer.finish()
    return this.#collector.taken()
  }
}
