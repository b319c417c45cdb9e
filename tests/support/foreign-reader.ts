/**
 * Where the files of a table are, without a line of Tidewater: the pointer and the metadata read as
 * JSON, manifest list and manifests by the npm package avsc. What lies in the files is for DuckDB to say.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import avro from 'avsc'

export interface ForeignFiles {
  readonly data: readonly string[]
  readonly deletes: readonly string[]
  readonly properties: Readonly<Record<string, string>>
  readonly snapshotCount: number
  /** Ids of this snapshot and of those that it stands on, newest first. */
  readonly history: readonly string[]
}

interface Metadata {
  readonly properties: Readonly<Record<string, string>>
  readonly refs: Readonly<Record<string, { readonly 'snapshot-id': number }>>
  readonly snapshots: readonly {
    readonly 'snapshot-id': number
    readonly 'parent-snapshot-id'?: number
    readonly 'manifest-list': string
  }[]
}

interface ManifestEntry {
  /** 2: deleted. */
  readonly status: number
  /** 0: data, 1: position deletes. */
  readonly data_file: { readonly content: number; readonly file_path: string }
}

/** `table` as `namespace.name`, in a warehouse that is a local directory; `at` a branch or the id of a snapshot. */
export async function foreignFiles(
  warehouse: string,
  table: string,
  at = 'main',
): Promise<ForeignFiles> {
  const anchor = join(warehouse, '_catalog', 'tables', `${table.replaceAll('.', '/')}.json`)
  const { metadataLocation } = (await json(await newest(anchor))) as {
    readonly metadataLocation: string
  }
  const metadata = (await json(fileURLToPath(metadataLocation))) as Metadata
  const head = String(metadata.refs[at]?.['snapshot-id'] ?? at)
  const snapshot = metadata.snapshots.find((each) => String(each['snapshot-id']) === head)
  const manifests = await records(snapshot?.['manifest-list'] ?? 'no snapshot')
  const live: ManifestEntry[] = []
  for (const { manifest_path: path } of manifests as readonly { manifest_path: string }[]) {
    const entries = (await records(path)) as readonly ManifestEntry[]
    live.push(...entries.filter(({ status }) => status !== 2))
  }
  const paths = (content: number): readonly string[] =>
    live
      .filter(({ data_file: file }) => file.content === content)
      .map(({ data_file: file }) => fileURLToPath(file.file_path))
  return {
    data: paths(0),
    deletes: paths(1),
    properties: metadata.properties,
    snapshotCount: metadata.snapshots.length,
    history: historyOf(metadata, head),
  }
}

function historyOf({ snapshots }: Metadata, head: string): readonly string[] {
  const parents = new Map(
    snapshots.map((each) => [String(each['snapshot-id']), String(each['parent-snapshot-id'])]),
  )
  const history: string[] = []
  for (let id: string | undefined = head; id !== undefined && parents.has(id); ) {
    history.push(id)
    id = parents.get(id)
  }
  return history
}

/** The rows of the files as a table for DuckDB, position deletes taken off. */
export function foreignRows({ data, deletes }: ForeignFiles): string {
  const list = (paths: readonly string[]): string => paths.map((path) => `'${path}'`).join(', ')
  if (deletes.length === 0) return `read_parquet([${list(data)}], union_by_name = true)`
  return `(SELECT rows.* EXCLUDE (filename, file_row_number) FROM read_parquet([${list(data)}],
      union_by_name = true, filename = true, file_row_number = true) AS rows
    WHERE NOT EXISTS (FROM read_parquet([${list(deletes)}]) AS gone
      WHERE gone.file_path = 'file://' || rows.filename AND gone.pos = rows.file_row_number))`
}

/** On a local disk the pointer is the highest of the versions beside its first one. */
async function newest(anchor: string): Promise<string> {
  const versions = await readdir(`${anchor}.~cas`).catch(() => [])
  const highest = versions.sort().at(-1)
  return highest === undefined ? anchor : join(`${anchor}.~cas`, highest)
}

async function json(file: string): Promise<unknown> {
  return JSON.parse(await readFile(file, 'utf8'))
}

function records(location: string): Promise<readonly unknown[]> {
  return new Promise((resolve, reject) => {
    const found: unknown[] = []
    avro
      .createFileDecoder(fileURLToPath(location))
      .on('data', (record: unknown) => found.push(record))
      .on('end', () => resolve(found))
      .on('error', reject)
  })
}
