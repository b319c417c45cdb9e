/** A header of a record, as every log and codec of records knows it. */
export interface RecordHeader {
  readonly name: string
  readonly value: Uint8Array | null
}
