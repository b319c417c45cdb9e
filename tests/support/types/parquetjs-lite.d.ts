/** The part of parquetjs-lite (which ships no types) that tests and the bench use. */
declare module 'parquetjs-lite' {
  interface Cursor {
    next(): Promise<Record<string, unknown> | null>
  }
  class ParquetReader {
    static openFile(path: string): Promise<ParquetReader>
    getCursor(): Cursor
    getRowCount(): unknown
    close(): Promise<void>
  }
  class ParquetSchema {
    readonly schema: object
    constructor(fields: Readonly<Record<string, object>>)
  }
  class ParquetWriter {
    static openFile(schema: ParquetSchema, path: string): Promise<ParquetWriter>
    setRowGroupSize(rows: number): void
    appendRow(row: object): Promise<void>
    close(): Promise<void>
  }
  const parquet: {
    readonly ParquetReader: typeof ParquetReader
    readonly ParquetSchema: typeof ParquetSchema
    readonly ParquetWriter: typeof ParquetWriter
  }
  export default parquet
}
