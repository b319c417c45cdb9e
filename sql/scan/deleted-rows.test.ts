/** Rows that position deletes took away, asked for in SQL as a user does. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  commitAction,
  deletePathFieldId,
  deletePosFieldId,
  positionDeleteFile,
  RowDelta,
} from '../../catalog/index.ts'
import { planScan } from '../../catalog/scan/index.ts'
import { systemClock, systemRandom } from '../../common/index.ts'
import { type Answers, openAnswers } from '../../tests/support/sql-answers.ts'
import { openSqlLake, type SqlLake } from '../../tests/support/sql-lake.ts'
import { quoteLiteral } from '../text/sql-text.ts'

let lake: SqlLake
let answers: Answers
const tools = { clock: systemClock, random: systemRandom }

beforeAll(async () => {
  lake = await openSqlLake()
  await lake.create('d.t', ['id int', 'kind string'], ['kind'])
  for (const kind of ['a', 'b', 'a']) {
    const first = kind === 'b' ? 100 : 0
    await lake.append(
      'd.t',
      `SELECT (${first} + i)::INTEGER AS id, '${kind}' AS kind FROM range(10) t(i)`,
    )
  }
  answers = await openAnswers(lake)
})
afterAll(() => lake.close())

/** One delete file for the partition: position `pos` of each of its data files. */
async function deletePositions(kind: string, positions: readonly number[]): Promise<void> {
  const table = await lake.load('d.t')
  const { tasks } = await planScan(lake.io, table)
  const victims = tasks.filter(({ file }) => file.partition[0] === kind).map(({ file }) => file)
  const [first] = victims
  if (first === undefined) throw new Error(`no files of ${kind}`)
  const rows = victims.flatMap(({ filePath }) =>
    positions.map((pos) => `(${quoteLiteral(filePath)}, ${pos}::BIGINT)`),
  )
  const local = join(lake.directory, 'deletes.parquet')
  await lake.database.withConnection((connection) =>
    connection.run(
      `COPY (SELECT * FROM (VALUES ${rows.join(', ')}) d(file_path, pos) ORDER BY ALL) TO ${quoteLiteral(local)}
       (FORMAT parquet, FIELD_IDS {file_path: ${deletePathFieldId}, pos: ${deletePosFieldId}})`,
    ),
  )
  const filePath = `${table.metadata.location}/data/deletes-${kind}-${positions.join('-')}.parquet`
  const { sizeBytes } = await lake.io.upload(local, filePath)
  const referencedFiles = victims.map((file) => file.filePath)
  const file = positionDeleteFile({
    filePath,
    fileSizeInBytes: BigInt(sizeBytes),
    specId: first.specId,
    partition: first.partition,
    recordCount: BigInt(rows.length),
    referencedFiles,
    posMin: BigInt(Math.min(...positions)),
    posMax: BigInt(Math.max(...positions)),
  })
  const changes = {
    baseSnapshotId: table.metadata.currentSnapshotId,
    deletes: [{ file, referencedFiles }],
  }
  await commitAction(
    lake.catalog,
    table.identifier,
    new RowDelta({ ...tools, io: lake.io }, { changes }),
    tools,
  )
}

const ask = async (sql: string): Promise<readonly string[]> => (await answers.ask(sql)).rows

describe('position deletes in a query', () => {
  it('[Q12] hides exactly the rows they name, and an earlier snapshot still shows them', async () => {
    const before = (await lake.load('d.t')).metadata.currentSnapshotId
    await deletePositions('a', [0, 9])
    await deletePositions('a', [0, 5])
    await deletePositions('b', [1])
    expect(await ask("SELECT count(*), sum(id) FROM d.t WHERE kind = 'a'")).toEqual(['14|62'])
    expect(await ask('SELECT count(*) FROM d.t')).toEqual(['23'])
    expect(await ask("SELECT id FROM d.t WHERE kind = 'b' AND id < 103 ORDER BY id")).toEqual([
      '100',
      '102',
    ])
    expect(await ask(`SELECT count(*) FROM d.t AT (VERSION => ${before})`)).toEqual(['30'])
  })

  it('[Q12] works with hidden columns, joins of a table with itself and aliases', async () => {
    expect(await ask('SELECT count(DISTINCT "$path"), count(*) FROM d.t')).toEqual(['3|23'])
    expect(await ask('SELECT count(*) FROM d.t x JOIN d.t y USING (id, kind)')).toEqual(['37'])
  })
})
