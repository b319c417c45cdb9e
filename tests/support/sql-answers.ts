/** A query engine over a test lake, answering in plain text. */
import { join } from 'node:path'
import {
  FileCache,
  allRows,
  createQueryEngine,
  plainText,
  type HttpfsSettings,
  type QueryEngine,
  type QueryOptions,
  type QuerySummary,
  type ResultColumn,
} from '../../sql/index.ts'
import type { SqlLake } from './sql-lake.ts'

export interface Answer {
  readonly columns: readonly ResultColumn[]
  /** Cells as DuckDB's shell prints them, parted by `|`. */
  readonly rows: readonly string[]
  readonly summary: QuerySummary
}

export interface Answers {
  readonly engine: QueryEngine
  ask(sql: string, options?: QueryOptions): Promise<Answer>
}

/** With `httpfs` S3 is read directly, without it through a cache in the lake's directory. */
export async function openAnswers(lake: SqlLake, httpfs?: HttpfsSettings): Promise<Answers> {
  const directory = join(lake.directory, 'cache')
  const cache = new FileCache({ io: lake.io, directory, bytesMax: 2 ** 30 })
  const engine = await createQueryEngine({
    ...lake,
    cache,
    ...(httpfs === undefined ? {} : { httpfs }),
  })
  return {
    engine,
    ask: async (sql, options) => {
      const result = await engine.query(sql, options)
      const rows = (await allRows(result)).map((row) => row.map(plainText).join('|'))
      return { columns: result.columns, rows, summary: result.summary() }
    },
  }
}
