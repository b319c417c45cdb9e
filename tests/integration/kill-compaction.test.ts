/**
 * `kill -9` of a compaction beside a live sink, over real Kafka and MinIO: at each named step of a
 * rewrite and of its commit, and at random moments. The table holds the topic exactly once all the time;
 * librdkafka, PyIceberg and DuckDB say so. What the dead left behind is found, and nothing that lives.
 *
 * The moments come from a seed, printed when a run fails:
 *   TIDEWATER_TEST_SEED=12345 npx vitest run --project integration tests/integration/kill-compaction.test.ts
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { currentSnapshot } from '../../catalog/format/index.ts'
import { readManifestEntries, readSnapshotManifests, type Table } from '../../catalog/index.ts'
import { environment, failpointNames, seededRandom, systemClock } from '../../common/index.ts'
import { removeOrphanFiles } from '../../compactor/index.ts'
import { restoreOffsets } from '../../ingest/index.ts'
import { eventually, within } from '../support/eventually.ts'
import type { TestRecord } from '../support/kafka-tools.ts'
import { identifierOf, type RealLake, startRealLake } from '../support/real-lake.ts'
import { requirePart } from '../support/services/index.ts'
import type { SinkProcess } from '../support/sink-process.ts'
import type { TableReader } from '../support/table-judge.ts'

const hasParts = [requirePart('kafka'), requirePart('minio'), requirePart('python')].every(Boolean)
const seed = Number(environment('TIDEWATER_TEST_SEED') ?? Math.floor(Math.random() * 2 ** 31))
const random = seededRandom(seed)
const below = (limit: number): number => Math.floor(random.fraction() * limit)

const topic = 'upkeep'
const table = 'web.upkeep'
const partitions = 2
const days = 2
const batchRecords = 40
const steps = failpointNames.filter((name) => !name.startsWith('ingest.'))
const moments = Number(environment('TIDEWATER_TEST_MOMENTS') ?? 5)
/** A start takes about half a second; the rest of the work as long again. */
const momentMsMax = 1_500
const compact = ['table', 'rewrite-data-files', table]
const eagerly = ['--option', 'min-input-files=2', '--option', 'partial-progress.enabled=true']

describe.skipIf(!hasParts)(`a compaction that is killed (TIDEWATER_TEST_SEED=${seed})`, () => {
  let lake: RealLake
  let sink: SinkProcess
  let produced = 0

  beforeAll(async () => {
    lake = await startRealLake()
    await lake.tools.createTopic(topic, { partitions })
    await lake.project.writeStream(
      topic,
      `name: ${topic}
input: { kafka: { seed_brokers: ["${lake.kafka.bootstrap}"], topics: [${topic}] } }
schema: { mode: json_infer }
output: { iceberg: { table: ${table}, partition_by: ["day(ts)"], commit: { interval: 200ms } } }
`,
    )
    await produce()
    // Only the compactions of this test shall run, so that each that dies is one of them.
    sink = lake.project.start(topic, { env: { TIDEWATER_MAINTENANCE__ENABLED: 'false' } })
  })
  afterAll(() => lake?.stop())

  async function produce(): Promise<void> {
    const records = Array.from({ length: batchRecords }, (_, index): TestRecord => {
      const id = produced + index
      const ts = `2024-01-0${1 + (id % days)}T00:00:00Z`
      return {
        partition: Math.floor(id / days) % partitions,
        key: `k${id}`,
        value: JSON.stringify({ id, ts }),
      }
    })
    produced += batchRecords
    await lake.tools.produce(topic, records)
  }

  const filesOf = (found: Table): number =>
    Number(currentSnapshot(found.metadata)?.summary?.['total-data-files'] ?? 0)

  /** Enough new files that there is something to rewrite; the sink goes on meanwhile. */
  async function grow(): Promise<void> {
    const find = () => lake.table(table).catch(() => undefined)
    const before = await find()
    const wanted = (before === undefined ? 0 : filesOf(before)) + 2 * days
    await eventually(
      async () => {
        const now = await find()
        if (now !== undefined && filesOf(now) >= wanted) return true
        await produce()
        return false
      },
      () => `the sink commits nothing: ${sink.log}`,
      150,
    )
  }

  /** Rows and offsets of one and the same state agree. */
  async function expectConsistent(history: string): Promise<void> {
    const found = await lake.table(table)
    const rows = Number(currentSnapshot(found.metadata)?.summary?.['total-records'])
    const next = restoreOffsets(found, 'main').get(topic)?.topics.get(topic)?.nextOffsets
    const records = [...(next?.values() ?? [])].reduce((sum, offset) => sum + Number(offset), 0)
    expect(rows, history).toBe(records)
  }

  async function judge(...readers: readonly TableReader[]): Promise<void> {
    for (const reader of readers) {
      const { letters, rows } = await lake.judge({ topic, table, reader })
      expect([rows.count, letters.count]).toEqual([produced, 0])
    }
  }

  it.each(steps)('[K6, K8] at the step %s leaves rows and offsets as they are', async (step) => {
    await grow()
    const env = { TIDEWATER_FAILPOINTS: `${step}=kill:${1 + below(2)}` }
    const compaction = lake.build.tide(lake.project.directory, [...compact, ...eagerly], env)
    const ticking = produce()
    const end = await within(compaction.ended, () => `${step} is not passed: ${compaction.log}`)
    expect(end.signal, `${step} was not passed: ${end.stderr}`).toBe('SIGKILL')
    await ticking
    await expectConsistent(step)
  })

  it('[K6, K8] at random moments, too', async () => {
    for (let moment = 0; moment < moments; moment++) {
      await grow()
      const waitMs = below(momentMsMax)
      const compaction = lake.build.tide(lake.project.directory, [...compact, ...eagerly])
      await systemClock.sleep(waitMs)
      const end = await compaction.kill()
      expect(end.code === 0 || end.signal === 'SIGKILL', end.stderr).toBe(true)
      await expectConsistent(`killed after ${waitMs} ms`)
    }
  })

  it('[K6] one that lives cleans up the table, and the judges find the topic in it', async () => {
    await grow()
    const before = filesOf(await lake.table(table))
    const end = await lake.build.tide(lake.project.directory, [...compact, ...eagerly]).ended
    expect(end.code, end.stderr).toBe(0)
    const stopped = await sink.terminate()
    expect(stopped.code, stopped.stderr).toBe(0)
    await lake.project.drain(topic)
    expect(filesOf(await lake.table(table))).toBeLessThan(before)
    await judge('pyiceberg', 'duckdb')
  })

  it('[K9] the sweep names what the dead left and nothing else', async () => {
    const named = await namedFiles()
    const found: string[] = []
    const { metadata } = await lake.table(table)
    for await (const { location } of lake.io.list(`${metadata.location}/data/`)) {
      found.push(location)
    }
    const left = found.filter((location) => !named.has(location)).sort()
    expect(left.length).toBeGreaterThan(steps.length / 2)
    const later = { ...systemClock, now: () => systemClock.now() + 4 * 86_400_000 }
    const parts = { catalog: lake.catalog, io: lake.io, clock: later }
    const report = await removeOrphanFiles(parts, identifierOf(table))
    expect(report.isDryRun).toBe(true)
    const orphans = report.orphans.map(({ location }) => location)
    expect(orphans.filter((location) => location.includes('/data/')).sort()).toEqual(left)
    expect(orphans.filter((location) => named.has(location))).toEqual([])
    // What a judge can still read without them was not alive.
    await removeOrphanFiles(parts, identifierOf(table), { execute: true })
    await judge('pyiceberg')
    for (const location of await namedFiles()) await lake.io.read(location)
  })

  /** Data files, manifests and lists of every snapshot, and the metadata files. */
  async function namedFiles(): Promise<ReadonlySet<string>> {
    const { metadata, metadataLocation } = await lake.table(table)
    const named = new Set([metadataLocation])
    for (const { metadataFile } of metadata.metadataLog ?? []) named.add(metadataFile)
    for (const snapshot of metadata.snapshots) {
      if (snapshot.manifestList !== undefined) named.add(snapshot.manifestList)
      for (const manifest of await readSnapshotManifests({ io: lake.io }, snapshot)) {
        named.add(manifest.manifestPath)
        for (const entry of await readManifestEntries({ io: lake.io }, metadata, manifest)) {
          named.add(entry.dataFile.filePath)
        }
      }
    }
    return named
  }
})
