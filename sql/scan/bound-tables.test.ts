import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DataFile } from '../../catalog/format/index.ts'
import type { Table } from '../../catalog/index.ts'
import type { ScanPlan } from '../../catalog/scan/index.ts'
import { openSqlLake, type SqlLake } from '../../tests/support/sql-lake.ts'
import { checkReadable } from './bound-tables.ts'

let lake: SqlLake
let table: Table
beforeAll(async () => {
  lake = await openSqlLake()
  table = await lake.create('d.t', ['a int'])
})
afterAll(() => lake.close())

const file: DataFile = {
  content: 'data',
  filePath: 's3://lake/d/t/data/1.parquet',
  fileFormat: 'PARQUET',
  specId: 0,
  partition: [],
  recordCount: 1n,
  fileSizeInBytes: 100n,
}

function planOf(data: DataFile, deletes: readonly DataFile[]): ScanPlan {
  const tasks = [{ file: data, sequenceNumber: 1n, deletes }]
  return { snapshot: undefined, schema: lakeSchema, tasks, filesTotal: 1 }
}
const lakeSchema = { schemaId: 0, identifierFieldIds: [], fields: [] }

describe('checkReadable()', () => {
  it('[Q5] refuses equality deletes with the way out, rather than give deleted rows', () => {
    const deletes: DataFile = {
      ...file,
      content: 'equality-deletes',
      filePath: 's3://lake/d/t/data/1-deletes.parquet',
    }
    expect(() => checkReadable(table, planOf(file, [deletes]))).toThrow(
      /has equality deletes, which sql cannot apply yet: rewrite its data files.*table=d\.t delete_file=s3:\/\/lake\/d\/t\/data\/1-deletes\.parquet/,
    )
  })

  it('[Q5] refuses other formats than parquet', () => {
    expect(() => checkReadable(table, planOf({ ...file, fileFormat: 'ORC' }, []))).toThrow(
      /parquet files only.*format=ORC/,
    )
    expect(() => checkReadable(table, planOf(file, []))).not.toThrow()
  })
})
