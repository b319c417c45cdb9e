/**
 * The catalog on a real MinIO behind a proxy that loses, delays and refuses the pointer's PUT, and the
 * REST catalog behind a gateway that does the same to commits.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Schema } from '../../catalog/format/index.ts'
import {
  type Catalog,
  ObjectStoreCatalog,
  RestCatalog,
  type Table,
  type TableCommit,
} from '../../catalog/index.ts'
import { CommitFailedError, CommitStateUnknownError, systemClock } from '../../common/index.ts'
import { type FileIO, openS3FileIO } from '../../io/index.ts'
import { createServer } from '../../server/index.ts'
import { describeCatalog } from '../conformance/describe-catalog.ts'
import { type Fault, type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts'
import { type MinioService, requirePart, startMinio } from '../support/services/index.ts'

const warehouse = 's3://lake/warehouse'
const schema: Schema = {
  schemaId: 0,
  identifierFieldIds: [],
  fields: [{ id: 1, name: 'id', required: true, type: { type: 'long' } }],
}
const pointerPut = { method: 'PUT', path: /_catalog\/tables\// } as const
const statusCheck = { retriesMax: 5, waitMsMin: 20, waitMsMax: 200, totalMsMax: 30_000 }

const hasMinio = requirePart('minio')

function append(table: Table, snapshotId: bigint): TableCommit {
  const parent = table.metadata.currentSnapshotId
  return {
    identifier: table.identifier,
    requirements: [{ type: 'assert-ref-snapshot-id', ref: 'main', snapshotId: parent ?? null }],
    updates: [
      {
        action: 'add-snapshot',
        snapshot: {
          snapshotId,
          ...(parent === undefined ? {} : { parentSnapshotId: parent }),
          sequenceNumber: table.metadata.lastSequenceNumber + 1n,
          timestampMs: table.metadata.lastUpdatedMs,
          manifestList: `${table.metadata.location}/metadata/${snapshotId}.avro`,
          summary: { operation: 'append' },
        },
      },
      { action: 'set-snapshot-ref', refName: 'main', ref: { snapshotId, type: 'branch' } },
    ],
  }
}

async function startLake(): Promise<{
  readonly minio: MinioService
  readonly proxy: FaultProxy
  open(endpoint: string, conditionalTimeoutMs?: number): Promise<FileIO>
}> {
  const minio = await startMinio({ buckets: ['lake'] })
  const proxy = await startFaultProxy(minio.endpoint)
  const { region, accessKeyId, secretAccessKey } = minio
  return {
    minio,
    proxy,
    open: (endpoint, conditionalTimeoutMs) =>
      openS3FileIO({ endpoint, region, accessKeyId, secretAccessKey, conditionalTimeoutMs }),
  }
}

describe.skipIf(!hasMinio)('commits to MinIO through a faulty network', () => {
  let lake: Awaited<ReturnType<typeof startLake>>
  let catalog: Catalog
  let judge: Catalog
  let impatient: Catalog
  const ios: FileIO[] = []
  let counter = 0
  let table: Table

  beforeAll(async () => {
    lake = await startLake()
    const { proxy, minio } = lake
    const open = async (endpoint: string, timeoutMs?: number): Promise<Catalog> => {
      const io = await lake.open(endpoint, timeoutMs)
      ios.push(io)
      return new ObjectStoreCatalog({ io, warehouse, statusCheck })
    }
    catalog = await open(proxy.endpoint)
    impatient = await open(proxy.endpoint, 500)
    judge = await open(minio.endpoint)
    await judge.createNamespace(['shop'])
  })
  beforeEach(async () => {
    lake.proxy.clear()
    table = await judge.createTable({
      identifier: { namespace: ['shop'], name: `t${++counter}` },
      schema,
    })
  })
  afterAll(async () => {
    for (const io of ios) await io.close()
    await lake?.proxy.stop()
    await lake?.minio.stop()
  })

  const snapshotsOf = async (): Promise<bigint[]> =>
    (await judge.loadTable(table.identifier)).metadata.snapshots.map((one) => one.snapshotId)

  const faults: readonly Fault[] = [
    { kind: 'drop-response' },
    { kind: 'drop-request' },
    { kind: 'replace-response', status: 500 },
    { kind: 'replace-response', status: 503 },
    { kind: 'refuse', status: 503 },
  ]
  for (const fault of faults) {
    const name = 'status' in fault ? `${fault.kind} ${fault.status}` : fault.kind
    test(`[C3] a pointer PUT with ${name} is committed exactly once`, async () => {
      const rule = lake.proxy.add({ ...pointerPut, fault, times: 1 })
      const first = await catalog.commitTable(append(table, 1n))
      await catalog.commitTable(append(first, 2n))
      expect(rule.hits).toBe(1)
      expect(await snapshotsOf()).toEqual([1n, 2n])
      const { metadata } = await judge.loadTable(table.identifier)
      expect(metadata.metadataLog).toHaveLength(2)
    })
  }

  test('[C6] a lost answer is recognised although another writer has built on the commit', async () => {
    const rule = lake.proxy.add({
      ...pointerPut,
      fault: { kind: 'delay-response', ms: 1500 },
      times: 1,
    })
    const ours = impatient.commitTable(append(table, 1n))
    await rule.reached(1)
    for (;;) {
      const seen = await judge.loadTable(table.identifier)
      if (seen.metadata.currentSnapshotId === undefined) continue
      await judge.commitTable(append(seen, 2n))
      break
    }
    await ours
    expect(await snapshotsOf()).toEqual([1n, 2n])
  })

  test('[C4] a request held on the way does not land after it was settled', async () => {
    const before = lake.proxy.requests.length
    const rule = lake.proxy.add({ ...pointerPut, fault: { kind: 'hold-request' }, times: 1 })
    const next = await impatient.commitTable(append(table, 1n))
    expect(rule.hits).toBe(1)
    const later = await judge.commitTable(append(next, 2n))
    rule.release()
    await waitForRefusal(lake.proxy, before)
    expect(await judge.loadTable(table.identifier)).toEqual(later)
    expect(await snapshotsOf()).toEqual([1n, 2n])
  })

  test('[C7] a store that swallows every answer leaves the outcome unknown and the files in place', async () => {
    lake.proxy.add({ ...pointerPut, fault: { kind: 'drop-request' } })
    await expect(catalog.commitTable(append(table, 1n))).rejects.toThrow(CommitStateUnknownError)
    expect(lake.proxy.requests.filter((one) => one.method === 'DELETE')).toEqual([])
    lake.proxy.clear()
    expect(await snapshotsOf()).toEqual([])
  })

  test('[C3] eight writers with lost answers: each acknowledged commit once', async () => {
    lake.proxy.add({ ...pointerPut, fault: { kind: 'drop-response' }, after: 2, times: 3 })
    lake.proxy.add({ ...pointerPut, fault: { kind: 'drop-request' }, after: 4, times: 3 })
    const acknowledged: bigint[] = []
    const writers = Array.from({ length: 8 }, async (_, writer) => {
      for (let round = 0; round < 50; round++) {
        const base = await catalog.loadTable(table.identifier)
        const id = BigInt(writer * 1000 + round + 1)
        try {
          await catalog.commitTable(append(base, id))
          acknowledged.push(id)
          return
        } catch (error) {
          if (!(error instanceof CommitFailedError)) throw error
        }
      }
      throw new Error('never got in')
    })
    await Promise.all(writers)
    expect(acknowledged).toHaveLength(8)
    expect((await snapshotsOf()).sort()).toEqual(acknowledged.sort())
  })
})

/** The store has seen the held request, long after its writer gave up, and refused it. */
async function waitForRefusal(proxy: FaultProxy, firstRequest: number): Promise<void> {
  const isRefusedPut = (one: (typeof proxy.requests)[number]): boolean =>
    one.method === 'PUT' && one.path.includes('_catalog/tables') && one.upstreamStatus === 412
  for (let waited = 0; waited < 200; waited++) {
    if (proxy.requests.slice(firstRequest).some(isRefusedPut)) return
    await systemClock.sleep(25)
  }
  throw new Error('the held request never reached the store')
}

describe.skipIf(!hasMinio)('commits over REST through a faulty gateway', () => {
  let lake: Awaited<ReturnType<typeof startLake>>
  let gateway: FaultProxy
  let close = async (): Promise<void> => undefined
  let rest: Catalog
  let judge: Catalog

  beforeAll(async () => {
    lake = await startLake()
    const io = await lake.open(lake.minio.endpoint)
    judge = new ObjectStoreCatalog({ io, warehouse })
    const server = createServer({ catalog: judge, port: 0 })
    gateway = await startFaultProxy(await server.start())
    rest = new RestCatalog({ uri: gateway.endpoint })
    await rest.createNamespace(['shop'])
    close = async () => {
      await gateway.stop()
      await server.stop()
      await io.close()
    }
  })
  afterAll(async () => {
    await close()
    await lake?.proxy.stop()
    await lake?.minio.stop()
  })

  for (const fault of [
    { kind: 'drop-response' },
    { kind: 'replace-response', status: 502 },
    { kind: 'replace-response', status: 504 },
  ] as const) {
    const name = 'status' in fault ? `${fault.kind} ${fault.status}` : fault.kind
    test(`[C7] a commit with ${name} is unknown to the client, and was applied once`, async () => {
      const identifier = { namespace: ['shop'], name: name.replace(' ', '_') }
      const table = await rest.createTable({ identifier, schema })
      gateway.add({ method: 'POST', path: /\/tables\/[^/]+$/, fault, times: 1 })
      await expect(rest.commitTable(append(table, 1n))).rejects.toThrow(CommitStateUnknownError)
      // Sending the same again is refused: the snapshot's base has moved.
      await expect(rest.commitTable(append(table, 1n))).rejects.toThrow(CommitFailedError)
      const { metadata } = await judge.loadTable(identifier)
      expect(metadata.snapshots.map((one) => one.snapshotId)).toEqual([1n])
    })
  }
})

if (hasMinio) {
  describeCatalog('MinIO', async () => {
    const lake = await startLake()
    const io = await lake.open(lake.minio.endpoint)
    const commitRetry = { retriesMax: 20, waitMsMin: 5, waitMsMax: 100, totalMsMax: 60_000 }
    const catalog = new ObjectStoreCatalog({ io, warehouse, commitRetry })
    return {
      catalog,
      warehouse,
      close: async () => {
        await io.close()
        await lake.proxy.stop()
        await lake.minio.stop()
      },
    }
  })
}
