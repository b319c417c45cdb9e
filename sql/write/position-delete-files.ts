/**
 * PositionDeleteWriter over DuckDB: one Parquet file of `(file_path, pos)` for each data file that loses
 * rows (spec, "Position Delete Files"; docs/spec/data-files.md, W5).
 */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import type { DataFile } from '../../catalog/format/index.ts'
import {
  type LocalPositionDeletes,
  positionDeleteSchema,
  type WritePositionDeletesRequest,
} from '../../catalog/index.ts'
import { CorruptDataError } from '../../common/index.ts'
import { quoteLiteral } from '../text/sql-text.ts'
import { copyFiles } from './copy-files.ts'

export async function writePositionDeletes(
  connection: DuckDBConnection,
  request: WritePositionDeletesRequest,
): Promise<readonly LocalPositionDeletes[]> {
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE deleted_positions AS
     SELECT DISTINCT file_path, pos FROM (${request.rows})`,
  )
  try {
    const groups = await countPositions(connection)
    const unnamed = new Map(groups)
    const written: LocalPositionDeletes[] = []
    for (const target of request.targets) {
      const group = groups.get(target.filePath)
      unnamed.delete(target.filePath)
      if (group !== undefined) written.push(await writeFile(connection, request, target, group))
    }
    const [path] = unnamed.keys()
    if (path === undefined) return written
    throw new CorruptDataError('rows of a file are deleted that the change does not name', {
      facts: { file: path },
    })
  } finally {
    await connection.run('DROP TABLE IF EXISTS deleted_positions')
  }
}

interface Positions {
  readonly count: bigint
  readonly min: bigint
  readonly max: bigint
}

async function countPositions(
  connection: DuckDBConnection,
): Promise<ReadonlyMap<string, Positions>> {
  const counted = await connection.runAndReadAll(
    `SELECT coalesce(file_path, ''), count(*), 
       CASE WHEN count(*) = count(pos) THEN min(pos) ELSE -1 END::BIGINT, coalesce(max(pos), -1)::BIGINT
     FROM deleted_positions GROUP BY file_path`,
  )
  const rows = counted.getRows() as unknown as readonly (readonly [
    string,
    bigint,
    bigint,
    bigint,
  ])[]
  return new Map(rows.map(([path, count, min, max]) => [path, { count, min, max }]))
}

async function writeFile(
  connection: DuckDBConnection,
  { directory, properties }: WritePositionDeletesRequest,
  target: DataFile,
  { count, min, max }: Positions,
): Promise<LocalPositionDeletes> {
  if (min < 0n || max >= target.recordCount) {
    throw new CorruptDataError('a position to be deleted lies outside its file', {
      facts: { file: target.filePath, rows: target.recordCount, lowest: min, highest: max },
    })
  }
  const localPath = join(directory, `${randomUUID()}-deletes.parquet`)
  const path = quoteLiteral(target.filePath)
  const [file] = await copyFiles(connection, {
    select: `SELECT file_path, pos::BIGINT AS pos FROM deleted_positions WHERE file_path = ${path} ORDER BY pos`,
    target: localPath,
    schema: positionDeleteSchema,
    properties,
  })
  if (file === undefined || BigInt(file.count) !== count) {
    throw new CorruptDataError('a delete file holds another number of rows than were given', {
      facts: { expected: count, written: file?.count ?? 'none' },
    })
  }
  return {
    localPath,
    target,
    recordCount: count,
    fileSizeInBytes: BigInt(file.file_size_bytes),
    posMin: min,
    posMax: max,
  }
}
