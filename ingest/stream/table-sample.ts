/** The records that are read before a stream's table exists, and the columns that they show. */
import type { Logger } from '../../common/index.ts'
import type { RecordFormat, RecordSample, SampledColumns } from '../decode/row-decoder.ts'
import type { RecordBatch } from '../record-batch/record-batch.ts'
import { keyRulesOf } from '../schema/key-rules-of.ts'
import { type SampleState, sampleState } from '../schema/sample-state.ts'
import type { StreamSettings } from '../settings/stream-settings.ts'

export class TableSample {
  readonly #settings: StreamSettings
  readonly #format: RecordFormat
  readonly #logger: Logger
  readonly #logged = new Set<string>()
  #sample: RecordSample | undefined
  /** What the sample shows, until it grows. */
  #columns: SampledColumns | undefined

  constructor(settings: StreamSettings, format: RecordFormat, logger: Logger) {
    this.#settings = settings
    this.#format = format
    this.#logger = logger
  }

  /** Undefined without a record. */
  get columns(): SampledColumns | undefined {
    this.#columns ??= this.#sample?.columns()
    return this.#columns
  }

  add(records: RecordBatch): void {
    this.#sample ??= this.#format.openSample(
      this.#settings.schema.sampleRecordsMax,
      keyRulesOf(this.#settings),
    )
    this.#sample.add(records)
    this.#columns = undefined
  }

  /** Its records will be read again, or have decided the columns. */
  drop(): void {
    this.#sample = undefined
    this.#columns = undefined
  }

  /** Whether the sample could decide the columns; logs once for each reason what it waits for. */
  state(): SampleState['kind'] {
    const { columns } = this
    if (columns === undefined) return 'waits'
    const state = sampleState(this.#settings, columns)
    if (state.kind !== 'usable' && columns.sampledCount > 0) this.#logOnce(state.reason)
    return state.kind
  }

  /** Counts in it grow with the sample. */
  #logOnce(reason: string): void {
    const kind = reason.replaceAll(/\d+/g, '#')
    if (this.#logged.has(kind)) return
    this.#logged.add(kind)
    this.#logger.warn('schema.waits', { stream: this.#settings.name, reason })
  }
}
