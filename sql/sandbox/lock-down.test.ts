import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openDatabase, type Database } from '../session/database.ts'
import { openLocalSession } from '../session/local-session.ts'
import { escapeGlob } from '../scan/scan-sql.ts'
import { lockDown } from './lock-down.ts'

let directory: string
let own: string
let other: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tide-lock-'))
  own = join(directory, 'own[1]*.parquet')
  other = join(directory, 'other.parquet')
  const database = await openDatabase({ threads: 1 })
  await database.withConnection(async (connection) => {
    await connection.run(`COPY (SELECT 1 AS a) TO '${own}' (FORMAT parquet)`)
    await connection.run(`COPY (SELECT 2 AS a) TO '${other}' (FORMAT parquet)`)
  })
  database.close()
})
afterAll(() => rm(directory, { recursive: true }))

async function withDatabase(use: (database: Database) => Promise<void>): Promise<void> {
  const database = await openDatabase({ threads: 1, tempDirectory: join(directory, 'spill') })
  try {
    await use(database)
  } finally {
    database.close()
  }
}

const run = (database: Database, sql: string): Promise<string> =>
  database.withConnection(async (connection) =>
    JSON.stringify((await connection.runAndReadAll(sql)).getRowsJson()),
  )

describe('lockDown()', () => {
  it('[S2] leaves the files of the query within reach and nothing else', async () => {
    await withDatabase(async (database) => {
      await lockDown(database, [own, escapeGlob(own)])
      expect(await run(database, `FROM read_parquet('${escapeGlob(own)}')`)).toBe('[[1]]')
      await expect(run(database, `FROM '${other}'`)).rejects.toThrow('disabled by configuration')
      await expect(run(database, `FROM glob('${directory}/*')`)).rejects.toThrow('disabled')
      await expect(run(database, 'SET enable_external_access = true')).rejects.toThrow('locked')
      await expect(run(database, `SET allowed_paths = ['${other}']`)).rejects.toThrow()
    })
  })

  it('[S2] takes a query without files, and a link for what it leads to', async () => {
    await withDatabase(async (database) => {
      await lockDown(database, [])
      expect(await run(database, 'SELECT 1')).toBe('[[1]]')
      await expect(run(database, `FROM '${other}'`)).rejects.toThrow('disabled')
    })
    const link = join(directory, 'link.parquet')
    await symlink(other, link)
    await withDatabase(async (database) => {
      await lockDown(database, [link])
      expect(await run(database, `FROM '${link}'`)).toBe('[[2]]')
    })
  })

  it('[S2] refuses an instance that would open more', async () => {
    await withDatabase(async (database) => {
      await run(database, `SET allowed_directories = ['${directory}/']`)
      await expect(lockDown(database, [own])).rejects.toThrow('would open more than the files')
    })
    await withDatabase(async (database) => {
      await run(database, 'SET autoinstall_known_extensions = true')
      await expect(lockDown(database, [own])).rejects.toThrow('did not lock down: open=install')
    })
  })

  it('[S4] comes before a session that runs nothing but one query', async () => {
    const refused = async (sql: string): Promise<string> => {
      const database = await openDatabase({ threads: 1 })
      const session = await openLocalSession({ database, lockDown: (f) => lockDown(database, f) })
      try {
        await session.begin()
        await session.stream(sql, [])
        return 'ran'
      } catch (error) {
        return String(error)
      } finally {
        await session.close()
        database.close()
      }
    }
    expect(await refused('SELECT 1')).toBe('ran')
    expect(await refused('EXPLAIN SELECT 1')).toBe('ran')
    expect(await refused('CREATE TEMP TABLE t (a int)')).toContain('only queries are accepted')
    expect(await refused('PREPARE p AS SELECT 1')).toContain('statement=PREPARE')
    expect(await refused('SELECT 1; SELECT 2')).toContain('one statement at a time')
  })
})
