import { beforeAll, describe, expect, it } from 'vitest'
import { seededRandom, systemClock } from '../../common/index.ts'
import { MemoryFileIO } from '../../io/index.ts'
import type { Table } from '../catalog.ts'
import { parsePartitionBy } from '../format/partition-by.ts'
import { encodeValue } from '../format/single-value.ts'
import type { DataFile, Schema, Value } from '../format/types.ts'
import { ObjectStoreCatalog } from '../stores/object-store-catalog.ts'
import { commitAction } from '../transaction/transaction.ts'
import { FastAppend } from '../transaction/fast-append.ts'
import { metadataTableNames, readMetadataTable, type MetadataCell } from './metadata-tables.ts'

const identifier = { namespace: ['db'], name: 't' }
const clock = systemClock
const random = seededRandom(3)
const schema: Schema = {
  schemaId: 0,
  identifierFieldIds: [],
  fields: [
    { id: 1, name: 'id', required: true, type: { type: 'long' } },
    { id: 2, name: 'ts', required: true, type: { type: 'timestamptz' } },
    { id: 3, name: 'note', required: false, type: { type: 'string' } },
  ],
}

const file = (name: string, day: number, ids: readonly [bigint, bigint]): DataFile => {
  const bound = (id: bigint, at: bigint): Map<number, Uint8Array> =>
    new Map<number, Uint8Array>([
      [1, encodeValue({ type: 'long' }, id)],
      [2, encodeValue({ type: 'timestamptz' }, at)],
    ])
  return {
    content: 'data',
    filePath: `memory://w/lake/db/t/data/${name}.parquet`,
    fileFormat: 'parquet',
    specId: 0,
    partition: [day] as readonly Value[],
    recordCount: 2n,
    fileSizeInBytes: 50n,
    valueCounts: new Map([1, 2, 3].map((id) => [id, 2n])),
    nullValueCounts: new Map([
      [1, 0n],
      [2, 0n],
      [3, 2n],
    ]),
    columnSizes: new Map([[1, 9n]]),
    lowerBounds: bound(ids[0], BigInt(day) * 86_400_000_000n),
    upperBounds: bound(ids[1], BigInt(day) * 86_400_000_000n + 1n),
  }
}

describe('readMetadataTable()', () => {
  const io = new MemoryFileIO()
  let table: Table
  const read = async (
    name: string,
    snapshotId?: bigint,
  ): Promise<readonly Record<string, MetadataCell>[]> => {
    const { columns, rows } = await readMetadataTable(table, name, { io }, snapshotId)
    return rows.map((row) =>
      Object.fromEntries(columns.map((column, index) => [column.name, row[index] ?? null])),
    )
  }
  beforeAll(async () => {
    const catalog = new ObjectStoreCatalog({ io, warehouse: 'memory://w/lake', clock, random })
    await catalog.createNamespace(['db'])
    const partitionSpec = parsePartitionBy(['day(ts)'], schema)
    await catalog.createTable({ identifier, schema, partitionSpec })
    for (const files of [
      [file('a', 0, [1n, 5n])],
      [file('b', 0, [4n, 9n]), file('c', 1, [2n, 3n])],
    ]) {
      const action = new FastAppend({ io, clock, random }, { files, summary: { note: 'x' } })
      table = await commitAction(catalog, identifier, action, { clock, random })
    }
  })

  it('shows snapshots with their summary', async () => {
    const rows = await read('snapshots')
    const [first, second] = table.metadata.snapshots
    expect(rows[1]).toMatchObject({
      committed_at: (second?.timestampMs ?? 0n) * 1000n,
      snapshot_id: second?.snapshotId,
      parent_id: first?.snapshotId,
      operation: 'append',
      manifest_list: second?.manifestList,
    })
    const summary = rows[1]?.['summary'] as ReadonlyMap<string, string>
    expect(summary.get('total-records')).toBe('6')
    expect(summary.get('note')).toBe('x')
    expect(summary.has('operation')).toBe(false)
  })

  it('shows history with ancestors of the current snapshot', async () => {
    expect((await read('history')).map((row) => row['is_current_ancestor'])).toEqual([true, true])
    const [first] = table.metadata.snapshots
    const rolledBack: Table = {
      ...table,
      metadata: { ...table.metadata, currentSnapshotId: first?.snapshotId ?? 0n },
    }
    const { rows } = await readMetadataTable(rolledBack, 'history', { io })
    expect(rows.map((row) => row[3])).toEqual([true, false])
  })

  it('shows refs, properties and the metadata log with the current file last', async () => {
    expect(await read('refs')).toEqual([
      {
        name: 'main',
        type: 'BRANCH',
        snapshot_id: table.metadata.currentSnapshotId,
        max_reference_age_in_ms: null,
        min_snapshots_to_keep: null,
        max_snapshot_age_in_ms: null,
      },
    ])
    expect(await read('properties')).toContainEqual({
      key: 'write.parquet.compression-codec',
      value: 'zstd',
    })
    const log = await read('metadata_log_entries')
    expect(log.at(-1)).toMatchObject({
      file: table.metadataLocation,
      latest_snapshot_id: table.metadata.currentSnapshotId,
      latest_sequence_number: 2n,
      latest_schema_id: 0,
    })
    expect(log[0]?.['latest_snapshot_id']).toBeNull()
  })

  it('shows active files with bounds as text', async () => {
    const rows = await read('files')
    expect(rows.map((row) => row['file_path'])).toEqual(
      ['b', 'c', 'a'].map((name) => `memory://w/lake/db/t/data/${name}.parquet`),
    )
    expect(rows[1]).toMatchObject({
      content: 0,
      file_format: 'PARQUET',
      partition: { ts_day: 1 },
      record_count: 2n,
      spec_id: 0,
    })
    expect(rows[1]?.['lower_bounds']).toEqual(
      new Map<number, string>([
        [1, '2'],
        [2, '1970-01-02T00:00:00Z'],
      ]),
    )
    expect(JSON.parse(String(rows[1]?.['readable_metrics']))).toMatchObject({
      id: { lower_bound: 2, upper_bound: 3, value_count: 2, column_size: 9 },
    })
    const [first] = table.metadata.snapshots
    expect(await read('files', first?.snapshotId)).toHaveLength(1)
    await expect(read('files', 404n)).rejects.toThrow(/no such snapshot/)
  })

  it('shows entries with status and sequence numbers', async () => {
    const rows = await read('entries')
    expect(rows.map((row) => [row['status'], row['sequence_number']])).toEqual([
      [1, 2n],
      [1, 2n],
      [1, 1n],
    ])
  })

  it('groups partitions and bounds their columns', async () => {
    expect(await read('partitions')).toEqual([
      {
        partition: { ts_day: 0 },
        record_count: 4n,
        file_count: 2n,
        total_size: 100n,
        data: {
          id: { min: 1n, max: 9n, null_count: 0n, nan_count: null },
          ts: { min: 0n, max: 1n, null_count: 0n, nan_count: null },
          note: { min: null, max: null, null_count: 4n, nan_count: null },
        },
      },
      expect.objectContaining({ partition: { ts_day: 1 }, record_count: 2n, file_count: 1n }),
    ])
  })

  it('shows manifests with readable partition bounds', async () => {
    const rows = await read('manifests')
    expect(rows[0]).toMatchObject({
      added_data_files_count: 2,
      added_rows_count: 4n,
      existing_data_files_count: 0,
      partition_summaries: [
        {
          contains_null: false,
          contains_nan: false,
          lower_bound: '1970-01-01',
          upper_bound: '1970-01-02',
        },
      ],
    })
  })

  it.each(metadataTableNames)('has %s for an empty, unpartitioned table too', async (name) => {
    const empty = new MemoryFileIO()
    const catalog = new ObjectStoreCatalog({ io: empty, warehouse: 'memory://w/lake' })
    await catalog.createNamespace(['db'])
    const created = await catalog.createTable({ identifier, schema })
    const { columns, rows } = await readMetadataTable(created, name, { io: empty })
    expect(columns.some((column) => column.name === 'partition')).toBe(false)
    expect(rows.length).toBeLessThan(2)
  })

  it('names the tables there are', async () => {
    await expect(read('toString')).rejects.toThrow(/existing=snapshots,history/)
  })
})
