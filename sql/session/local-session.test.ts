import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../common/index.ts'
import { type Database, openDatabase } from './database.ts'
import { openLocalSession } from './local-session.ts'

const endless = 'SELECT count(*) FROM range(100000000000) r(i) WHERE hash(i) = 1'

let database: Database
beforeAll(async () => {
  database = await openDatabase({ threads: 1 })
})
afterAll(() => database.close())

describe('LocalSession.interrupt()', () => {
  it.each([0, 0, 1, 2, 5, 20])(
    'ends a query that begins at about the same moment (%i ms)',
    async (ms) => {
      const session = await openLocalSession({ database })
      await session.begin()
      const ended = session
        .stream(endless, [])
        .then((rows) => rows.next())
        .catch((error: unknown) => String(error))
      if (ms > 0) await systemClock.sleep(ms)
      session.interrupt()
      expect(await ended).toMatch(/interrupt|cancelled/i)
      await session.close()
    },
  )

  it('keeps a query from beginning', async () => {
    const session = await openLocalSession({ database })
    session.interrupt()
    await expect(session.stream(endless, [])).rejects.toThrow('the query was cancelled')
    await session.close()
  })
})
