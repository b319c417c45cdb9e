/** Keys that ingest puts into each spooled row; no column of the table has such a name. */
export interface PlaceKeys {
  readonly offset: string
  readonly timestamp: string
  readonly partition: string
  readonly topic?: string
  /** Of what else the record has (`recordMember`). */
  readonly record: string
}
