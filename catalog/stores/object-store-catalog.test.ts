import { describe, expect, test } from 'vitest'
import {
  CommitFailedError,
  CommitStateUnknownError,
  NotFoundError,
  UnavailableError,
  UnsupportedError,
  ValidationError,
  seededRandom,
} from '../../common/index.ts'
import { MemoryFileIO } from '../../io/index.ts'
import { InstantClock } from '../../tests/support/instant-clock.ts'
import { InterceptedFileIO } from '../../tests/support/intercepted-file-io.ts'
import type { Table, TableCommit } from '../catalog.ts'
import type { Schema } from '../format/types.ts'
import { ObjectStoreCatalog } from './object-store-catalog.ts'

const warehouse = 'memory://lake/warehouse'
const schema: Schema = {
  schemaId: 0,
  identifierFieldIds: [],
  fields: [{ id: 1, name: 'id', required: true, type: { type: 'long' } }],
}
const orders = { namespace: ['shop'], name: 'orders' }
const sales = { namespace: ['shop'], name: 'sales' }
const reply = new UnavailableError('reply lost')

function makeBucket() {
  const store = new MemoryFileIO()
  let seed = 1
  /** A catalog of its own over the same bucket, as another process would be. */
  const process = () => {
    const io = new InterceptedFileIO(store)
    const clock = new InstantClock()
    const catalog = new ObjectStoreCatalog({ io, warehouse, clock, random: seededRandom(seed++) })
    return { io, clock, catalog }
  }
  return { store, process }
}

type Process = ReturnType<ReturnType<typeof makeBucket>['process']>

async function makeTable() {
  const bucket = makeBucket()
  const first = bucket.process()
  await first.catalog.createNamespace(['shop'])
  const table = await first.catalog.createTable({ identifier: orders, schema })
  return { ...bucket, table }
}

const setProperty = (key: string, value = 'set'): TableCommit => ({
  identifier: orders,
  requirements: [],
  updates: [{ action: 'set-properties', updates: { [key]: value } }],
})

const append = (table: Table, snapshotId: bigint): TableCommit => ({
  identifier: table.identifier,
  requirements: [
    {
      type: 'assert-ref-snapshot-id',
      ref: 'main',
      snapshotId: table.metadata.currentSnapshotId ?? null,
    },
  ],
  updates: [
    {
      action: 'add-snapshot',
      snapshot: {
        snapshotId,
        ...(table.metadata.currentSnapshotId === undefined
          ? {}
          : { parentSnapshotId: table.metadata.currentSnapshotId }),
        sequenceNumber: table.metadata.lastSequenceNumber + 1n,
        timestampMs: table.metadata.lastUpdatedMs,
        manifestList: `${table.metadata.location}/metadata/snap-${snapshotId}.avro`,
        summary: { operation: 'append' },
        schemaId: 0,
      },
    },
    { action: 'set-snapshot-ref', refName: 'main', ref: { snapshotId, type: 'branch' } },
  ],
})

const isPointer = (location: string): boolean => location.includes('/_catalog/tables/')

async function locations(store: MemoryFileIO, part: string): Promise<string[]> {
  const found: string[] = []
  for await (const { location } of store.list(`${warehouse}/`)) {
    if (location.includes(part)) found.push(location)
  }
  return found
}

describe('ObjectStoreCatalog commits', () => {
  test('[C1] nothing a reader sees changes before the pointer is swapped', async () => {
    const { process, table } = await makeTable()
    const writer = process()
    const seen: Table[] = []
    writer.io.onWrite = async (call) => {
      seen.push(await process().catalog.loadTable(orders))
      return call.send()
    }
    const next = await writer.catalog.commitTable(setProperty('a'))
    expect(seen).toEqual([table, table])
    expect(await process().catalog.loadTable(orders)).toEqual(next)
  })

  test('[C1, C8] a property that cannot be read refuses a commit while nothing is written', async () => {
    const { process, store } = await makeTable()
    const properties = { 'write.metadata.delete-after-commit.enabled': 'yes' }
    const named = { ...orders, name: 'by-another-engine' }
    const { catalog } = process()
    const table = await catalog.createTable({ identifier: named, schema, properties })
    const before = await locations(store, '')
    await expect(catalog.commitTable(append(table, 7n))).rejects.toThrow(
      /write\.metadata\.delete-after-commit\.enabled/,
    )
    await expect(
      catalog.commitTable({
        ...setProperty('write.metadata.delete-after-commit.enabled', 'yes'),
        identifier: orders,
      }),
    ).rejects.toThrow(/write\.metadata\.delete-after-commit\.enabled/)
    expect(await locations(store, '')).toEqual(before)
    expect(await process().catalog.loadTable(named)).toEqual(table)
    await catalog.commitTable({
      ...setProperty('write.metadata.delete-after-commit.enabled', 'true'),
      identifier: named,
    })
    await catalog.commitTable(append(await catalog.loadTable(named), 7n))
  })

  test('[C3] a commit whose pointer answer was lost is in the lineage exactly once', async () => {
    for (const stored of [true, false]) {
      const { process, table } = await makeTable()
      const writer = process()
      let faults = 0
      writer.io.onWrite = async (call) => {
        if (!isPointer(call.location) || faults++ > 0) return call.send()
        if (stored) await call.send()
        throw reply
      }
      const next = await writer.catalog.commitTable(append(table, 7n))
      const { metadata } = await process().catalog.loadTable(orders)
      expect(metadata.snapshots.map((snapshot) => snapshot.snapshotId)).toEqual([7n])
      expect(metadata.metadataLog).toHaveLength(1)
      expect(next.metadata).toEqual(metadata)
      expect(writer.io.deleted).toEqual([])
    }
  })

  test('[C6] a commit with a lost answer is recognised below what others built on it', async () => {
    const { process, table } = await makeTable()
    const writer = process()
    let faults = 0
    writer.io.onWrite = async (call) => {
      if (!isPointer(call.location) || faults++ > 0) return call.send()
      await call.send()
      const other = process()
      await other.catalog.commitTable(append(await other.catalog.loadTable(orders), 8n))
      throw reply
    }
    await writer.catalog.commitTable(append(table, 7n))
    const { metadata } = await process().catalog.loadTable(orders)
    expect(metadata.snapshots.map((snapshot) => snapshot.snapshotId)).toEqual([7n, 8n])
  })

  test('[C7] an outcome that cannot be settled is unknown and deletes nothing', async () => {
    const { process, table, store } = await makeTable()
    const writer = process()
    writer.io.onWrite = async (call) => {
      if (isPointer(call.location)) throw reply
      return call.send()
    }
    await expect(writer.catalog.commitTable(append(table, 7n))).rejects.toThrow(
      CommitStateUnknownError,
    )
    expect(writer.io.deleted).toEqual([])
    expect(await locations(store, '/metadata/')).toHaveLength(2)
  })

  test('[C7] commit.status-check.num-retries of the table bounds the status checks', async () => {
    const { process } = await makeTable()
    await process().catalog.commitTable(setProperty('commit.status-check.num-retries', '1'))
    const writer = process()
    writer.io.onWrite = async (call) => {
      if (isPointer(call.location)) throw reply
      return call.send()
    }
    await expect(writer.catalog.commitTable(setProperty('a'))).rejects.toThrow(
      CommitStateUnknownError,
    )
    expect(writer.clock.sleepsMs).toHaveLength(1)
  })

  test('[C8] the loser of a race deletes its own metadata file and nothing else', async () => {
    const { process, table, store } = await makeTable()
    const writer = process()
    let rivals = 0
    const written: string[] = []
    writer.io.onWrite = async (call) => {
      if (!isPointer(call.location)) written.push(call.location)
      else if (rivals++ === 0) {
        const other = process()
        await other.catalog.commitTable(append(await other.catalog.loadTable(orders), 8n))
      }
      return call.send()
    }
    const error: unknown = await writer.catalog
      .commitTable(append(table, 7n))
      .catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(CommitFailedError)
    expect(error).toMatchObject({ facts: { expected: 'no snapshot', actual: 8n } })
    expect(writer.io.deleted).toEqual(written)
    expect(await locations(store, '/metadata/')).toHaveLength(2)
  })

  test('[C14] requirements are checked again on the table that is really replaced', async () => {
    const { process, table } = await makeTable()
    const writer = process()
    let rivals = 0
    writer.io.onWrite = async (call) => {
      if (isPointer(call.location) && rivals++ === 0) {
        await process().catalog.commitTable(setProperty('theirs'))
      }
      return call.send()
    }
    // Still holds on the moved table: applied again there, both changes survive.
    await writer.catalog.commitTable(append(table, 7n))
    const { metadata } = await process().catalog.loadTable(orders)
    expect(metadata.properties).toMatchObject({ theirs: 'set' })
    expect(metadata.currentSnapshotId).toBe(7n)
  })

  test('[C14] applying again ends after commit.retry.num-retries', async () => {
    const { process } = await makeTable()
    const writer = process()
    let attempts = 0
    writer.io.onWrite = async (call) => {
      if (isPointer(call.location)) {
        await process().catalog.commitTable(setProperty('theirs', String(++attempts)))
      }
      return call.send()
    }
    await expect(writer.catalog.commitTable(setProperty('ours'))).rejects.toThrow(
      /every attempt.*attempts=5/,
    )
    expect(attempts).toBe(5)
  })

  test('[C15] a snapshot built on an older head is refused even without requirements', async () => {
    const { process, table } = await makeTable()
    const head = await process().catalog.commitTable(append(table, 7n))
    await process().catalog.commitTable(append(head, 8n))
    const stale = { ...append(head, 9n), requirements: [] }
    await expect(process().catalog.commitTable(stale)).rejects.toThrow(CommitFailedError)
  })

  test('[C16] 105 commits keep a log of 100 and only the files in it', async () => {
    const { process, store } = await makeTable()
    const { catalog, clock } = process()
    for (let round = 0; round < 105; round++) {
      clock.advance(1000)
      await catalog.commitTable(setProperty('round', String(round)))
    }
    const table = await catalog.loadTable(orders)
    expect(table.metadata.metadataLog).toHaveLength(100)
    const named = table.metadata.metadataLog.map((entry) => entry.metadataFile)
    expect((await locations(store, '/metadata/')).sort()).toEqual(
      [...named, table.metadataLocation].sort(),
    )
    const times = table.metadata.metadataLog.map((entry) => entry.timestampMs)
    expect(times).toEqual([...times].sort((a, b) => Number(a - b)))
  })

  test('[C16] old metadata files stay when the table says so', async () => {
    const { process, store } = await makeTable()
    const { catalog } = process()
    await catalog.commitTable(setProperty('write.metadata.delete-after-commit.enabled', 'false'))
    await catalog.commitTable(setProperty('write.metadata.previous-versions-max', '2'))
    for (const round of ['1', '2', '3']) await catalog.commitTable(setProperty('round', round))
    const { metadata } = await catalog.loadTable(orders)
    expect(metadata.metadataLog).toHaveLength(2)
    expect(await locations(store, '/metadata/')).toHaveLength(6)
  })

  test('commitTable() writes gzipped metadata when the table asks for it', async () => {
    const { process, store } = await makeTable()
    const zipped = await process().catalog.commitTable(
      setProperty('write.metadata.compression-codec', 'gzip'),
    )
    expect(zipped.metadataLocation).toMatch(/\/00001-[0-9a-f-]{36}\.gz\.metadata\.json$/)
    expect((await store.read(zipped.metadataLocation)).subarray(0, 2)).toEqual(
      Uint8Array.from([0x1f, 0x8b]),
    )
    expect(await process().catalog.loadTable(orders)).toEqual(zipped)
  })

  test('commitTable() refuses a setting that it could not obey', async () => {
    const { process } = await makeTable()
    await expect(
      process().catalog.commitTable(setProperty('write.metadata.previous-versions-max', 'many')),
    ).rejects.toThrow(
      /must be a whole number.*: property=write.metadata.previous-versions-max value=many/,
    )
  })

  test('loadTable() refuses an unfinished operation of a later release', async () => {
    const { process, store } = await makeTable()
    const [pointer = ''] = await locations(store, '/_catalog/tables/')
    const body = JSON.parse(Buffer.from(await store.read(pointer)).toString()) as object
    const later = { ...body, intent: { kind: 'multi-table', id: 'x' } }
    await store.write(pointer, Buffer.from(JSON.stringify(later)))
    await expect(process().catalog.loadTable(orders)).rejects.toThrow(UnsupportedError)
    await expect(process().catalog.commitTable(setProperty('a'))).rejects.toThrow(UnsupportedError)
  })
})

describe('ObjectStoreCatalog create and drop', () => {
  test('[C10] a create that lands after the drop does not bring the table back', async () => {
    const bucket = makeBucket()
    const creator = bucket.process()
    await creator.catalog.createNamespace(['shop'])
    let late: (() => Promise<unknown>) | undefined
    creator.io.onWrite = async (call) => {
      if (isPointer(call.location)) late = call.send
      return call.send()
    }
    await creator.catalog.createTable({ identifier: orders, schema })
    await bucket.process().catalog.dropTable(orders)
    expect(await late?.()).toMatchObject({ ok: false })
    await expect(bucket.process().catalog.loadTable(orders)).rejects.toThrow(NotFoundError)
  })

  test('[C10] a second create that lands late loses against drop and create again', async () => {
    const { process } = await makeTable()
    await process().catalog.dropTable(orders)
    const creator = process()
    let late: (() => Promise<unknown>) | undefined
    creator.io.onWrite = async (call) => {
      if (isPointer(call.location)) late = call.send
      return call.send()
    }
    await creator.catalog.createTable({ identifier: orders, schema })
    await process().catalog.dropTable(orders)
    const third = await process().catalog.createTable({ identifier: orders, schema })
    expect(await late?.()).toMatchObject({ ok: false })
    expect(await process().catalog.loadTable(orders)).toEqual(third)
  })

  test('[C3] create and drop with a lost answer happen exactly once', async () => {
    for (const stored of [true, false]) {
      const bucket = makeBucket()
      const writer = bucket.process()
      await writer.catalog.createNamespace(['shop'])
      let armed = true
      writer.io.onWrite = async (call) => {
        if (!isPointer(call.location) || !armed) return call.send()
        armed = false
        if (stored) await call.send()
        throw reply
      }
      const table = await writer.catalog.createTable({ identifier: orders, schema })
      expect(await bucket.process().catalog.loadTable(orders)).toEqual(table)
      armed = true
      await writer.catalog.dropTable(orders)
      await expect(bucket.process().catalog.loadTable(orders)).rejects.toThrow(NotFoundError)
    }
  })

  test('[C13] a table cannot be created into a namespace dropped at the same time', async () => {
    const { process } = await makeTable()
    await process().catalog.dropTable(orders)
    const creator = process()
    let dropped = false
    creator.io.onWrite = async (call) => {
      if (isPointer(call.location) && !dropped) {
        dropped = true
        await process().catalog.dropNamespace(['shop'])
      }
      return call.send()
    }
    await expect(creator.catalog.createTable({ identifier: sales, schema })).rejects.toThrow(
      /namespace was dropped/,
    )
    await expect(process().catalog.loadTable(sales)).rejects.toThrow(NotFoundError)
  })

  test('[C13] a namespace cannot be dropped while a table is created into it', async () => {
    const { process } = await makeTable()
    await process().catalog.dropTable(orders)
    const dropper = process()
    let writes = 0
    dropper.io.onWrite = async (call) => {
      // The second write is the tombstone: everything was listed, nothing found.
      if (++writes === 2) await process().catalog.createTable({ identifier: sales, schema })
      return call.send()
    }
    await expect(dropper.catalog.dropNamespace(['shop'])).rejects.toThrow(/not empty/)
    expect(await process().catalog.listTables(['shop'])).toEqual([sales])
  })

  test('[C13] a dropper that died half-way leaves a namespace that works', async () => {
    const { process } = await makeTable()
    await process().catalog.dropTable(orders)
    const dropper = process()
    let writes = 0
    dropper.io.onWrite = async (call) => {
      if (++writes > 1) throw reply
      return call.send()
    }
    await expect(dropper.catalog.dropNamespace(['shop'])).rejects.toThrow()
    const table = await process().catalog.createTable({ identifier: sales, schema })
    expect(await process().catalog.loadTable(sales)).toEqual(table)
    await expect(process().catalog.dropNamespace(['shop'])).rejects.toThrow(ValidationError)
  })
})

describe('ObjectStoreCatalog renames', () => {
  /** Runs a rename that dies at its n-th pointer write, before or after that write lands. */
  async function crashedRename(step: number, lands: boolean) {
    const { process, table } = await makeTable()
    const mover = process()
    let writes = 0
    let isDead = false
    mover.io.onRead = (call) => {
      if (isDead) throw reply
      return call.send()
    }
    mover.io.onWrite = async (call) => {
      if (isDead) throw reply
      if (++writes < step) return call.send()
      isDead = true
      if (lands) await call.send()
      throw reply
    }
    const outcome = await mover.catalog.renameTable(orders, sales).then(
      () => 'done',
      () => 'died',
    )
    return { process, table, outcome }
  }

  async function namesOf({ catalog }: Process): Promise<string[]> {
    return (await catalog.listTables(['shop'])).map((identifier) => identifier.name)
  }

  for (const step of [1, 2, 3, 4, 5, 6]) {
    for (const lands of [true, false]) {
      const when = lands ? 'after' : 'before'
      test(`[C11] a crash ${when} write ${step} of a rename leaves the table under one name`, async () => {
        const { process, table, outcome } = await crashedRename(step, lands)
        expect(outcome).toBe(step === 6 ? 'done' : 'died')
        for (const readsFirst of [orders, sales]) {
          await process()
            .catalog.loadTable(readsFirst)
            .catch((error: unknown) => expect(error).toBeInstanceOf(NotFoundError))
        }
        const names = await namesOf(process())
        expect(names).toHaveLength(1)
        const decided = step === 1 && !lands ? 'orders' : 'sales'
        expect(names).toEqual([decided])
        const [name = ''] = names
        const found = await process().catalog.loadTable({ namespace: ['shop'], name })
        expect(found.metadata).toEqual(table.metadata)
        // Both names work as if nothing had happened.
        await process().catalog.commitTable(append(found, 7n))
        const free = name === 'orders' ? sales : orders
        await process().catalog.createTable({ identifier: free, schema })
        expect((await namesOf(process())).length).toBe(2)
      })
    }
  }

  for (const step of [1, 2, 3, 4, 5]) {
    test(`[C12] a commit that races with write ${step} of a rename is never lost between the names`, async () => {
      const { process, table } = await makeTable()
      const mover = process()
      const writer = process()
      let writes = 0
      let committed: Promise<unknown> = Promise.resolve()
      mover.io.onWrite = async (call) => {
        if (++writes === step) {
          committed = writer.catalog.commitTable(append(table, 7n)).catch((e: unknown) => e)
          await committed
        }
        return call.send()
      }
      await mover.catalog.renameTable(orders, sales)
      const found = await process().catalog.loadTable(sales)
      const answer = await committed
      const isIn = found.metadata.snapshots.some((snapshot) => snapshot.snapshotId === 7n)
      if (answer instanceof Error) {
        expect(answer).toBeInstanceOf(NotFoundError)
        expect(isIn).toBe(false)
      } else expect(isIn).toBe(true)
      expect(await namesOf(process())).toEqual(['sales'])
    })
  }

  test('[C11] a rename whose target is taken half-way is undone', async () => {
    const { process, table } = await makeTable()
    const mover = process()
    let writes = 0
    let rival: Table | undefined
    mover.io.onWrite = async (call) => {
      if (++writes === 2) {
        rival = await process().catalog.createTable({ identifier: sales, schema })
      }
      return call.send()
    }
    await expect(mover.catalog.renameTable(orders, sales)).rejects.toThrow(/exists already/)
    expect(await process().catalog.loadTable(orders)).toEqual(table)
    expect(await process().catalog.loadTable(sales)).toEqual(rival)
  })

  test('[C11] a target claimed for a rename that was undone is nobody-s table', async () => {
    const { process, table } = await makeTable()
    const mover = process()
    const helper = process()
    let undo: (() => void) | undefined
    let helped: Promise<unknown> = Promise.resolve()
    let writes = 0
    mover.io.onWrite = async (call) => {
      if (++writes === 1) {
        // The helper sees the target taken and is about to undo; then the target gets free.
        await process().catalog.createTable({ identifier: sales, schema })
        const sent = await call.send()
        await new Promise<void>((reached) => {
          helper.io.onWrite = async (undoing) => {
            reached()
            await new Promise<void>((resolve) => {
              undo = resolve
            })
            return undoing.send()
          }
          helped = helper.catalog.loadTable(orders)
        })
        await process().catalog.dropTable(sales)
        return sent
      }
      if (writes > 2) throw reply
      undo?.()
      await helped
      return call.send()
    }
    await expect(mover.catalog.renameTable(orders, sales)).rejects.toThrow()
    expect(writes).toBeGreaterThan(2)
    await expect(process().catalog.loadTable(sales)).rejects.toThrow(NotFoundError)
    expect(await process().catalog.loadTable(orders)).toEqual(table)
    expect(await namesOf(process())).toEqual(['orders'])
  })

  test('[C11] two renames that swap names cross without losing a table', async () => {
    const { process, table } = await makeTable()
    const other = await process().catalog.createTable({ identifier: sales, schema })
    const outcomes = await Promise.allSettled([
      process().catalog.renameTable(orders, sales),
      process().catalog.renameTable(sales, orders),
    ])
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['rejected', 'rejected'])
    expect(await process().catalog.loadTable(orders)).toEqual(table)
    expect(await process().catalog.loadTable(sales)).toEqual(other)
  })

  test('[C11] many racing renames of one table leave it under one name', async () => {
    const { process } = await makeTable()
    const targets = ['a', 'b', 'c', 'd'].map((name) => ({ namespace: ['shop'], name }))
    const outcomes = await Promise.allSettled(
      targets.map((target) => process().catalog.renameTable(orders, target)),
    )
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1)
    expect(await namesOf(process())).toHaveLength(1)
  })
})
