import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../common/index.ts'
import { parsePartitionBy } from '../format/partition-by.ts'
import { decodeValue, encodeValue } from '../format/single-value.ts'
import { transformResultType } from '../format/transform.ts'
import { fieldById } from '../format/schema.ts'
import { parseType } from '../format/type-text.ts'
import type {
  DataFile,
  ManifestEntry,
  ManifestFile,
  PartitionSpec,
  PrimitiveType,
  Schema,
  Value,
} from '../format/types.ts'
import { readAvroFile, writeAvroFile } from '../format/avro/avro-file.ts'
import { ManifestCache } from './manifest-cache.ts'
import { assignSequenceNumbers, parseManifestList, writeManifestList } from './manifest-list.ts'
import { avroName, decimalBytes, manifestEntrySchema } from './manifest-schema.ts'
import { parseManifest } from './read-manifest.ts'
import { writeManifest, type WrittenManifest } from './write-manifest.ts'

const syncMarker = new Uint8Array(16).fill(7)
const types: readonly (readonly [string, Value])[] = [
  ['boolean', true],
  ['int', -7],
  ['long', 2n ** 53n + 1n],
  ['float', 1.5],
  ['double', -0],
  ['date', -1],
  ['time', 5n],
  ['timestamp', -1n],
  ['timestamptz', 1n],
  ['string', 'ä'],
  ['uuid', 'f79c3e09-677c-4bbd-a479-3f349cb785e7'],
  ['fixed[3]', Buffer.from([1, 2, 3])],
  ['binary', Buffer.from([255])],
  ['decimal(9,2)', -105n],
  ['decimal(38,10)', 10n ** 37n],
  ['decimal(38, 10)', -1n],
]
const schema: Schema = {
  schemaId: 3,
  identifierFieldIds: [],
  fields: types.map(([text], index) => ({
    id: index + 1,
    name: index === 0 ? 'a b' : `c${index}`,
    required: false,
    type: parseType(text) as PrimitiveType,
  })),
}
const spec: PartitionSpec = {
  ...parsePartitionBy(
    schema.fields.map((field) => `"${field.name}"`),
    schema,
  ),
  specId: 4,
}
const partitionTypes = (of: PartitionSpec): readonly PrimitiveType[] =>
  of.fields.map((field) =>
    transformResultType(
      field.transform,
      fieldById(schema, field.sourceId)?.type ?? { type: 'int' },
    ),
  )

const file = (over: Partial<DataFile> = {}): DataFile => ({
  content: 'data',
  filePath: 's3://b/t/data/1.parquet',
  fileFormat: 'PARQUET',
  specId: 4,
  partition: types.map(([, value]) => value),
  recordCount: 10n,
  fileSizeInBytes: 1234n,
  columnSizes: new Map([[2, 5n]]),
  valueCounts: new Map([[2, 10n]]),
  nullValueCounts: new Map([[2, 0n]]),
  nanValueCounts: new Map(),
  lowerBounds: new Map([[2, encodeValue({ type: 'int' }, -7)]]),
  upperBounds: new Map([[2, encodeValue({ type: 'int' }, 8)]]),
  splitOffsets: [4n, 900n],
  sortOrderId: 0,
  ...over,
})
const added = (over: Partial<DataFile> = {}): ManifestEntry => ({
  status: 'added',
  snapshotId: 77n,
  dataFile: file(over),
})

function write(entries: readonly ManifestEntry[], of: PartitionSpec = spec): WrittenManifest {
  return writeManifest({
    location: 's3://b/t/metadata/m0.avro',
    content: 'data',
    schema,
    spec: of,
    partitionTypes: partitionTypes(of),
    entries,
    addedSnapshotId: 77n,
    syncMarker,
  })
}

const listed = (manifest: ManifestFile, sequenceNumber = 9n): ManifestFile =>
  assignSequenceNumbers({
    snapshotId: 77n,
    parentSnapshotId: undefined,
    sequenceNumber,
    manifests: [manifest],
    syncMarker,
  })[0] as ManifestFile

describe('writeManifest()', () => {
  it('[F14] states table schema, spec fields, ids and content as strings in the header', () => {
    const { metadata } = readAvroFile(write([added()]).body, 'm')
    expect(metadata.get('schema-id')).toBe('3')
    expect(JSON.parse(metadata.get('schema') ?? '')).toMatchObject({
      type: 'struct',
      'schema-id': 3,
    })
    expect(metadata.get('partition-spec-id')).toBe('4')
    const fields = JSON.parse(metadata.get('partition-spec') ?? '') as readonly JsonObject[]
    expect(fields[0]).toEqual({
      name: 'a b',
      transform: 'identity',
      'source-id': 1,
      'field-id': 1000,
    })
    expect(metadata.get('format-version')).toBe('2')
    expect(metadata.get('content')).toBe('data')
  })

  it('[F13] gives each field its field-id, lists an element-id, int maps their logical type', () => {
    const text = readAvroFile(write([added()]).body, 'm').metadata.get('avro.schema') ?? ''
    const header = JSON.parse(text) as JsonObject
    const problems: string[] = []
    walkSchema(header, '', problems)
    expect(problems).toEqual([])
    expect(header).toMatchObject({
      name: 'manifest_entry',
      fields: [
        { name: 'status', type: 'int', 'field-id': 0 },
        { name: 'snapshot_id', type: ['null', 'long'], default: null, 'field-id': 1 },
        { name: 'sequence_number', 'field-id': 3 },
        { name: 'file_sequence_number', 'field-id': 4 },
        { name: 'data_file', 'field-id': 2 },
      ],
    })
    expect(text).toContain('"name":"a_x20b"')
    expect(text).toContain('"iceberg-field-name":"a b"')
  })

  it('[F15] writes added entries without sequence numbers, and reading inherits them', () => {
    const { body, manifest } = write([added()])
    const raw = readAvroFile(body, 'm').records[0] as readonly unknown[]
    expect(raw.slice(0, 4)).toEqual([1, 77n, null, null])
    const { entries } = parseManifest(body, listed(manifest), spec, partitionTypes(spec))
    expect(entries[0]).toMatchObject({
      sequenceNumber: 9n,
      fileSequenceNumber: 9n,
      snapshotId: 77n,
    })
  })

  it('[F20] keeps partition values of every type, and null', () => {
    const { body, manifest } = write([
      added(),
      added({ filePath: 's3://b/2', partition: types.map(() => null) }),
    ])
    const { entries } = parseManifest(body, listed(manifest), spec, partitionTypes(spec))
    expect(plain(entries[0]?.dataFile)).toEqual(plain(file()))
    expect(entries[1]?.dataFile.partition).toEqual(types.map(() => null))
    expect(Object.is(entries[0]?.dataFile.partition[4], -0)).toBe(true)
  })

  it('[F17] counts files and rows per status, the length and the least sequence number', () => {
    const numbers = { snapshotId: 5n, sequenceNumber: 4n, fileSequenceNumber: 5n }
    const entries: readonly ManifestEntry[] = [
      added({ recordCount: 3n }),
      { ...numbers, status: 'existing', dataFile: file({ filePath: '2', recordCount: 20n }) },
      {
        ...numbers,
        sequenceNumber: 2n,
        status: 'deleted',
        dataFile: file({ filePath: '3', recordCount: 100n }),
      },
    ]
    const { body, manifest } = write(entries)
    expect(listed(manifest)).toMatchObject({
      manifestLength: BigInt(body.length),
      addedFilesCount: 1,
      existingFilesCount: 1,
      deletedFilesCount: 1,
      addedRowsCount: 3n,
      existingRowsCount: 20n,
      deletedRowsCount: 100n,
      addedSnapshotId: 77n,
      sequenceNumber: 9n,
      minSequenceNumber: 4n,
    })
    const read = parseManifest(body, listed(manifest), spec, partitionTypes(spec)).entries
    expect(read.map((entry) => entry.sequenceNumber)).toEqual([9n, 4n, 2n])
    expect(read.map((entry) => entry.status)).toEqual(['added', 'existing', 'deleted'])
  })

  it('[F18] summarizes partitions in spec order, without NaN or null as bounds', () => {
    const values = (value: Value | null): (Value | null)[] =>
      types.map(([text], index) =>
        ['float', 'double'].includes(text) ? value : (types[index]?.[1] ?? null),
      )
    const { manifest } = write([
      added({ partition: values(Number.NaN) }),
      added({ filePath: '2', partition: values(null) }),
      added({ filePath: '3', partition: values(2) }),
    ])
    expect(manifest.partitions).toHaveLength(types.length)
    expect(manifest.partitions?.[3]).toEqual({
      containsNull: true,
      containsNan: true,
      lowerBound: encodeValue({ type: 'float' }, 2),
      upperBound: encodeValue({ type: 'float' }, 2),
    })
    expect(manifest.partitions?.[1]).toMatchObject({ containsNull: false, containsNan: false })
    const decimal = manifest.partitions?.[13]?.lowerBound ?? new Uint8Array()
    expect(decodeValue({ type: 'decimal', precision: 9, scale: 2 }, decimal)).toBe(-105n)
  })

  it('refuses a file of another spec, and delete files among data', () => {
    expect(() => write([added({ specId: 1 })])).toThrow(/partition tuple of its spec/)
    expect(() => write([added({ partition: [] })])).toThrow(/partition tuple of its spec/)
    expect(() => write([added({ content: 'position-deletes' })])).toThrow(/data files or delete/)
  })
})

describe('parseManifest()', () => {
  it('[F13] reads by field id whatever the order, the names and the extra fields', () => {
    const partition = {
      type: 'record',
      name: 'p',
      fields: [{ name: 'renamed', type: ['null', 'int'], 'field-id': 1000 }],
    }
    const body = writeAvroFile({
      schema: {
        type: 'record',
        name: 'entry',
        fields: [
          { name: 'extra', type: 'string', 'field-id': 9999 },
          {
            name: 'f',
            'field-id': 2,
            type: {
              type: 'record',
              name: 'df',
              fields: [
                { name: 'rows', type: 'long', 'field-id': 103 },
                { name: 'tuple', type: partition, 'field-id': 102 },
                { name: 'bytes', type: 'int', 'field-id': 104 },
                { name: 'fmt', type: 'string', 'field-id': 101 },
                { name: 'path', type: 'string', 'field-id': 100 },
              ],
            },
          },
          { name: 's', type: 'int', 'field-id': 0 },
        ],
      } as never,
      metadata: {},
      records: [['x', [5n, [19000], 99, 'parquet', 's3://p'], 1]],
      syncMarker,
    })
    const daySpec: PartitionSpec = {
      specId: 0,
      fields: [{ sourceId: 8, fieldId: 1000, name: 'ts_day', transform: { kind: 'day' } }],
    }
    const { entries } = parseManifest(body, listed(write([added()]).manifest), daySpec, [
      { type: 'date' },
    ])
    expect(entries[0]).toEqual({
      status: 'added',
      snapshotId: 77n,
      sequenceNumber: 9n,
      fileSequenceNumber: 9n,
      dataFile: {
        content: 'data',
        filePath: 's3://p',
        fileFormat: 'parquet',
        specId: 0,
        partition: [19000],
        recordCount: 5n,
        fileSizeInBytes: 99n,
      },
    })
  })

  it('widens partition values written before a promotion', () => {
    const ints: PartitionSpec = {
      specId: 4,
      fields: [{ sourceId: 2, fieldId: 1000, name: 'c1', transform: { kind: 'identity' } }],
    }
    const { body, manifest } = write([added({ partition: [-7] })], ints)
    const { entries } = parseManifest(body, listed(manifest), ints, [{ type: 'long' }])
    expect(entries[0]?.dataFile.partition).toEqual([-7n])
  })

  it('[F15] refuses an existing entry without sequence number', () => {
    const records = [[0, 5n, null, null, readDataFile(write([added()]).body)]]
    const body = writeAvroFile({
      schema: manifestEntrySchema(spec, partitionTypes(spec), 'data'),
      metadata: {},
      records: records as never,
      syncMarker,
    })
    const manifest = listed(write([added()]).manifest)
    expect(() => parseManifest(body, manifest, spec, partitionTypes(spec))).toThrow(
      /no sequence number/,
    )
  })
})

describe('writeManifestList()', () => {
  it('[F17] is read back, with carried manifests untouched and new ones numbered', () => {
    const carried: ManifestFile = {
      ...listed(write([added()]).manifest, 3n),
      manifestPath: 's3://b/old.avro',
      addedSnapshotId: 2n ** 62n,
    }
    const fresh = write([added()]).manifest
    const content = {
      snapshotId: 77n,
      parentSnapshotId: 5n,
      sequenceNumber: 9n,
      manifests: [fresh, carried],
      syncMarker,
    }
    const body = writeManifestList(content)
    expect(plain(parseManifestList(body, 'l'))).toEqual(
      plain([{ ...fresh, sequenceNumber: 9n, minSequenceNumber: 9n }, carried]),
    )
    const { metadata } = readAvroFile(body, 'l')
    expect(metadata.get('snapshot-id')).toBe('77')
    expect(metadata.get('parent-snapshot-id')).toBe('5')
    expect(metadata.get('sequence-number')).toBe('9')
    const problems: string[] = []
    walkSchema(JSON.parse(metadata.get('avro.schema') ?? '') as JsonObject, '', problems)
    expect(problems).toEqual([])
  })
})

describe('avroName()', () => {
  it.each([
    ['ts_day', 'ts_day'],
    ['9lives', '_9lives'],
    ['a.b', 'a_x2Eb'],
    ['ä', '_xE4'],
    ['\u{1F600}', '_x1F600'],
  ])('writes %s as %s', (name, expected) => expect(avroName(name)).toBe(expected))
  it('finds the fewest bytes of a decimal', () => {
    expect([1, 2, 3, 9, 18, 38].map(decimalBytes)).toEqual([1, 1, 2, 4, 8, 16])
  })
})

describe('ManifestCache', () => {
  it('keeps to its bound and lets the least recently used go', () => {
    const cache = new ManifestCache(100)
    const manifest = (sizeBytes: number): { entries: []; sizeBytes: number } => ({
      entries: [],
      sizeBytes,
    })
    cache.set('a', manifest(40))
    cache.set('b', manifest(40))
    cache.get('a')
    cache.set('c', manifest(40))
    expect(
      [cache.get('a'), cache.get('b'), cache.get('c')].map((found) => found !== undefined),
    ).toEqual([true, false, true])
    cache.set('huge', manifest(101))
    expect(cache.get('huge')).toBeUndefined()
    cache.set('a', manifest(10))
    expect(cache.sizeBytes).toBe(50)
  })
})

/** Bytes as hex and maps as lists, so that Buffer and Uint8Array compare alike. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex')
  if (value instanceof Map) return plain([...value])
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]))
}

function readDataFile(body: Uint8Array): unknown {
  return (readAvroFile(body, 'm').records[0] as readonly unknown[])[4]
}

/** What strict readers reject: fields without ids, lists without element ids, unions of one type. */
function walkSchema(json: unknown, path: string, problems: string[]): void {
  if (Array.isArray(json)) {
    if (json.length !== 2 || json[0] !== 'null') problems.push(`${path}: odd union`)
    json.forEach((item) => walkSchema(item, path, problems))
    return
  }
  if (typeof json !== 'object' || json === null) return
  const type = json as {
    type: unknown
    fields?: readonly JsonObject[]
    items?: unknown
    name?: string
  }
  if (
    type.type === 'array' &&
    !('element-id' in json) &&
    (json as JsonObject)['logicalType'] !== 'map'
  ) {
    problems.push(`${path}: array without element-id`)
  }
  for (const field of type.fields ?? []) {
    const at = `${path}.${String(field['name'])}`
    if (typeof field['field-id'] !== 'number') problems.push(`${at}: no field-id`)
    if (Array.isArray(field['type']) !== 'default' in field) problems.push(`${at}: default`)
    walkSchema(field['type'], at, problems)
  }
  walkSchema(type.items, path, problems)
}
