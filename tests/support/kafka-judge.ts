/**
 * An independent witness of a topic: librdkafka through Python. It says which records a consumer must
 * see (aborted transactions and control batches left out), and produces with every codec.
 */
import { fileURLToPath } from 'node:url'
import { pythonEnvironment } from './services/index.ts'
import type { TestRecord } from './kafka-tools.ts'

const script = fileURLToPath(new URL('./kafka_judge.py', import.meta.url))

export type Isolation = 'read_committed' | 'read_uncommitted'

export interface JudgedRecord {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly (readonly [string, Buffer | null])[]
}

export interface TopicSummary {
  readonly count: number
  /** Of the values. */
  readonly bytes: number
  readonly nulls: number
  /** Values that are not JSON. */
  readonly invalid: number
  readonly perPartition: Readonly<Record<string, number>>
  /** Equal exactly when the multisets of (partition, offset) are equal; see `offsetsDigest`. */
  readonly offsetsDigest: string
  /** Exact decimal sums, as text. */
  readonly sums: Readonly<Record<string, string>>
  /** Rows per day (`YYYY-MM-DD`, UTC). */
  readonly days: Readonly<Record<string, number>>
}

/** Every record of the topic, sorted by (partition, offset). For small topics. */
export async function topicRecords(
  bootstrap: string,
  topic: string,
  isolation: Isolation = 'read_committed',
): Promise<readonly JudgedRecord[]> {
  const output = await judge({ do: 'records', bootstrap, topic, isolation })
  const records = output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => fromWire(JSON.parse(line) as WireRecord))
  return records.sort(
    (left, right) => left.partition - right.partition || left.offset - right.offset,
  )
}

export interface SummaryRequest {
  readonly bootstrap: string
  readonly topic: string
  readonly isolation?: Isolation
  /** JSON fields to sum exactly. */
  readonly sums?: readonly string[]
  /** The JSON field that carries the day, as ISO text or epoch milliseconds. */
  readonly day?: string
}

/** Count, sums, rows per day and the digest of offsets, for topics of any size. */
export async function topicSummary(request: SummaryRequest): Promise<TopicSummary> {
  return JSON.parse(await judge({ do: 'summary', ...request })) as TopicSummary
}

export type Codec = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd'

export async function produceWithCodec(
  bootstrap: string,
  topic: string,
  records: readonly TestRecord[],
  compression: Codec,
): Promise<void> {
  const encoded = records.map((record) => ({
    ...record,
    key: base64(record.key ?? null),
    value: base64(record.value),
  }))
  await judge({ do: 'produce', bootstrap, topic, compression, records: encoded })
}

interface WireRecord {
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [string, string | null])[]
}

async function judge(request: Readonly<Record<string, unknown>>): Promise<string> {
  const python = await pythonEnvironment()
  return python.run(script, [], JSON.stringify(request))
}

function fromWire(wire: WireRecord): JudgedRecord {
  return {
    ...wire,
    key: fromBase64(wire.key),
    value: fromBase64(wire.value),
    headers: wire.headers.map(([name, value]) => [name, fromBase64(value)] as const),
  }
}

function base64(value: string | Buffer | null): string | null {
  return value === null ? null : Buffer.from(value).toString('base64')
}

function fromBase64(value: string | null): Buffer | null {
  return value === null ? null : Buffer.from(value, 'base64')
}
