import { expect, it } from 'vitest'
import { openDatabase } from './database.ts'

it('withMemory() gives work that does not fit twice the memory, until it fits', async () => {
  const database = await openDatabase({
    threads: 1,
    memoryLimitBytes: 8 << 20,
    returnsMemory: true,
  })
  try {
    const sorted = 'SELECT count(*) FROM (SELECT DISTINCT range AS n FROM range(2000000))'
    const outOfMemory = database.withConnection((connection) => connection.runAndReadAll(sorted))
    await expect(outOfMemory).rejects.toThrow(/^Out of Memory Error/)
    const found = await database.withMemory((connection) => connection.runAndReadAll(sorted))
    expect(found.getRows()).toEqual([[2_000_000n]])
    const wrong = database.withMemory((connection) => connection.run('SELECT no_such_column'))
    await expect(wrong).rejects.toThrow('no_such_column')
  } finally {
    database.close()
  }
})
