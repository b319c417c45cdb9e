/**
 * A random history of a stream and its table, with a model of what the table must hold: every record of the log is a
 * row or a letter, once, by the rule that it was last read with. Everything follows from the seed.
 */
import { expect } from 'vitest'
import {
  discardBranch,
  executeReplay,
  type Lake,
  publishBranch,
  type ReplayRequest,
} from '../../app/index.ts'
import { openReplayTools } from '../../app/open-replay.ts'
import { currentSchema, type TableIdentifier } from '../../catalog/format/index.ts'
import {
  type Catalog,
  commitAction,
  expireSnapshots,
  FastAppend,
  loadTableIfExists,
  type SchemaChange,
  UpdateSchema,
} from '../../catalog/index.ts'
import { LakeError, type Random, seededRandom } from '../../common/index.ts'
import type { StreamSettings } from '../../ingest/settings/index.ts'
import { writeRows } from '../../replay/range-files.ts'
import { withRangeTools } from '../../replay/range-tools.ts'
import { withCommit, withRival } from './catalog-lake.ts'
import type { ReplayLake } from './replay-lake.ts'

type Metadata = 'struct' | 'columns' | 'none'
type Fate = 'row' | 'letter'

interface SimulatedRecord {
  readonly id: number
  /** A whole number; a half, which only the lenient rule takes; or what no rule takes. */
  readonly value: 'whole' | 'half' | 'none'
  /** A key that the table may have no column for yet. */
  readonly extra: string | undefined
  /** In which columns its row says where it came from. */
  place?: Metadata
  fate?: Fate
}

interface Settings {
  metadata: Metadata
  lenient: boolean
  topics: readonly string[]
  letters: number
}

export interface HistoryOutcome {
  readonly kind: 'published' | 'refused'
  readonly reason: string
  readonly steps: readonly string[]
}

class Killed extends Error {}

/** One history, its replay, and the check of what is there then. Throws where the table is not what it must be. */
export async function runHistory(on: ReplayLake, seed: number): Promise<HistoryOutcome> {
  const history = new History(on, seed)
  try {
    return await history.run()
  } catch (error) {
    throw new Error(`seed=${seed}: ${history.steps.join(' > ')}`, { cause: error })
  }
}

class History {
  readonly steps: string[] = []
  readonly #on: ReplayLake
  readonly #lake: Lake
  readonly #random: Random
  readonly #seed: number
  readonly #table: TableIdentifier
  readonly #topics: readonly string[]
  /** By topic, partition and offset. */
  readonly #log = new Map<string, SimulatedRecord[][]>()
  /** Ids of rows that another writer appended. */
  readonly #foreign: number[] = []
  readonly #settings: Settings
  #nextId = 0
  #growth = 0
  /** What another client did to the schema or the history makes some refusals right. */
  #isPlain = true
  #hasSecondTopic = false

  constructor(on: ReplayLake, seed: number) {
    this.#on = on
    this.#lake = on.lake
    this.#random = seededRandom(seed)
    this.#seed = seed
    this.#table = { namespace: ['sim'], name: `t${seed}` }
    this.#topics = [`a${seed}`, `b${seed}`]
    this.#settings = {
      metadata: this.#pick(['struct', 'struct', 'struct', 'columns', 'none']),
      lenient: this.#chance(0.3),
      topics: this.#topics.slice(0, this.#chance(0.3) ? 2 : 1),
      letters: 0,
    }
    for (const topic of this.#topics) this.#log.set(topic, [[], []])
  }

  async run(): Promise<HistoryOutcome> {
    for (const topic of this.#topics) await this.#on.fixture.log.createTopic(topic, 2)
    this.#noteTopics()
    this.steps.push(JSON.stringify(this.#settings))
    await this.#fill()
    const count = 2 + this.#below(6)
    for (let step = 0; step < count; step++) await this.#step()
    await this.#check()
    return this.#replay()
  }

  // ---- What happens to the table

  async #step(): Promise<void> {
    const step = this.#pick<readonly [string, () => Promise<unknown>]>([
      ['fill', () => this.#fill()],
      ['fill', () => this.#fill()],
      ['grow', () => this.#grow()],
      ['metadata', () => this.#changeMetadata()],
      ['rule', () => this.#changeRule()],
      ['letters', () => this.#changeLetters()],
      ['topics', () => this.#changeTopics()],
      ['compact', () => this.#on.compact(this.#table)],
      ['expire', () => this.#expire()],
      ['foreign rows', () => this.#append()],
      ['partition', () => this.#partition()],
      ['foreign columns', () => this.#changeColumns()],
      ['stage', () => this.#stage()],
    ])
    this.steps.push(step[0])
    await step[1]()
  }

  /** New records, read with the settings of now; the process may be killed and is started again. */
  async #fill(branch = 'main'): Promise<void> {
    await this.#produce()
    await this.#untilDone((lake) => this.#run(lake, branch))
    if (branch === 'main') await this.#noteRead()
  }

  #run(lake: Lake, branch: string): Promise<unknown> {
    return this.#on.fixture.run(this.#stream(branch), {}, { catalog: lake.catalog })
  }

  async #produce(): Promise<void> {
    for (const topic of this.#topics) {
      for (const [partition, records] of (this.#log.get(topic) ?? []).entries()) {
        if (this.#chance(0.3)) continue
        const added = Array.from({ length: 1 + this.#below(12) }, () => this.#record())
        await this.#on.fixture.log.appendValues({ topic, partition }, added.map(textOf))
        records.push(...added)
      }
    }
  }

  #record(): SimulatedRecord {
    const value = this.#pick(['whole', 'whole', 'whole', 'half', 'none'] as const)
    const extra =
      this.#growth > 0 && this.#chance(0.5) ? `x${1 + this.#below(this.#growth)}` : undefined
    return { id: this.#nextId++, value, extra }
  }

  async #grow(): Promise<void> {
    this.#growth++
    await this.#fill()
  }

  async #changeMetadata(): Promise<void> {
    this.#settings.metadata = this.#pick(['struct', 'struct', 'columns', 'none'])
    await this.#fill()
  }

  async #changeRule(): Promise<void> {
    this.#settings.lenient = !this.#settings.lenient
    await this.#fill()
  }

  async #changeLetters(): Promise<void> {
    this.#settings.letters = this.#below(3)
    await this.#fill()
  }

  async #changeTopics(): Promise<void> {
    this.#settings.topics = this.#topics.slice(0, 1 + this.#below(2))
    this.#noteTopics()
    await this.#fill()
  }

  async #expire(): Promise<void> {
    const olderThanMs = BigInt(this.#lake.clock.now() + 1)
    await expireSnapshots(this.#catalog, this.#table, this.#lake, { olderThanMs, retainLast: 1 })
  }

  async #append(): Promise<void> {
    const id = 1_000_000 + this.#foreign.length
    this.#foreign.push(id)
    const table = await this.#catalog.loadTable(this.#table)
    await withRangeTools(openReplayTools(this.#lake), async (tools) => {
      const files = await writeRows(tools, table, `SELECT ${id} AS id, 7 AS v`)
      await commitAction(this.#catalog, this.#table, new FastAppend(tools, { files }), tools)
    })
  }

  async #partition(): Promise<void> {
    const { metadata } = await this.#catalog.loadTable(this.#table)
    const sourceId = currentSchema(metadata).fields.find(({ name }) => name === 'id')?.id ?? 0
    const fieldId = metadata.lastPartitionId + 1
    const name = `bucket_${fieldId}`
    const transform = { kind: 'bucket', buckets: 2 + this.#below(3) } as const
    const spec = {
      specId: Math.max(...metadata.partitionSpecs.map((each) => each.specId)) + 1,
      fields: this.#chance(0.3) ? [] : [{ sourceId, fieldId, name, transform }],
    }
    await this.#catalog.commitTable({
      identifier: this.#table,
      requirements: [],
      updates: [
        { action: 'add-spec', spec },
        { action: 'set-default-spec', specId: -1 },
      ],
    })
  }

  /** What another client may do to the columns that say where a row came from. */
  async #changeColumns(): Promise<void> {
    const { fields } = currentSchema((await this.#catalog.loadTable(this.#table)).metadata)
    const struct = fields.find(({ name }) => name === '_kafka')?.type
    const changes: SchemaChange[] = []
    if (struct === undefined) {
      const members = (['partition', 'offset', 'timestamp'] as const).map((name, index) => ({
        id: 0,
        name,
        required: false,
        type: { type: (['int', 'long', 'timestamptz'] as const)[index] ?? 'int' },
      }))
      const type = { type: 'struct', fields: members } as const
      changes.push({ kind: 'add-column', parent: [], name: '_kafka', type })
    } else if (struct.type === 'struct' && !struct.fields.some(({ name }) => name === 'topic')) {
      const type = { type: 'string' } as const
      changes.push({ kind: 'add-column', parent: ['_kafka'], name: 'topic', type })
    } else
      changes.push({ kind: 'rename-column', path: ['_kafka'], name: `meta${this.steps.length}` })
    this.#isPlain = false
    await commitAction(this.#catalog, this.#table, new UpdateSchema(changes), this.#lake)
    await this.#fill()
  }

  /** A branch of the stream, published or thrown away. */
  async #stage(): Promise<void> {
    await this.#fill('stage')
    const { refs } = (await this.#catalog.loadTable(this.#table)).metadata
    if (refs['stage'] === undefined) return
    if (this.#chance(0.5)) {
      await this.#untilDone((lake) => publishBranch(lake, this.#table, 'stage'))
      await this.#noteRead()
    }
    await discardBranch(this.#lake, this.#table, 'stage', { execute: true })
    await this.#fill()
  }

  // ---- The replay

  async #replay(): Promise<HistoryOutcome> {
    if (this.#chance(0.6)) this.#settings.lenient = !this.#settings.lenient
    if (this.#chance(0.2)) this.#settings.letters = this.#below(3)
    const { request, records } = this.#request()
    this.steps.push(`replay ${requestText(request)}`)
    const before = await this.#state()
    try {
      await this.#untilDone((lake) => executeReplay(lake, this.#stream('main'), request))
    } catch (error) {
      if (!(error instanceof LakeError)) throw error
      this.steps.push(`refused: ${error.message}`)
      expect(await this.#state()).toEqual(before)
      await this.#check()
      if (this.#isExpectedToWork(records)) throw error
      return { kind: 'refused', reason: error.message, steps: this.steps }
    }
    for (let step = this.#below(3); step > 0; step--) await this.#between()
    const drop = { dropBranch: this.#chance(0.5) }
    const besides = this.#rival()
    await this.#untilDone((lake) => publishBranch(besides(lake), this.#table, 'fix', drop))
    for (const record of records) record.fate = this.#fateOf(record)
    await this.#check()
    if (!drop.dropBranch) await discardBranch(this.#lake, this.#table, 'fix', { execute: true })
    // The sink goes on as if nothing had been.
    await this.#fill()
    await this.#check()
    return { kind: 'published', reason: '', steps: this.steps }
  }

  /** A sink or a compaction that commits while the publishing is under way, once. */
  #rival(): (lake: Lake) => Lake {
    if (this.#chance(0.6)) return (lake) => lake
    const [name, act] = this.#pick<readonly [string, () => Promise<unknown>]>([
      ['fill', () => this.#fill()],
      ['compact', () => this.#on.compact(this.#table)],
    ])
    this.steps.push(`beside ${name}`)
    let isDone = false
    return (lake) => {
      if (isDone) return lake
      isDone = true
      return { ...lake, catalog: withRival(lake.catalog, act) }
    }
  }

  /** Between a replay and its publishing. */
  async #between(): Promise<void> {
    const step = this.#pick<readonly [string, () => Promise<unknown>]>([
      ['fill', () => this.#fill()],
      ['compact', () => this.#on.compact(this.#table)],
      ['expire', () => this.#expire()],
      ['foreign rows', () => this.#append()],
      ['grow', () => this.#grow()],
      ['partition', () => this.#partition()],
    ])
    this.steps.push(`then ${step[0]}`)
    await step[1]()
  }

  #request(): { readonly request: ReplayRequest; readonly records: readonly SimulatedRecord[] } {
    const begins: { topic: string; partition: number; offset: bigint }[] = []
    const ends: typeof begins = []
    const records: SimulatedRecord[] = []
    const read = [...this.#log].flatMap(([topic, partitions]) =>
      partitions.flatMap((all, partition) => {
        const next = all.findIndex(({ fate }) => fate === undefined)
        const length = next < 0 ? all.length : next
        return length === 0 || !this.#settings.topics.includes(topic)
          ? []
          : [{ topic, partition, all, length }]
      }),
    )
    const first = this.#below(read.length)
    for (const [index, { topic, partition, all, length }] of read.entries()) {
      if (index !== first && this.#chance(0.5)) continue
      const from = this.#below(length)
      const to = from + 1 + this.#below(length - from)
      begins.push({ topic, partition, offset: BigInt(from) })
      ends.push({ topic, partition, offset: BigInt(to) })
      records.push(...all.slice(from, to))
    }
    const from = { kind: 'offsets', coordinates: begins } as const
    const until = { kind: 'offsets', coordinates: ends } as const
    return { request: { from, until, into: 'fix' }, records }
  }

  /** Whether nothing gives a reason to refuse; false where the model does not know it. */
  #isExpectedToWork(records: readonly SimulatedRecord[]): boolean {
    const { metadata } = this.#settings
    if (!this.#isPlain || this.#hasSecondTopic || metadata === 'none') return false
    return records.every(({ place }) => place === metadata)
  }

  // ---- The model

  #noteTopics(): void {
    if (this.#settings.topics.length > 1) this.#hasSecondTopic = true
  }

  #fateOf({ value }: SimulatedRecord): Fate {
    return value === 'whole' || (value === 'half' && this.#settings.lenient) ? 'row' : 'letter'
  }

  async #noteRead(): Promise<void> {
    const { metadata, topics } = this.#settings
    const table = await this.#catalog.loadTable(this.#table)
    const names = currentSchema(table.metadata).fields.map(({ name }) => name)
    const isThere = names.includes(metadata === 'struct' ? '_kafka' : '_kafka_offset')
    const place = metadata === 'none' || !isThere ? 'none' : metadata
    for (const topic of topics) {
      for (const record of (this.#log.get(topic) ?? []).flat()) {
        if (record.fate !== undefined) continue
        record.fate = this.#fateOf(record)
        record.place = place
      }
    }
  }

  /** The table is the fold of the log, and the rows of others. */
  async #check(): Promise<void> {
    const records = [...this.#log.values()].flat(2)
    const rows = await this.#on.fixture.rows(`sim.${this.#table.name}`, '*')
    const found = rows.map((row) => {
      const extra = Object.entries(row).find(
        ([name, value]) => /^x\d+$/.test(name) && value !== null,
      )
      return `${String(row['id'])} ${String(row['v'])} ${extra?.[0] ?? ''}`
    })
    const expected = [
      ...records
        .filter(({ fate }) => fate === 'row')
        .map(({ id, value, extra }) => `${id} ${value === 'half' ? 2 : id * 2} ${extra ?? ''}`),
      ...this.#foreign.map((id) => `${id} 7 `),
    ]
    expect(found.sort()).toEqual(expected.sort())
    expect((await this.#letters()).sort()).toEqual(this.#expectedLetters().sort())
  }

  #expectedLetters(): string[] {
    return [...this.#log].flatMap(([topic, partitions]) =>
      partitions.flatMap((records, partition) =>
        records.flatMap(({ fate }, offset) =>
          fate === 'letter' ? [`${topic}:${partition}:${offset}`] : [],
        ),
      ),
    )
  }

  async #letters(): Promise<string[]> {
    const places: string[] = []
    for (const name of this.#letterTables()) {
      if ((await loadTableIfExists(this.#catalog, { namespace: ['sim'], name })) === undefined)
        continue
      const rows = await this.#on.fixture.rows(
        `sim.${name}`,
        'topic, "partition" AS p, "offset" AS o',
      )
      places.push(...rows.map(({ topic, p, o }) => `${String(topic)}:${String(p)}:${String(o)}`))
    }
    return places
  }

  #letterTables(): readonly string[] {
    return [0, 1, 2].map((index) => `t${this.#seed}_letters${index}`)
  }

  async #state(): Promise<unknown> {
    const names = [this.#table.name, ...this.#letterTables()]
    const tables = names.map((name) =>
      loadTableIfExists(this.#catalog, { namespace: ['sim'], name }),
    )
    return (await Promise.all(tables)).map((table) => table?.metadataLocation)
  }

  // ---- Processes that die

  /** Runs `work`, which is killed at random commits a few times first: before a commit, or just after it. */
  async #untilDone(work: (lake: Lake) => Promise<unknown>): Promise<void> {
    for (let kills = this.#chance(0.3) ? 1 + this.#below(2) : 0; kills > 0; kills--) {
      const dying = 1 + this.#below(4)
      const isLate = this.#chance(0.5)
      const catalog = withCommit(this.#catalog, async (commit, attempt) => {
        if (attempt < dying) return this.#catalog.commitTable(commit)
        if (attempt === dying && isLate) await this.#catalog.commitTable(commit)
        throw new Killed('killed')
      })
      try {
        await work({ ...this.#lake, catalog })
        return
      } catch (error) {
        if (!(error instanceof Killed)) throw error
        this.steps.push(`killed at commit ${dying}`)
      }
    }
    await work(this.#lake)
  }

  #stream(branch: string): StreamSettings {
    const { letters, lenient, metadata, topics } = this.#settings
    return this.#on.fixture.settings(`
name: s${this.#seed}
input: { embedded: { directory: log, topics: [${topics.join(', ')}], start_offset: earliest } }
metadata: ${metadata}
schema: { mode: declared, unknown_fields: add, coercion: ${lenient ? 'lenient' : 'strict'},
  fields: [{name: id, type: long}, {name: v, type: long}] }
errors: { dlq: { table: sim.t${this.#seed}_letters${letters} } }
output: { iceberg: { table: sim.t${this.#seed}, branch: ${branch}, commit: { interval: 10s, max_records: 7 } } }`)
  }

  get #catalog(): Catalog {
    return this.#on.fixture.catalog
  }

  #chance(probability: number): boolean {
    return this.#random.fraction() < probability
  }

  #below(count: number): number {
    return Math.floor(this.#random.fraction() * count)
  }

  #pick<T>(values: readonly T[]): T {
    return values[this.#below(values.length)] as T
  }
}

function textOf({ id, value, extra }: SimulatedRecord): string {
  // What no rule takes, some of it only when the engine reads it.
  if (value === 'none' && id % 2 === 0) return `{"id":${id},`
  const v = { whole: String(id * 2), half: '1.5', none: '"none"' }[value]
  return `{"id":${id},"v":${v}${extra === undefined ? '' : `,"${extra}":${id}`}}`
}

function requestText({ from, until }: ReplayRequest): string {
  const ends = [from, until].map((end) =>
    end.kind === 'offsets'
      ? end.coordinates
          .map(({ topic, partition, offset }) => `${topic}:${partition}=${offset}`)
          .join(',')
      : end.kind,
  )
  return ends.join(' until ')
}
