import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { parseJson, stringifyJson, type Json } from '../../common/index.ts'
import { parseTableMetadata, serializeTableMetadata } from './table-metadata-json.ts'

const location = 'memory://warehouse/db/t/metadata/00001.metadata.json'

/** A v2 table as Java writes it, with the members this release does not know. */
const javaV2 = `{
  "format-version": 2, "table-uuid": "9c12d441-03fe-4693-9a96-a0705ddf69c1",
  "location": "s3://bucket/test/location/", "last-sequence-number": 34, "last-updated-ms": 1602638573590,
  "last-column-id": 5, "current-schema-id": 1,
  "schemas": [
    {"type": "struct", "schema-id": 0, "fields": [{"id": 1, "name": "x", "required": true, "type": "long"}]},
    {"type": "struct", "schema-id": 1, "identifier-field-ids": [1, 2], "fields": [
      {"id": 1, "name": "x", "required": true, "type": "long"},
      {"id": 2, "name": "y", "required": true, "type": "decimal(9, 2)", "doc": "comment"},
      {"id": 3, "name": "z", "required": false, "type": {"type": "list", "element-id": 4, "element-required": true,
         "element": {"type": "struct", "fields": [{"id": 5, "name": "f", "required": false, "type": "fixed[16]"}]}}}]}
  ],
  "default-spec-id": 0,
  "partition-specs": [{"spec-id": 0, "fields": [{"name": "x_b", "transform": "bucket[16]", "source-id": 1, "field-id": 1000}]}],
  "last-partition-id": 1000, "default-sort-order-id": 3,
  "sort-orders": [{"order-id": 3, "fields": [
    {"transform": "identity", "source-id": 2, "direction": "asc", "null-order": "nulls-first"}]}],
  "properties": {"read.split.target.size": "134217728"},
  "current-snapshot-id": 3055729675574597004,
  "snapshots": [
    {"snapshot-id": 3051729675574597004, "timestamp-ms": 1515100955770, "sequence-number": 0,
     "summary": {"operation": "append"}, "manifest-list": "s3://a/b/1.avro"},
    {"snapshot-id": 3055729675574597004, "parent-snapshot-id": 3051729675574597004, "timestamp-ms": 1555100955770,
     "sequence-number": 1, "summary": {"operation": "append"}, "manifest-list": "s3://a/b/2.avro", "schema-id": 1, "x-new": [1, 9007199254740993]}
  ],
  "snapshot-log": [{"snapshot-id": 3051729675574597004, "timestamp-ms": 1515100955770},
                   {"snapshot-id": 3055729675574597004, "timestamp-ms": 1555100955770}],
  "metadata-log": [{"metadata-file": "s3://a/v1.json", "timestamp-ms": 1515100}],
  "refs": {"main": {"snapshot-id": 3055729675574597004, "type": "branch"},
           "t": {"snapshot-id": 3051729675574597004, "type": "tag", "max-ref-age-ms": 10000000}},
  "statistics": [{"snapshot-id": 3055729675574597004, "statistics-path": "s3://a/b/stats.puffin"}],
  "from-the-future": {"id": 9223372036854775807}
}`

const javaV1 = `{
  "format-version": 1, "table-uuid": "d20125c8-7284-442c-9aea-15fee620737c", "location": "s3://bucket/t",
  "last-updated-ms": 1602638573874, "last-column-id": 3,
  "schema": {"type": "struct", "fields": [{"id": 1, "name": "x", "required": true, "type": "long"},
     {"id": 2, "name": "y", "required": true, "type": "string"}]},
  "partition-spec": [{"name": "x", "transform": "identity", "source-id": 1},
     {"name": "y4", "transform": "truncate[4]", "source-id": 2}],
  "properties": {}, "current-snapshot-id": 7,
  "snapshots": [{"snapshot-id": 7, "timestamp-ms": 1515100955770, "manifests": ["s3://m0.avro"]}]
}`

const bytes = (text: string): Uint8Array => Buffer.from(text, 'utf8')
const parse = (text: string): ReturnType<typeof parseTableMetadata> =>
  parseTableMetadata(bytes(text), location)
const changed = (text: string, changes: Readonly<Record<string, Json | undefined>>): string =>
  stringifyJson({ ...(parseJson(text) as object), ...changes })

describe('parseTableMetadata()', () => {
  it('[F1] keeps 64-bit ids and unknown members through a round trip', () => {
    const metadata = parse(javaV2)
    expect(metadata.currentSnapshotId).toBe(3055729675574597004n)
    const again = parseTableMetadata(serializeTableMetadata(metadata), location)
    expect(again).toEqual(metadata)
    const written = parseJson(Buffer.from(serializeTableMetadata(metadata)).toString()) as Record<
      string,
      Json
    >
    expect(written['from-the-future']).toEqual({ id: 9223372036854775807n })
    expect(written['statistics']).toEqual([
      { 'snapshot-id': 3055729675574597004n, 'statistics-path': 's3://a/b/stats.puffin' },
    ])
    expect(stringifyJson(written)).toContain('"x-new":[1,9007199254740993]')
    expect(written['location']).toBe('s3://bucket/test/location')
  })

  it('reads gzip by its magic bytes', () => {
    expect(parseTableMetadata(gzipSync(bytes(javaV2)), location)).toEqual(parse(javaV2))
    const packed = serializeTableMetadata(parse(javaV2), 'gzip')
    expect(parseTableMetadata(packed, location)).toEqual(parse(javaV2))
  })

  it('brings v1 to the shape of v2', () => {
    const metadata = parse(javaV1)
    expect(metadata.schemas).toHaveLength(1)
    expect(metadata.partitionSpecs).toEqual([
      {
        specId: 0,
        fields: [
          { sourceId: 1, fieldId: 1000, name: 'x', transform: { kind: 'identity' } },
          { sourceId: 2, fieldId: 1001, name: 'y4', transform: { kind: 'truncate', width: 4 } },
        ],
      },
    ])
    expect(metadata.lastPartitionId).toBe(1001)
    expect(metadata.sortOrders).toEqual([{ orderId: 0, fields: [] }])
    expect(metadata.lastSequenceNumber).toBe(0n)
    expect(metadata.snapshots[0]).toMatchObject({ sequenceNumber: 0n, manifests: ['s3://m0.avro'] })
    expect(metadata.refs).toEqual({ main: { snapshotId: 7n, type: 'branch' } })
    const again = parseTableMetadata(serializeTableMetadata(metadata), location)
    expect(again).toEqual(metadata)
  })

  it.each([undefined, null, -1])('[F2] reads current-snapshot-id %s as an empty table', (id) => {
    const empty = changed(javaV2, {
      'current-snapshot-id': id,
      snapshots: [],
      refs: {},
      'snapshot-log': [],
    })
    expect(parse(empty).currentSnapshotId).toBeUndefined()
    const written = Buffer.from(serializeTableMetadata(parse(empty))).toString()
    expect(written).toContain('"current-snapshot-id":-1')
  })

  it('[F2] refuses a current snapshot that is not ref main', () => {
    expect(() => parse(changed(javaV2, { 'current-snapshot-id': 3051729675574597004n }))).toThrow(
      /is not ref main/,
    )
    expect(() => parse(changed(javaV2, { 'current-snapshot-id': -1 }))).toThrow(/is not ref main/)
  })

  it('makes ref main of the current snapshot where there are no refs', () => {
    const metadata = parse(changed(javaV2, { refs: undefined }))
    expect(metadata.refs['main']?.snapshotId).toBe(3055729675574597004n)
  })

  it.each([
    ['no current schema', { 'current-schema-id': 9 }, /no schema has current-schema-id 9/],
    ['no default spec', { 'default-spec-id': 9 }, /no partition spec has default-spec-id 9/],
    ['no default order', { 'default-sort-order-id': 9 }, /no sort order/],
    ['a version of the future', { 'format-version': 4 }, /format-version 1, 2 or 3/],
    ['no uuid', { 'table-uuid': undefined }, /table-uuid/],
    ['a fractional id', { 'last-column-id': 1.5 }, /32-bit integer/],
    ['snapshots that are no list', { snapshots: {} }, /expected an array/],
  ])('refuses metadata with %s and names the file', (_, changes, message) => {
    expect(() => parse(changed(javaV2, changes))).toThrow(message)
    expect(() => parse(changed(javaV2, changes))).toThrow(location)
  })

  it('refuses bytes that are no json or no gzip', () => {
    expect(() => parse('{"format-version": 2')).toThrow(/not valid json/)
    expect(() => parseTableMetadata(new Uint8Array([0x1f, 0x8b, 1, 2]), location)).toThrow(
      /not valid gzip/,
    )
  })

  it('[F3] writes every member that v2 requires', () => {
    const written = parseJson(Buffer.from(serializeTableMetadata(parse(javaV2))).toString())
    expect(Object.keys(written as object)).toEqual(
      expect.arrayContaining([
        'format-version',
        'table-uuid',
        'location',
        'last-sequence-number',
        'last-updated-ms',
        'last-column-id',
        'schemas',
        'current-schema-id',
        'partition-specs',
        'default-spec-id',
        'last-partition-id',
        'sort-orders',
        'default-sort-order-id',
      ]),
    )
    expect(written).not.toHaveProperty('schema')
    expect(written).not.toHaveProperty('partition-spec')
  })
})
