/** The judge of all tables' metadata at the end of `npm test` tells a table that Java loads from one that it refuses. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tableMetadataToJson } from '../../catalog/format/table-metadata-json.ts'
import { type Json, type JsonObject, stringifyJson } from '../../common/index.ts'
import { judgeTableMetadata } from '../support/judge-table-metadata.ts'
import { requirePart } from '../support/services/index.ts'
import { openSqlLake, type SqlLake } from '../support/sql-lake.ts'

let lake: SqlLake
let directory: string
beforeAll(async () => {
  lake = await openSqlLake()
  directory = await mkdtemp(join(tmpdir(), 'tide-judge-'))
})
afterAll(async () => {
  await lake.close()
  await rm(directory, { recursive: true, force: true })
})

/** A column with the name of the partition field `at_day`. */
function withColumnOfPartition(metadata: JsonObject): JsonObject {
  const [schema] = metadata['schemas'] as readonly JsonObject[]
  const column: Json = { id: 9, name: 'at_day', required: false, type: 'int' }
  const fields: Json = [...((schema?.['fields'] ?? []) as readonly Json[]), column]
  return { ...metadata, 'last-column-id': 9, schemas: [{ ...schema, fields }] }
}

describe.skipIf(!requirePart('kafka'))("Iceberg's Java parser", () => {
  it('loads what the catalog wrote, and refuses a column with the name of a partition field', async () => {
    const table = await lake.create('web.events', ['id long', 'at timestamp'], ['day(at)'])
    const good = tableMetadataToJson(table.metadata)
    const bad = withColumnOfPartition(good)
    const lines = [good, bad].map(
      (json, index) => `t${index}\tmemory://m${index}\t${stringifyJson(json)}`,
    )
    await writeFile(join(directory, 'tables.tsv'), `${lines.join('\n')}\n`)
    const { tables, refused } = await judgeTableMetadata(directory)
    expect(tables).toBe(2)
    expect(refused).toEqual([expect.stringMatching(/^t1 memory:\/\/m1 .*at_day/)])
  })
})
