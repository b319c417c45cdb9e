/**
 * Real Kafka, real MinIO, a project directory for sinks and the judges of their work: what a test of
 * exactly once starts, looks at and stops. The verdict is never our own reader's: librdkafka says what
 * the topic holds, PyIceberg or DuckDB's iceberg extension what the table holds.
 */
import { currentSnapshot } from '../../catalog/format/index.ts'
import { loadTableIfExists, ObjectStoreCatalog, type Table } from '../../catalog/index.ts'
import { restoreOffsets } from '../../ingest/index.ts'
import { type FileIO, openFileIO } from '../../io/index.ts'
import { type JudgedRecord, topicRecords } from './kafka-judge.ts'
import { connectKafkaTools, type KafkaTools } from './kafka-tools.ts'
import { offsetsDigest } from './offsets-digest.ts'
import {
  type KafkaOptions,
  type KafkaService,
  type MinioService,
  startKafka,
  startMinio,
} from './services/index.ts'
import { buildTide, createSinkProject, type SinkProject, type TideBuild } from './sink-process.ts'
import { type S3Access, tableSummary, type TableReader } from './table-judge.ts'

const bucket = 'lake'
export const warehouse = `s3://${bucket}/warehouse`

export interface RealLake {
  readonly kafka: KafkaService
  readonly minio: MinioService
  readonly tools: KafkaTools
  readonly build: TideBuild
  readonly project: SinkProject
  readonly io: FileIO
  readonly catalog: ObjectStoreCatalog
  readonly s3: S3Access
  /** As `tidewater.yaml`, with the store at `endpoint`. */
  lakeYaml(endpoint?: string): string
  table(name: string): Promise<Table>
  /** Rows by the newest snapshot's own totals. */
  rowCount(name: string): Promise<number>
  /** Next offset by partition, as the table says; empty when there is no table yet. */
  nextOffsets(table: string, stream: string, topic: string): Promise<ReadonlyMap<number, bigint>>
  /** Throws unless table and dead letters together hold the topic, each record once. */
  judge(question: LakeQuestion): Promise<LakeVerdict>
  stop(): Promise<void>
}

export interface LakeQuestion {
  readonly topic: string
  readonly table: string
  readonly reader?: TableReader
  /** Which records must be dead letters; those that are not JSON if absent. */
  readonly isLetter?: (record: JudgedRecord) => boolean
}

export interface LakeVerdict {
  readonly rows: { readonly count: number; readonly digest: string }
  readonly letters: { readonly count: number; readonly digest: string }
}

export async function startRealLake(kafkaConfig: KafkaOptions['config'] = {}): Promise<RealLake> {
  const [build, kafka, minio] = await Promise.all([
    buildTide(),
    startKafka({ config: { 'group.min.session.timeout.ms': 500, ...kafkaConfig } }),
    startMinio({ buckets: [bucket] }),
  ])
  const { endpoint, accessKeyId, secretAccessKey } = minio
  const s3 = { endpoint, accessKeyId, secretAccessKey }
  const lakeYaml = (at = endpoint): string =>
    `catalog: { warehouse: "${warehouse}", s3.endpoint: "${at}", ` +
    `s3.access-key-id: ${accessKeyId}, s3.secret-access-key: ${secretAccessKey} }\n`
  const project = await createSinkProject(build, lakeYaml())
  const tools = await connectKafkaTools(kafka.bootstrap)
  const io = openFileIO({ s3 })
  const catalog = new ObjectStoreCatalog({ io, warehouse })
  const table = (name: string): Promise<Table> => catalog.loadTable(identifierOf(name))
  const find = (name: string): Promise<Table | undefined> =>
    loadTableIfExists(catalog, identifierOf(name))
  const rowCount = async (name: string): Promise<number> => {
    const found = await find(name)
    const snapshot = found === undefined ? undefined : currentSnapshot(found.metadata)
    return Number(snapshot?.summary?.['total-records'] ?? 0)
  }
  return {
    kafka,
    minio,
    tools,
    build,
    project,
    io,
    catalog,
    s3,
    lakeYaml,
    table,
    rowCount,
    nextOffsets: async (name, stream, topic) => {
      const found = await find(name)
      const offsets = found === undefined ? undefined : restoreOffsets(found, 'main').get(stream)
      return offsets?.topics.get(topic)?.nextOffsets ?? new Map()
    },
    judge: async ({ topic, table: name, reader = 'pyiceberg', isLetter = isNotJson }) => {
      const found = await judgeTable(await table(name), reader, s3, '_kafka.')
      const letterTable = await find(`${name}__dlq`)
      const letters =
        letterTable === undefined
          ? { count: 0, digest: offsetsDigest([]) }
          : await judgeTable(letterTable, reader, s3, '')
      const records = await topicRecords(kafka.bootstrap, topic)
      const wanted = records.filter((record) => !isLetter(record))
      const refused = records.filter(isLetter)
      const verdict = { rows: found, letters }
      const expected = {
        rows: { count: wanted.length, digest: offsetsDigest(wanted) },
        letters: { count: refused.length, digest: offsetsDigest(refused) },
      }
      if (JSON.stringify(verdict) === JSON.stringify(expected)) return verdict
      throw new Error(
        `table ${name} by ${reader} is not topic ${topic} by librdkafka: ` +
          `found=${JSON.stringify(verdict)} expected=${JSON.stringify(expected)}`,
      )
    },
    stop: async () => {
      await tools.close().catch(() => undefined)
      await io.close()
      await Promise.all([kafka.stop(), minio.stop(), project.remove(), build.remove()])
    },
  }
}

export function identifierOf(name: string): {
  readonly namespace: readonly string[]
  readonly name: string
} {
  const parts = name.split('.')
  return { namespace: parts.slice(0, -1), name: parts.at(-1) ?? '' }
}

function isNotJson({ value }: JudgedRecord): boolean {
  try {
    JSON.parse(value?.toString('utf8') ?? '')
    return false
  } catch {
    return true
  }
}

async function judgeTable(
  table: Table,
  reader: TableReader,
  s3: S3Access,
  prefix: string,
): Promise<{ readonly count: number; readonly digest: string }> {
  const columns = { partitionColumn: `${prefix}partition`, offsetColumn: `${prefix}offset` }
  const place = { metadataLocation: table.metadataLocation }
  const { count, offsetsDigest: digest } = await tableSummary(reader, place, { s3, ...columns })
  return { count, digest }
}
