/** Rows of a query as JSON texts, a batch at a time: how files of any kind become records of a log. */
import { UnavailableError } from '../../common/index.ts'
import type { Database } from './database.ts'
import { isBrokenOff } from './stream-end.ts'

/** Runs `select` and yields one JSON object per row, in the query's order; few rows are in memory. */
export async function* streamJson(
  database: Database,
  select: string,
): AsyncGenerator<readonly string[]> {
  const connection = await database.connect()
  try {
    await connection.run('BEGIN TRANSACTION READ ONLY')
    const result = await connection.stream(
      `SELECT to_json(source)::VARCHAR FROM (${select}) AS source`,
    )
    for (;;) {
      const chunk = await result.fetchChunk()
      if (chunk === null || chunk.rowCount === 0) {
        if (!(await isBrokenOff(connection))) return
        throw new UnavailableError('reading rows broke off: a damaged file or too little memory')
      }
      yield chunk.getColumnValues(0) as readonly string[]
    }
  } finally {
    connection.closeSync()
  }
}
