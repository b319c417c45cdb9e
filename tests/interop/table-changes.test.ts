/**
 * Tables after rewrite, row delta, overwrite, publishing and expiry, read by PyIceberg and by DuckDB's
 * iceberg extension straight from the metadata file: real Parquet files, real position deletes.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  currentSchema,
  type DataFile,
  parsePartitionBy,
  type Schema,
} from '../../catalog/format/index.ts'
import {
  commitAction,
  expireSnapshots,
  FastAppend,
  listReachableFiles,
  ManageRefs,
  ObjectStoreCatalog,
  OverwriteFiles,
  positionDeleteFile,
  positionDeleteSchema,
  PublishBranch,
  RewriteFiles,
  RowDelta,
  stageSchema,
  type Table,
  Transaction,
  type TransactionAction,
  UpdateProperties,
  UpdateSchema,
} from '../../catalog/index.ts'
import { systemClock, systemRandom } from '../../common/index.ts'
import { LocalFileIO } from '../../io/index.ts'
import { type Database, openDatabase } from '../../sql/index.ts'
import { requirePart } from '../support/services/index.ts'
import { tableReaders, tableSummary } from '../support/table-judge.ts'

const identifier = { namespace: ['db'], name: 't' }
const schema: Schema = {
  schemaId: 0,
  identifierFieldIds: [],
  fields: [
    { id: 1, name: 'id', required: true, type: { type: 'long' } },
    { id: 2, name: 'country', required: false, type: { type: 'string' } },
  ],
}
const io = new LocalFileIO()
const tools = { io, clock: systemClock, random: systemRandom }

/** Ids of the rows that each step leaves on main. */
type Rows = readonly number[]

interface Stage {
  readonly name: string
  readonly metadataLocation: string
  readonly rows: Rows
}

const span = (from: number, to: number): Rows =>
  Array.from({ length: to - from }, (_, index) => from + index)
const minus = (rows: Rows, gone: Rows): Rows => rows.filter((row) => !gone.includes(row))

describe.skipIf(!requirePart('python'))('tables of ours after every kind of change', () => {
  let folder: string
  let database: Database
  let catalog: ObjectStoreCatalog
  let numbered = 0
  const stages: Stage[] = []
  let branch: { readonly snapshotId: string; readonly rows: Rows; readonly at: string }

  const commit = <P>(action: TransactionAction<P>): Promise<Table> =>
    commitAction(catalog, identifier, action, tools)
  const load = (): Promise<Table> => catalog.loadTable(identifier)
  const head = async (name = 'main'): Promise<bigint> =>
    (await load()).metadata.refs[name]?.snapshotId ?? 0n
  const stage = async (name: string, rows: Rows): Promise<void> => {
    stages.push({ name, metadataLocation: (await load()).metadataLocation, rows })
  }

  async function write(select: string, fields: Schema): Promise<{ path: string; size: bigint }> {
    const path = `${folder}/lake/db/t/data/${numbered++}.parquet`
    const ids = fields.fields.map((field) => `${field.name}: ${field.id}`).join(', ')
    const sql = `COPY (${select}) TO '${path}' (FORMAT parquet, FIELD_IDS {${ids}})`
    await database.withConnection((connection) => connection.run(sql))
    return { path, size: BigInt((await io.read(`file://${path}`)).length) }
  }

  async function dataFile(rows: Rows, columns = '', fields = schema): Promise<DataFile> {
    const list = rows.map((row) => `(${row}::BIGINT)`).join(', ')
    const select = `SELECT id, 'at' AS country${columns} FROM (VALUES ${list}) t(id)`
    const { path, size } = await write(select, fields)
    return {
      content: 'data',
      filePath: `file://${path}`,
      fileFormat: 'PARQUET',
      specId: 0,
      partition: ['at'],
      recordCount: BigInt(rows.length),
      fileSizeInBytes: size,
    }
  }

  /** Deletes rows of one or more files by position. */
  async function deletesOf(
    targets: readonly { readonly file: DataFile; readonly positions: Rows }[],
  ): Promise<{ readonly file: DataFile; readonly referencedFiles: readonly string[] }> {
    const rows = targets.flatMap(({ file, positions }) =>
      positions.map((pos) => [file.filePath, pos] as const),
    )
    const list = rows.map(([path, pos]) => `('${path}', ${pos}::BIGINT)`).join(', ')
    const select = `SELECT * FROM (VALUES ${list}) t(file_path, pos) ORDER BY ALL`
    const { path, size } = await write(select, positionDeleteSchema)
    const referencedFiles = targets.map(({ file }) => file.filePath)
    const positions = rows.map(([, pos]) => pos)
    return {
      referencedFiles,
      file: positionDeleteFile({
        filePath: `file://${path}`,
        fileSizeInBytes: size,
        specId: 0,
        partition: ['at'],
        recordCount: BigInt(rows.length),
        referencedFiles,
        posMin: BigInt(Math.min(...positions)),
        posMax: BigInt(Math.max(...positions)),
      }),
    }
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tidewater-changes-'))
    database = await openDatabase({ threads: 1 })
    catalog = new ObjectStoreCatalog({ io, warehouse: `file://${folder}/lake` })
    await catalog.createNamespace(['db'])
    const partitionSpec = parsePartitionBy(['country'], schema)
    const table = await catalog.createTable({ identifier, schema, partitionSpec })
    expect(fileURLToPath(table.metadata.location)).toBe(`${folder}/lake/db/t`)
    await io.write(`${table.metadata.location}/data/.keep`, new Uint8Array())

    const [a, b, c] = [
      await dataFile(span(0, 10)),
      await dataFile(span(10, 20)),
      await dataFile(span(20, 30)),
    ]
    await commit(new FastAppend(tools, { files: [a, b, c] }))
    await stage('append', span(0, 30))

    const added = await dataFile([100])
    const two = await deletesOf([
      { file: a, positions: [0, 1] },
      { file: b, positions: [9] },
    ])
    const one = await deletesOf([{ file: c, positions: [5] }])
    const changes = { baseSnapshotId: await head(), added: [added], deletes: [two, one] }
    await commit(new RowDelta(tools, { changes }))
    let rows = [...minus(span(0, 30), [0, 1, 19, 25]), 100]
    await stage('row delta', rows)

    // The delete file that names a and b stays in force for b.
    const merged = await dataFile([...span(2, 10), ...minus(span(20, 30), [25])])
    await commit(
      new RewriteFiles(tools, {
        startingSnapshotId: await head(),
        removed: [a, c],
        added: [merged],
      }),
    )
    await stage('rewrite', rows)

    const kept = await dataFile([100, 101])
    await commit(
      new OverwriteFiles(tools, {
        changes: { baseSnapshotId: await head(), removed: [added], added: [kept] },
      }),
    )
    rows = [...rows, 101]
    await stage('overwrite', rows)

    await commit(new ManageRefs({ changes: [{ kind: 'create', type: 'branch', name: 'replay' }] }))
    const replayed = await dataFile([200, 201])
    await commit(
      new OverwriteFiles(tools, {
        branch: 'replay',
        changes: { baseSnapshotId: await head('replay'), removed: [kept], added: [replayed] },
      }),
    )
    const ofMerged = await deletesOf([{ file: merged, positions: [0] }])
    await commit(
      new RowDelta(tools, {
        branch: 'replay',
        changes: { baseSnapshotId: await head('replay'), deletes: [ofMerged] },
      }),
    )
    await commit(new FastAppend(tools, { files: [await dataFile([300])] }))
    await stage('append beside a branch', [...rows, 300])
    const onBranch = [...minus(rows, [100, 101, 2]), 200, 201]
    branch = {
      snapshotId: String(await head('replay')),
      rows: onBranch,
      at: (await load()).metadataLocation,
    }
    await commit(new PublishBranch(tools, { from: 'replay' }))
    rows = [...onBranch, 300]
    await stage('publish', rows)
    await commit(new ManageRefs({ changes: [{ kind: 'remove', name: 'replay' }] }))

    const grown = [
      { kind: 'add-column', parent: [], name: 'extra', type: { type: 'long' } },
    ] as const
    const writtenSchema = currentSchema(stageSchema(await load(), grown, systemClock).metadata)
    const files = [await dataFile([400], ', id AS extra', writtenSchema)]
    await new Transaction(catalog, identifier, tools)
      .add(new UpdateSchema(grown))
      .add(new FastAppend(tools, { files, writtenSchema }))
      .add(new UpdateProperties({ updates: { grown: 'yes' } }))
      .commit()
    await stage('schema, rows and properties in one commit', [...rows, 400])
  })
  afterAll(async () => {
    database.close()
    await rm(folder, { recursive: true, force: true })
  })

  it.each(tableReaders)('%s reads the rows of every step', async (reader) => {
    expect(stages).toHaveLength(7)
    for (const { name, metadataLocation, rows } of stages) {
      const { count, sums } = await tableSummary(reader, { metadataLocation }, { sums: ['id'] })
      const sum = String(rows.reduce((total, row) => total + row, 0))
      expect({ name, count, sum: sums['id'] }).toEqual({ name, count: rows.length, sum })
    }
  })

  it.each(tableReaders)('[C27] %s reads a column that came with its rows', async (reader) => {
    const { metadataLocation = '' } = stages.at(-1) ?? {}
    const { sums } = await tableSummary(reader, { metadataLocation }, { sums: ['extra'] })
    expect(sums['extra']).toBe('400')
  })

  it('PyIceberg reads the branch beside main', async () => {
    const { count, sums } = await tableSummary(
      'pyiceberg',
      { metadataLocation: branch.at },
      { sums: ['id'], snapshotId: branch.snapshotId },
    )
    const sum = String(branch.rows.reduce((total, row) => total + row, 0))
    expect([count, sums['id']]).toEqual([branch.rows.length, sum])
  })

  it.each(tableReaders)(
    '[C24] %s reads the table after all but its head expired',
    async (reader) => {
      const { rows = [] } = stages.at(-1) ?? {}
      const all = { olderThanMs: 1n << 60n }
      await expireSnapshots(catalog, identifier, tools, all)
      const table = await load()
      expect(table.metadata.snapshots).toHaveLength(1)
      const { count, sums } = await tableSummary(
        reader,
        { metadataLocation: table.metadataLocation },
        { sums: ['id'] },
      )
      const sum = String(rows.reduce((total, row) => total + row, 0))
      expect([count, sums['id']]).toEqual([rows.length, sum])
      const reachable = await listReachableFiles({ io }, table)
      const left: string[] = []
      for await (const { location } of io.list(`${table.metadata.location}/`)) {
        if (!reachable.has(location) && !location.endsWith('.keep')) left.push(location)
      }
      expect(left).toEqual([])
    },
  )
})
