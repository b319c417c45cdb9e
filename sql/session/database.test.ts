import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { openDatabase, type Database } from './database.ts'
import { quoteIdentifier, quoteLiteral } from '../text/sql-text.ts'

const open: Database[] = []
afterEach(() => {
  for (const database of open.splice(0)) database.close()
})

async function setting(database: Database, name: string): Promise<unknown> {
  return database.withConnection(async (connection) => {
    const result = await connection.runAndReadAll(`SELECT current_setting(${quoteLiteral(name)})`)
    return result.getRowsJson()[0]?.[0]
  })
}

describe('openDatabase()', () => {
  it('sets threads, memory and temp directory, and the zone to utc', async () => {
    const database = await openDatabase({
      threads: 1,
      memoryLimitBytes: 512 * 1024 * 1024,
      tempDirectory: '/tmp/tide-test-spill',
    })
    open.push(database)
    expect(await setting(database, 'threads')).toBe('1')
    expect(await setting(database, 'memory_limit')).toBe('512.0 MiB')
    expect(await setting(database, 'temp_directory')).toBe('/tmp/tide-test-spill')
    expect(await setting(database, 'TimeZone')).toBe('UTC')
  })

  it('keeps to the bound of what it spills', async () => {
    const tempDirectory = await mkdtemp(join(tmpdir(), 'tide-spill-'))
    const sort = `SELECT max(s) FROM
      (SELECT row_number() OVER (ORDER BY hash(i)) AS s FROM range(3000000) r(i))`
    const attempt = async (tempDirectoryBytesMax: number): Promise<void> => {
      const memoryLimitBytes = 40_000_000
      const limits = { threads: 1, memoryLimitBytes, tempDirectory, tempDirectoryBytesMax }
      const database = await openDatabase(limits)
      open.push(database)
      await database.withConnection((connection) => connection.run(sort))
    }
    await attempt(2_000_000_000)
    await expect(attempt(5_000_000)).rejects.toThrow('max_temp_directory_size')
    await rm(tempDirectory, { recursive: true })
  })

  it('neither installs nor loads extensions by itself', async () => {
    const database = await openDatabase()
    open.push(database)
    expect(await setting(database, 'autoinstall_known_extensions')).toBe(false)
    expect(await setting(database, 'autoload_known_extensions')).toBe(false)
    expect(await setting(database, 'allow_persistent_secrets')).toBe(false)
  })

  it('names the extension that cannot be loaded', async () => {
    await expect(openDatabase({ extensions: ['/nowhere/x.duckdb_extension'] })).rejects.toThrow(
      /cannot load the duckdb extension.*extension=\/nowhere\/x\.duckdb_extension/s,
    )
  })
})

describe('withMemory()', () => {
  it('gives work that does not fit twice the memory, until it fits', async () => {
    const database = await openDatabase({
      threads: 1,
      memoryLimitBytes: 8 << 20,
      returnsMemory: true,
    })
    open.push(database)
    expect(await setting(database, 'allocator_flush_threshold')).toBe('16.0 MiB')
    const distinct = 'SELECT count(*) FROM (SELECT DISTINCT range AS n FROM range(2000000))'
    const outOfMemory = database.withConnection((connection) => connection.runAndReadAll(distinct))
    await expect(outOfMemory).rejects.toThrow(/^Out of Memory Error/)
    const found = await database.withMemory((connection) => connection.runAndReadAll(distinct))
    expect(found.getRows()).toEqual([[2_000_000n]])
    const wrong = database.withMemory((connection) => connection.run('SELECT no_such_column'))
    await expect(wrong).rejects.toThrow('no_such_column')
  })
})

describe('quoteIdentifier()', () => {
  it('round-trips hostile names through duckdb', async () => {
    const database = await openDatabase()
    open.push(database)
    const names = ['a"b', "it's", 'select', 'x; drop table y', '$', 'ü €', 'a.b', ' ']
    const rows = await database.withConnection(async (connection) => {
      const list = names.map((name) => `${quoteLiteral(name)} AS ${quoteIdentifier(name)}`)
      const result = await connection.runAndReadAll(`SELECT ${list.join(', ')}`)
      return { columns: result.columnNames(), values: result.getRowsJson()[0] }
    })
    expect(rows.columns).toEqual(names)
    expect(rows.values).toEqual(names)
  })
})
