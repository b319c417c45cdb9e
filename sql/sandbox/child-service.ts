/** The calls that the child answers for its parent: one query at a time, each on a DuckDB instance of its own. */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ValidationError, assert } from '../../common/index.ts'
import { openDatabase, type Database } from '../session/database.ts'
import { openLocalSession, type LocalSession } from '../session/local-session.ts'
import type { ResultRow } from '../session/query-result.ts'
import type { SessionRows } from '../session/query-session.ts'
import { giveBackMemory } from './give-back-memory.ts'
import { lockDown } from './lock-down.ts'
import type { ChildCalls, ChildSettings } from './messages.ts'
import { rowBytes } from './row-bytes.ts'

interface Instance {
  readonly database: Database
  readonly directory: string
}

export function childService(settings: ChildSettings): ChildCalls {
  const { limits } = settings
  let number = 0
  let instance = openInstance(settings, number)
  let session: LocalSession | undefined
  let rows: SessionRows | undefined
  let rowCount = 0
  let byteCount = 0

  const current = (): LocalSession => {
    assert(session !== undefined, 'no query is open')
    return session
  }
  const count = (batch: readonly ResultRow[]): readonly ResultRow[] => {
    rowCount += batch.length
    if (rowCount > limits.rowsMax) {
      throw new ValidationError(
        'the result has more rows than the server gives out: add a LIMIT or aggregate',
        { facts: { limit: limits.rowsMax, setting: 'query.max_rows' } },
      )
    }
    for (const row of batch) byteCount += rowBytes(row)
    if (byteCount <= limits.resultBytesMax) return batch
    throw new ValidationError(
      'the result is larger than the server gives out: ask for fewer columns or rows',
      { facts: { limit: limits.resultBytesMax, setting: 'query.max_result_bytes' } },
    )
  }

  return {
    open: async () => {
      assert(session === undefined, 'a query is open already')
      const { database } = await instance
      rowCount = 0
      byteCount = 0
      session = await openLocalSession({ database, lockDown: (files) => lockDown(database, files) })
    },
    serialize: (sql) => current().serialize(sql),
    deserialize: (tree) => current().deserialize(tree),
    constants: (select) => current().constants(select),
    begin: () => current().begin(),
    restart: () => current().restart(),
    footers: (paths) => current().footers(paths),
    createRelations: (relations) => current().createRelations(relations),
    stream: async (text, files, values) => {
      rows = await current().stream(text, files, values)
      return rows.columns
    },
    next: async () => {
      assert(rows !== undefined, 'no rows are open')
      const batch = await rows.next()
      return batch === undefined ? undefined : count(batch)
    },
    interrupt: async () => session?.interrupt(),
    close: async () => {
      session?.abandon()
      session = undefined
      rows = undefined
      await closeInstance(await instance)
      // A new instance is ready for the next query, with nothing left of this one.
      instance = openInstance(settings, ++number)
      await instance
      // Only now: a reply is held until the event loop has seen the end of its write.
      giveBackMemory()
    },
  }
}

async function openInstance(settings: ChildSettings, number: number): Promise<Instance> {
  const directory = join(settings.directory, String(number))
  await mkdir(directory, { mode: 0o700 })
  const { memoryBytesMax, tempBytesMax, threads } = settings.limits
  const database = await openDatabase({
    threads,
    memoryLimitBytes: memoryBytesMax,
    tempDirectory: directory,
    tempDirectoryBytesMax: tempBytesMax,
  })
  return { database, directory }
}

async function closeInstance({ database, directory }: Instance): Promise<void> {
  database.close()
  await rm(directory, { recursive: true, force: true })
}
