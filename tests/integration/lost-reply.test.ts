/**
 * The reply to the pointer's PUT is lost on the wire, between a real S3 client and a real MinIO: the
 * append is in the table exactly once all the same. Each way a reply can go missing, alone and while
 * another writer commits in between.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { currentSnapshot, type DataFile, type Schema } from '../../catalog/format/index.ts'
import {
  type Catalog,
  commitAction,
  FastAppend,
  ObjectStoreCatalog,
  readManifestEntries,
  readSnapshotManifests,
  type Table,
} from '../../catalog/index.ts'
import { systemClock, systemRandom } from '../../common/index.ts'
import { type FileIO, openFileIO } from '../../io/index.ts'
import { type Fault, type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts'
import { type MinioService, requirePart, startMinio } from '../support/services/index.ts'

const schema: Schema = {
  schemaId: 0,
  identifierFieldIds: [],
  fields: [{ id: 1, name: 'id', required: true, type: { type: 'long' } }],
}
const rowsPerFile = 10n
const conditionalTimeoutMs = 400
const pointerPut = { method: 'PUT', path: /\/_catalog\/tables\/db\/t\d+\.json/ }
/** A writer that loses many races goes on: what is tested is that a lost reply costs or doubles no commit. */
const tools = { clock: systemClock, random: systemRandom, persistsWhileTableMoves: true }

interface Lake {
  readonly io: FileIO
  readonly catalog: Catalog
  append(file: string): Promise<Table>
}

describe.skipIf(!requirePart('minio'))('a commit whose reply is lost', () => {
  let minio: MinioService
  let proxy: FaultProxy
  /** Reaches the store through the proxy. */
  let lake: Lake
  /** Reaches the store directly: the other writer, and the witness. */
  let other: Lake
  let tableCount = 0
  let identifier = { namespace: ['db'], name: '' }

  const openLake = (endpoint: string): Lake => {
    const { accessKeyId, secretAccessKey } = minio
    const io = openFileIO({ s3: { endpoint, accessKeyId, secretAccessKey, conditionalTimeoutMs } })
    const catalog = new ObjectStoreCatalog({ io, warehouse: 's3://lake/warehouse' })
    return {
      io,
      catalog,
      append: (file) => {
        const action = new FastAppend({ io, ...tools }, { files: [dataFile(file)] })
        return commitAction(catalog, identifier, action, tools)
      },
    }
  }

  beforeAll(async () => {
    minio = await startMinio({ buckets: ['lake'] })
    proxy = await startFaultProxy(minio.endpoint)
    lake = openLake(proxy.endpoint)
    other = openLake(minio.endpoint)
    await other.catalog.createNamespace(['db'])
  })
  afterAll(async () => {
    await proxy?.stop()
    await lake?.io.close()
    await other?.io.close()
    await minio?.stop()
  })
  beforeEach(async () => {
    identifier = { namespace: ['db'], name: `t${++tableCount}` }
    await other.catalog.createTable({ identifier, schema })
    await other.append('before')
  })
  afterEach(() => proxy.clear())

  /** The live data files of the table as somebody else reads it, and the rows its summary claims. */
  const contents = async (): Promise<{ files: readonly string[]; records: string | undefined }> => {
    const { metadata } = await other.catalog.loadTable(identifier)
    const snapshot = currentSnapshot(metadata)
    if (snapshot === undefined) return { files: [], records: undefined }
    const manifests = await readSnapshotManifests({ io: other.io }, snapshot)
    const files: string[] = []
    for (const manifest of manifests) {
      const entries = await readManifestEntries({ io: other.io }, metadata, manifest)
      files.push(...entries.map((entry) => entry.dataFile.filePath.replace(/^.*\//, '')))
    }
    return { files: files.sort(), records: snapshot.summary?.['total-records'] }
  }

  /** How often an undisturbed append reads the pointer before it swaps it. */
  const pointerReadsBeforePut = async (): Promise<number> => {
    const start = proxy.requests.length
    await lake.append('probe')
    const pointer = proxy.requests.slice(start).filter(({ path }) => pointerPut.path.test(path))
    return pointer.findIndex(({ method }) => method === 'PUT')
  }

  const faults: readonly Fault[] = [
    { kind: 'drop-response' },
    { kind: 'drop-request' },
    { kind: 'replace-response', status: 500 },
    { kind: 'replace-response', status: 502 },
    { kind: 'replace-response', status: 503 },
    { kind: 'refuse', status: 503 },
    { kind: 'delay-response', ms: conditionalTimeoutMs * 2 },
    { kind: 'delay-request', ms: conditionalTimeoutMs * 2 },
  ]

  it.each(faults)('[C4] lands exactly once: %o', async (fault) => {
    const rule = proxy.add({ ...pointerPut, fault, times: 1 })
    await lake.append('ours')
    expect(rule.hits).toBe(1)
    // A late request must not do harm either once it arrives.
    await rule.settled()
    expect(await contents()).toEqual({ files: ['before', 'ours'], records: '20' })
  })

  it('lands exactly once when the reply is lost twice in a row', async () => {
    const rule = proxy.add({ ...pointerPut, fault: { kind: 'drop-response' }, times: 2 })
    await lake.append('first')
    await lake.append('second')
    expect(rule.hits).toBe(2)
    expect(await contents()).toEqual({ files: ['before', 'first', 'second'], records: '30' })
  })

  it('is found in the lineage when another writer has committed on top', async () => {
    const readsBefore = await pointerReadsBeforePut()
    const lost = proxy.add({ ...pointerPut, fault: { kind: 'drop-response' }, times: 1 })
    // The question for the outcome waits until the pointer names somebody else's commit.
    const question = proxy.add({
      method: 'GET',
      path: pointerPut.path,
      fault: { kind: 'hold-request' },
      after: readsBefore,
      times: 1,
    })
    const committed = lake.append('ours')
    await question.reached(1)
    expect(lost.hits).toBe(1)
    await other.append('theirs')
    question.release()
    await committed
    const files = ['before', 'ours', 'probe', 'theirs']
    expect(await contents()).toEqual({ files, records: '40' })
  })

  it('loses to the other writer when its request arrives late, and lands after it', async () => {
    const late = proxy.add({ ...pointerPut, fault: { kind: 'hold-request' }, times: 1 })
    const committed = lake.append('ours')
    await late.reached(1)
    await other.append('theirs')
    await committed
    // Now the first request reaches the store, with an ETag that is no more.
    late.release()
    await late.settled()
    expect(await contents()).toEqual({ files: ['before', 'ours', 'theirs'], records: '30' })
  })

  it('keeps every commit of two racing writers when every third reply is lost', async () => {
    const rules = Array.from({ length: 6 }, (_, index) =>
      proxy.add({ ...pointerPut, fault: { kind: 'drop-response' }, after: index * 2, times: 1 }),
    )
    const names = Array.from({ length: 8 }, (_, index) => String(index))
    const run = async (writer: Lake, name: string): Promise<void> => {
      for (const index of names) await writer.append(`${name}${index}`)
    }
    await Promise.all([run(lake, 'proxied'), run(other, 'direct')])
    expect(rules.filter((rule) => rule.hits === 1).length).toBeGreaterThanOrEqual(3)
    const expected = ['before', ...names.flatMap((each) => [`proxied${each}`, `direct${each}`])]
    expect(await contents()).toEqual({
      files: expected.sort(),
      records: String(BigInt(expected.length) * rowsPerFile),
    })
  })

  it('creates a table once when the reply to the creation is lost', async () => {
    const created = { namespace: ['db'], name: `t${++tableCount}` }
    const rule = proxy.add({ ...pointerPut, fault: { kind: 'drop-response' }, times: 1 })
    const table = await lake.catalog.createTable({ identifier: created, schema })
    expect(rule.hits).toBe(1)
    const seen = await other.catalog.loadTable(created)
    expect(seen.metadata.tableUuid).toBe(table.metadata.tableUuid)
  })
})

function dataFile(name: string): DataFile {
  return {
    content: 'data',
    filePath: `s3://lake/warehouse/db/data/${name}`,
    fileFormat: 'PARQUET',
    specId: 0,
    partition: [],
    recordCount: rowsPerFile,
    fileSizeInBytes: 100n,
  }
}
