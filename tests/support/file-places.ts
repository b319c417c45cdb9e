/**
 * The (partition, offset) of every row of a table, by plain DuckDB over its Parquet files, which never
 * change and so are fetched once: quick enough to ask after each of many kills.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { Catalog } from '../../catalog/index.ts'
import type { FileIO } from '../../io/index.ts'
import { openDatabase } from '../../sql/index.ts'
import { liveFiles } from './lake-fixture.ts'
import type { PartitionOffset } from './offsets-digest.ts'

export interface FilePlaces {
  /** `prefix`: `_kafka.` where the two are members of that column. */
  of(table: string, prefix: string): Promise<readonly PartitionOffset[]>
  close(): Promise<void>
}

export async function openFilePlaces(catalog: Catalog, io: FileIO): Promise<FilePlaces> {
  const directory = await mkdtemp(join(tmpdir(), 'tide-places-'))
  const database = await openDatabase({ threads: 1 })
  const known = new Map<string, readonly PartitionOffset[]>()

  const read = async (location: string, prefix: string): Promise<readonly PartitionOffset[]> => {
    const file = join(directory, basename(location))
    await io.download(location, file)
    const places = await database.withConnection(async (connection) => {
      const sql = `SELECT ${prefix}"partition"::INTEGER, ${prefix}"offset"::BIGINT FROM read_parquet('${file}')`
      return (await connection.runAndReadAll(sql)).getRows()
    })
    await rm(file)
    return places.map(([partition, offset]) => ({
      partition: Number(partition),
      offset: BigInt(String(offset)),
    }))
  }

  return {
    of: async (table, prefix) => {
      const places: PartitionOffset[] = []
      for (const location of await liveFiles(catalog, io, table)) {
        const ofFile = known.get(location) ?? (await read(location, prefix))
        known.set(location, ofFile)
        places.push(...ofFile)
      }
      return places
    },
    close: async () => {
      database.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
