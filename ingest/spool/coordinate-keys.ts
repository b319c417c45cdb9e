/** Keys of a record's coordinates in each spooled row; no column of the table has such a name. */
export interface CoordinateKeys {
  readonly offset: string
  readonly timestamp: string
  readonly partition: string
  readonly topic?: string
  /** Key of the rest of the record (`recordMember`). */
  readonly record: string
}
