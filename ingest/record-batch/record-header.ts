/** A header of a record. */
export interface RecordHeader {
  readonly name: string
  readonly value: Uint8Array | null
}
