/**
 * What every RowDecoder must do, whatever its format (docs/spec/row-decoders.md). Rows are read back from
 * the spool by the engine that writes the data files.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { assignFreshIds, type NestedField, type Schema } from '../../catalog/format/index.ts'
import type { SideField } from '../../catalog/index.ts'
import {
  DecodeResult,
  type RecordFormat,
  type RowDecoder,
} from '../../ingest/decode/row-decoder.ts'
import { plainKeyRules } from '../../ingest/decode/key-rules.ts'
import { openRowBuffer } from '../../ingest/spool/open-row-buffer.ts'
import type { RowBuffer } from '../../ingest/spool/row-buffer.ts'
import { SpoolWriter } from '../../ingest/spool/spool-writer.ts'
import { createDataFileWriter, type Database, openDatabase } from '../../sql/index.ts'
import { fuzzEffort } from '../support/fuzz-effort.ts'
import { batchOf, type BatchPlace, type RawRecord } from '../support/record-batches.ts'

export interface DecoderUnderTest {
  readonly format: RecordFormat
  /** The columns of the table, as the format or a sample would choose them. */
  readonly fields: readonly NestedField[]
  /** SQL over these columns that gives one text of a row's values. */
  readonly rowText: string
  /** Records that must become rows. */
  readonly good: fc.Arbitrary<RawRecord>
  /** The text that `rowText` must give for one of them. */
  expected(record: RawRecord): string
  /** Records that must be refused; undefined where every record is a row. */
  readonly bad?: fc.Arbitrary<RawRecord>
}

const coordinateKeys = {
  offset: '$o',
  timestamp: '$t',
  partition: '$p',
  record: '$r',
  topic: '$topic',
}
const sideFields: readonly SideField[] = [
  { field: '_topic', from: { kind: 'key', key: '$topic', type: 'string' } },
  { field: '_partition', from: { kind: 'key', key: '$p', type: 'int' } },
  { field: '_offset', from: { kind: 'key', key: '$o', type: 'long' } },
  { field: '_timestamp', from: { kind: 'key', key: '$t', type: 'long' } },
]
const sideTypes = {
  _topic: 'string',
  _partition: 'int',
  _offset: 'long',
  _timestamp: 'long',
} as const
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.uint8Array({ minLength: 500, maxLength: 600 }),
  fc.string({ unit: 'binary' }).map((text) => new Uint8Array(Buffer.from(text))),
)
/** Any bytes at all, and no bytes. */
const anything: fc.Arbitrary<RawRecord> = fc.record({
  key: fc.option(bytes),
  value: fc.option(bytes),
})
const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })

function openDecoder({ fields, format }: DecoderUnderTest): RowDecoder {
  return format.openDecoder({ fields, isOpen: () => false, rules: plainKeyRules }, coordinateKeys)
}

export function describeRowDecoder(name: string, subject: DecoderUnderTest): void {
  describe(`RowDecoder conformance: ${name}`, () => {
    const spools = new SpoolReader(subject)
    beforeAll(() => spools.open())
    afterAll(() => spools.close())
    const open = (): RowDecoder => openDecoder(subject)

    test('[D1] survives any bytes, and says of each record what became of it', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.oneof(anything, subject.good)), async (records) => {
          const decoder = open()
          const rows = openRowBuffer(decoder.format)
          const batch = batchOf(records)
          for (let index = 0; index < batch.count; index++) {
            const before = rows.rowCount
            const result = decoder.decode(batch, index, rows)
            expect(Object.values(DecodeResult)).toContain(result)
            expect(rows.rowCount - before).toBe(result === DecodeResult.good ? 1 : 0)
            if (result !== DecodeResult.good) expect(decoder.fault).not.toBe('')
          }
        }),
        { numRuns: 100 * fuzzEffort },
      )
    })

    test('[D2] keeps the place of each record, for all 64-bit offsets and times', async () => {
      const place = fc.tuple(
        fc.array(fc.tuple(subject.good, long, long), { minLength: 1 }),
        fc.nat(),
      )
      await fc.assert(
        fc.asyncProperty(place, async ([records, partition]) => {
          const at: BatchPlace = {
            topic: 'tópic "q"',
            partition,
            offsets: records.map(([, offset]) => offset),
            timestamps: records.map(([, , timestamp]) => timestamp),
          }
          const found = await spools.read(
            records.map(([record]) => record),
            at,
            placeText,
          )
          const told = records.map(
            ([, offset, timestamp]) => `${at.topic}|${partition}|${offset}|${timestamp}`,
          )
          expect(found.sort()).toEqual(told.sort())
        }),
        { numRuns: 5 * fuzzEffort },
      )
    })

    test('[D3] gives each column the value of the record, unaltered', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(subject.good, { minLength: 1, maxLength: 200 }),
          async (records) => {
            const found = await spools.read(records, {}, `_offset || ':' || ${subject.rowText}`)
            const told = records.map((record, index) => `${index}:${subject.expected(record)}`)
            expect(found.sort()).toEqual(told.sort())
          },
        ),
        { numRuns: 8 * fuzzEffort, endOnFailure: true },
      )
    })

    test('[D4] leaves nothing of a refused record in the spool', async () => {
      const tagged = fc.oneof(subject.good, subject.bad ?? subject.good, anything)
      await fc.assert(
        fc.asyncProperty(fc.array(tagged, { maxLength: 60 }), async (records) => {
          const batch = batchOf(records)
          const all = open()
          const mixed = openRowBuffer(all.format)
          const results = records.map((_, index) => all.decode(batch, index, mixed))
          const good = open()
          const pure = openRowBuffer(good.format)
          for (const [index, result] of results.entries()) {
            if (result === DecodeResult.good) good.decode(batch, index, pure)
          }
          expect(isSame(mixed, pure)).toBe(true)
          mixed.clear()
          for (const [index] of records.entries()) all.decode(batch, index, mixed)
          expect(isSame(mixed, pure)).toBe(true)
        }),
        { numRuns: 40 * fuzzEffort },
      )
    })

    const { bad } = subject
    if (bad !== undefined) {
      test('[D4] refuses what cannot be a row', () => {
        fc.assert(
          fc.property(bad, (record) => {
            const decoder = open()
            const rows = openRowBuffer(decoder.format)
            expect(decoder.decode(batchOf([record]), 0, rows)).not.toBe(DecodeResult.good)
          }),
          { numRuns: 100 * fuzzEffort },
        )
      })
    }

    test('[D5] keeps nothing that points into the batch', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(subject.good, { minLength: 1 }), async (records) => {
          const decoder = open()
          const kept = openRowBuffer(decoder.format)
          const overwritten = openRowBuffer(decoder.format)
          for (const record of records) {
            decoder.decode(batchOf([record]), 0, kept)
            const batch = batchOf([record])
            decoder.decode(batch, 0, overwritten)
            batch.data.fill(0x20)
          }
          expect(isSame(overwritten, kept)).toBe(true)
        }),
        { numRuns: 20 * fuzzEffort },
      )
    })
  })
}

function isSame(a: RowBuffer, b: RowBuffer): boolean {
  return Buffer.concat(a.content()).equals(Buffer.concat(b.content()))
}

const placeText = `concat_ws('|', _topic, _partition, _offset, _timestamp)`

/** Good records through a spool file and the engine, back as one text for each row. */
class SpoolReader {
  readonly #subject: DecoderUnderTest
  readonly #schema: Schema
  #database: Database | undefined
  #directory = ''
  #written = 0

  constructor(subject: DecoderUnderTest) {
    this.#subject = subject
    const side = Object.entries(sideTypes).map(([name, type]) => ({
      id: 0,
      name,
      required: false,
      type: { type },
    }))
    const fields = [...subject.fields, ...side]
    this.#schema = assignFreshIds({ schemaId: 0, identifierFieldIds: [], fields }).schema
  }

  async open(): Promise<void> {
    this.#database = await openDatabase({ threads: 1 })
    this.#directory = await mkdtemp(join(tmpdir(), 'tidewater-decoder-'))
  }

  async close(): Promise<void> {
    this.#database?.close()
    await rm(this.#directory, { recursive: true, force: true })
  }

  async read(records: readonly RawRecord[], place: BatchPlace, text: string): Promise<string[]> {
    const database = this.#database
    if (database === undefined) throw new Error('not open')
    const decoder = openDecoder(this.#subject)
    const writer = new SpoolWriter()
    const rows = writer.rows(decoder.format)
    const batch = batchOf(records, place)
    for (const [index] of records.entries()) {
      const result = decoder.decode(batch, index, rows)
      if (result !== DecodeResult.good) throw new Error(`record ${index}: ${decoder.fault}`)
    }
    const spool = await writer.write(join(this.#directory, `spool-${++this.#written}`))
    await spool.written
    const { files, refused } = await createDataFileWriter(database).write({
      schema: this.#schema,
      spec: { specId: 0, fields: [] },
      spools: [spool],
      directory: this.#directory,
      sideFields,
      properties: {},
    })
    expect(refused).toEqual([])
    const paths = files.map((file) => `'${file.localPath}'`).join(', ')
    const found = await database.withConnection((connection) =>
      connection.runAndReadAll(`SELECT ${text} FROM read_parquet([${paths}])`),
    )
    return found.getRows().map((row) => String(row[0]))
  }
}
