/**
 * A whole stream, real Kafka to real MinIO, while replies to the pointer's PUT go missing: through an
 * HTTP proxy in front of a sink process, and through a FileIO that fails inside this process. Every
 * record lands exactly once all the same, and nothing that a table points at is deleted.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { runLakeStream, type Lake } from '../../app/index.ts'
import { ObjectStoreCatalog } from '../../catalog/index.ts'
import { seededRandom, silentLogger, systemClock, systemRandom } from '../../common/index.ts'
import { parseLakeSettings } from '../../app/settings/index.ts'
import { parseStreamSettings, type StreamSettings } from '../../ingest/settings/index.ts'
import { variableSource } from '../../settings/index.ts'
import { type FileIO, openFileIO } from '../../io/index.ts'
import { FaultyFileIO } from '../support/stores/faulty-file-io.ts'
import { type Fault, type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts'
import { type RealLake, startRealLake, warehouse } from '../support/real-lake.ts'
import { requirePart } from '../support/services/index.ts'
import { createSinkProject, type SinkProject } from '../support/sink-process.ts'

const hasParts = [requirePart('kafka'), requirePart('minio'), requirePart('python')].every(Boolean)
const partitions = 2
const recordCount = 3_000
const topic = 'events'
const pointerPut = { method: 'PUT', path: /\/_catalog\/tables\// } as const

describe.skipIf(!hasParts)('a stream whose commits lose their replies', () => {
  let lake: RealLake
  let proxy: FaultProxy
  let proxied: SinkProject
  let tableCount = 0

  beforeAll(async () => {
    lake = await startRealLake()
    proxy = await startFaultProxy(lake.minio.endpoint)
    proxied = await createSinkProject(lake.build, lake.lakeYaml(proxy.endpoint))
    await lake.tools.createTopic(topic, { partitions })
    const step = 100
    for (let start = 0; start < recordCount; start += step) {
      const records = Array.from({ length: step }, (_, index) => {
        const id = start + index
        const value = id > 500 && id % 59 === 0 ? `poison ${id}` : JSON.stringify({ id })
        return { partition: id % partitions, value }
      })
      await lake.tools.produce(topic, records)
    }
  })
  afterEach(() => proxy?.clear())
  afterAll(async () => {
    await proxied?.remove()
    await proxy?.stop()
    await lake?.stop()
  })

  const streamYaml = (name: string): string => `name: ${name}
input:
  kafka:
    seed_brokers: ["${lake.kafka.bootstrap}"]
    topics: [${topic}]
    properties: { max.partition.fetch.bytes: 2000, fetch.max.bytes: 4000 }
output: { iceberg: { table: web.${name}, commit: { interval: 10s, max_records: 200 } } }
`

  const judge = async (stream: string): Promise<void> => {
    const verdict = await lake.judge({ topic, table: `web.${stream}` })
    expect(verdict.rows.count + verdict.letters.count).toBe(recordCount)
    expect(verdict.letters.count).toBeGreaterThan(30)
  }

  const faults: readonly Fault[] = [
    { kind: 'drop-response' },
    { kind: 'drop-request' },
    { kind: 'replace-response', status: 503 },
    { kind: 'replace-response', status: 500 },
  ]
  it.each(faults)('[E1, E3] keeps each record once on the wire: %o', async (fault) => {
    const stream = `wire${++tableCount}`
    await proxied.writeStream(stream, streamYaml(stream))
    // The creation of the table, then commits of rows and of dead letters, some twice in a row.
    const rules = [0, 2, 4, 1, 1, 3].map((after) =>
      proxy.add({ ...pointerPut, fault, after, times: 1 }),
    )
    const seen = proxy.requests.length
    await proxied.drain(stream)
    expect(rules.filter(({ hits }) => hits === 1)).toHaveLength(rules.length)
    const deletions = proxy.requests.slice(seen).filter(isDeletion)
    expect(deletions.filter(({ path }) => !path.includes('/_catalog/doctor/'))).toEqual([])
    await judge(stream)
  })

  /** The application's own lake, over a FileIO that fails. */
  const runOver = async (io: FileIO, settings: StreamSettings): Promise<void> => {
    const failing: Lake = {
      catalog: new ObjectStoreCatalog({ io, warehouse }),
      io,
      warehouse,
      settings: parseLakeSettings({ ...sources, text: lake.lakeYaml(), file: 'tidewater.yaml' })
        .settings,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
      close: () => Promise.resolve(),
    }
    await runLakeStream(failing, settings, { until: 'latest' })
  }

  const settingsOf = (stream: string): StreamSettings =>
    parseStreamSettings({ ...sources, text: streamYaml(stream), file: 'stream.yaml' }).settings

  it.each([11, 12, 13])(
    '[E1, E3] keeps each record once when a third of the swaps fail before or after (seed %i)',
    async (seed) => {
      const stream = `wrapped${seed}`
      const io = new FaultyFileIO(lake.io, { random: seededRandom(seed) })
      const common = {
        on: ['write'],
        at: /_catalog\/tables\//,
        conditional: true,
        times: 100,
      } as const
      const after = io.inject({ ...common, kind: 'fail-after', probability: 0.2 })
      const before = io.inject({ ...common, kind: 'fail-before', probability: 0.15 })
      await runOver(io, settingsOf(stream))
      expect(after.struck).toBeGreaterThan(0)
      expect(before.struck).toBeGreaterThan(0)
      await judge(stream)
    },
  )

  it('[E1, E3] keeps each record once when swaps land long after they were given up', async () => {
    const stream = 'late'
    const io = new FaultyFileIO(lake.io)
    const fault = { on: ['write'], at: /_catalog\/tables\//, conditional: true } as const
    const rules = [2, 5, 9].map((skip) => io.inject({ ...fault, kind: 'land-late', skip }))
    await runOver(io, settingsOf(stream))
    expect(rules.map(({ struck }) => struck)).toEqual([1, 1, 1])
    const landed = await io.landLate()
    expect(landed).toMatchObject([{ ok: false }, { ok: false }, { ok: false }])
    await judge(stream)
  })

  it('[E1, E3] keeps each record once when the store holds swaps back beyond the timeout', async () => {
    const stream = 'held'
    const { accessKeyId, secretAccessKey } = lake.s3
    const s3 = { endpoint: proxy.endpoint, accessKeyId, secretAccessKey, conditionalTimeoutMs: 400 }
    const io = openFileIO({ s3 })
    const delay = { ...pointerPut, times: 1 }
    const rules = [
      proxy.add({ ...delay, after: 2, fault: { kind: 'delay-request', ms: 1_500 } }),
      proxy.add({ ...delay, after: 3, fault: { kind: 'delay-response', ms: 1_500 } }),
      proxy.add({ ...delay, after: 4, fault: { kind: 'hold-request' } }),
    ]
    try {
      await runOver(io, settingsOf(stream))
      expect(rules.map(({ hits }) => hits)).toEqual([1, 1, 1])
      for (const rule of rules) rule.release()
      await Promise.all(rules.map((rule) => rule.settled()))
    } finally {
      await io.close()
    }
    await judge(stream)
  })
})

const sources = { variables: variableSource({}), overrides: [], directory: process.cwd() }

function isDeletion({ method, path }: { readonly method: string; readonly path: string }): boolean {
  return method === 'DELETE' || (method === 'POST' && /[?&]delete\b/.test(path))
}
