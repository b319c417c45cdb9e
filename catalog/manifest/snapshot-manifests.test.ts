import { describe, expect, it } from 'vitest'
import { seededRandom, systemClock } from '../../common/index.ts'
import { MemoryFileIO } from '../../io/index.ts'
import type { Table } from '../catalog.ts'
import { planScan } from '../scan/plan-scan.ts'
import { parseTableMetadata } from '../format/table-metadata-json.ts'
import { currentSnapshot } from '../format/table-metadata.ts'
import { FastAppend } from '../transaction/fast-append.ts'
import { writeAvroFile } from '../format/avro/avro-file.ts'
import { parseManifestList } from './manifest-list.ts'
import { readSnapshotManifests } from './snapshot-manifests.ts'

const folder = 'memory://w/lake/db/t/metadata'
const syncMarker = new Uint8Array(16)

/** A manifest as a writer of format version 1 makes it: no content, no sequence numbers. */
const v1Manifest = writeAvroFile({
  schema: {
    type: 'record',
    name: 'manifest_entry',
    fields: [
      { name: 'status', type: 'int', 'field-id': 0 },
      { name: 'snapshot_id', type: ['null', 'long'], 'field-id': 1 },
      {
        name: 'data_file',
        'field-id': 2,
        type: {
          type: 'record',
          name: 'r2',
          fields: [
            { name: 'file_path', type: 'string', 'field-id': 100 },
            { name: 'file_format', type: 'string', 'field-id': 101 },
            {
              name: 'partition',
              type: { type: 'record', name: 'r102', fields: [] },
              'field-id': 102,
            },
            { name: 'record_count', type: 'long', 'field-id': 103 },
            { name: 'file_size_in_bytes', type: 'long', 'field-id': 104 },
            { name: 'block_size_in_bytes', type: 'long', 'field-id': 105 },
          ],
        },
      },
    ],
  },
  metadata: { 'partition-spec-id': '0' },
  records: [
    [0, 7n, ['s3://b/1.parquet', 'PARQUET', [], 3n, 100n, 1n]],
    [2, 7n, ['s3://b/gone.parquet', 'PARQUET', [], 4n, 100n, 1n]],
  ],
  syncMarker,
})

/** A v1 manifest list that leaves all counts out. */
const v1List = writeAvroFile({
  schema: {
    type: 'record',
    name: 'manifest_file',
    fields: [
      { name: 'manifest_path', type: 'string', 'field-id': 500 },
      { name: 'manifest_length', type: 'long', 'field-id': 501 },
      { name: 'partition_spec_id', type: 'int', 'field-id': 502 },
      { name: 'added_snapshot_id', type: ['null', 'long'], 'field-id': 503 },
      { name: 'added_data_files_count', type: ['null', 'int'], 'field-id': 504 },
    ],
  },
  metadata: {},
  records: [[`${folder}/m0.avro`, BigInt(v1Manifest.length), 0, 7n, null]],
  syncMarker,
})

async function openV1(
  snapshot: object,
  formatVersion: 1 | 2 = 1,
): Promise<{ io: MemoryFileIO; table: Table }> {
  const io = new MemoryFileIO()
  await io.write(`${folder}/m0.avro`, v1Manifest)
  await io.write(`${folder}/list.avro`, v1List)
  const json = {
    'format-version': formatVersion,
    'table-uuid': 'd20125c8-7284-442c-9aea-15fee620737c',
    location: 'memory://w/lake/db/t',
    'last-updated-ms': 1,
    'last-sequence-number': 0,
    'last-column-id': 1,
    'current-schema-id': 0,
    schemas: [
      {
        type: 'struct',
        'schema-id': 0,
        fields: [{ id: 1, name: 'x', required: false, type: 'long' }],
      },
    ],
    'partition-spec': [],
    properties: {},
    'current-snapshot-id': 7,
    snapshots: [{ 'snapshot-id': 7, 'timestamp-ms': 1, ...snapshot }],
  }
  const metadata = parseTableMetadata(Buffer.from(JSON.stringify(json)), 'memory://m')
  const identifier = { namespace: ['db'], name: 't' }
  return { io, table: { identifier, metadata, metadataLocation: 'memory://m' } }
}

describe('a table of format version 1', () => {
  it.each([
    ['a manifest list without counts', { 'manifest-list': `${folder}/list.avro` }],
    ['manifests and no list', { manifests: [`${folder}/m0.avro`] }],
  ])('is planned from %s, with sequence number 0', async (_, snapshot) => {
    const { io, table } = await openV1(snapshot)
    const plan = await planScan(io, table)
    expect(plan.filesTotal).toBe(1)
    expect(plan.tasks.map((task) => [task.file.filePath, task.sequenceNumber])).toEqual([
      ['s3://b/1.parquet', 0n],
    ])
  })

  it('[F17] gets exact counts from an append after the upgrade to version 2', async () => {
    const { io, table } = await openV1({ 'manifest-list': `${folder}/list.avro` }, 2)
    const tools = { io, clock: systemClock, random: seededRandom(1) }
    const action = new FastAppend(tools, { files: [] })
    const { updates } = await action.commit(table, await action.prepare(table))
    const added = updates.find((update) => update.action === 'add-snapshot')
    const list = added?.snapshot.manifestList ?? ''
    const [manifest, ...others] = parseManifestList(await io.read(list), list)
    expect(others).toEqual([])
    expect(manifest).toMatchObject({
      addedFilesCount: 0,
      existingFilesCount: 1,
      existingRowsCount: 3n,
      deletedFilesCount: 0,
      minSequenceNumber: 0n,
    })
  })

  it('cannot be appended to before that', async () => {
    const { io, table } = await openV1({ manifests: [`${folder}/m0.avro`] })
    const action = new FastAppend(
      { io, clock: systemClock, random: seededRandom(1) },
      { files: [] },
    )
    await expect(action.prepare(table)).rejects.toThrow(/format version 2/)
  })

  it('has no manifests where a snapshot names none', async () => {
    const { io, table } = await openV1({})
    const snapshot = currentSnapshot(table.metadata)
    expect(snapshot && (await readSnapshotManifests({ io }, snapshot))).toEqual([])
  })
})
