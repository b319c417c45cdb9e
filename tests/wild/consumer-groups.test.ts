/**
 * Streams that share a consumer group: with different topics each is whole; with one topic they are refused,
 * because each would get a part. The same on a real broker: kafka/positions.test.ts.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { AssignerProtocol } from 'kafkajs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openLake, startDev } from '../../app/index.ts'
import { loadLakeSettings } from '../../app/settings/index.ts'
import { parseStreamSettings, type StreamSettings } from '../../ingest/settings/index.ts'
import { assignTopics } from '../../ingest/source/kafka/assign-topics.ts'
import {
  byAge,
  formatMemberData,
  type GroupMember,
  parseMemberData,
  rivalOf,
} from '../../ingest/source/kafka/group-member.ts'
import { decodeMember } from '../../ingest/source/kafka/topic-assigner.ts'
import { variableSource } from '../../settings/index.ts'
import { tide } from '../support/tide.ts'

interface MemberOf {
  readonly stream?: string
  readonly sinceMs?: number
  readonly partitions?: Readonly<Record<string, number>>
}

function member(memberId: string, topics: readonly string[], of: MemberOf = {}): GroupMember {
  const { stream = 's', sinceMs = 1, partitions = {} } = of
  const data = {
    stream: { name: stream, table: `web.${stream}`, warehouse: '' },
    sinceMs,
    partitions: new Map(Object.entries(partitions)),
  }
  return { memberId, topics, data }
}

const assign = (
  members: readonly GroupMember[],
  partitions: Readonly<Record<string, number>>,
): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    [...assignTopics(members, (topic) => partitions[topic] ?? 0)].map(([id, topics]) => [
      id,
      { ...topics },
    ]),
  )

describe('the members of a group', () => {
  const cases: readonly {
    readonly situation: string
    readonly reason: string
    readonly members: readonly GroupMember[]
    readonly partitions: Readonly<Record<string, number>>
    readonly expected: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>
  }[] = [
    {
      situation: 'two streams with topics of their own',
      reason: 'each reads its own topic whole',
      members: [member('1', ['a'], { stream: 'x' }), member('2', ['b'], { stream: 'y' })],
      partitions: { a: 2, b: 3 },
      expected: { '1': { a: [0, 1] }, '2': { b: [0, 1, 2] } },
    },
    {
      situation: 'a leader that does not read the other stream’s topic',
      reason: 'its partitions are known from the members that read it',
      members: [
        member('1', ['a'], { stream: 'x' }),
        member('2', ['b'], { stream: 'y', partitions: { b: 2 } }),
        member('3', ['b'], { stream: 'y', partitions: { b: 3 } }),
      ],
      partitions: { a: 1 },
      expected: { '1': { a: [0] }, '2': { b: [0, 2] }, '3': { b: [1] } },
    },
    {
      situation: 'two workers of one stream',
      reason: 'they share its partitions evenly',
      members: [member('1', ['a']), member('2', ['a'])],
      partitions: { a: 5 },
      expected: { '1': { a: [0, 2, 4] }, '2': { a: [1, 3] } },
    },
    {
      situation: 'a worker that knows a topic which the others do not read yet',
      reason: 'it reads that one, and less of the common one',
      members: [member('1', ['a', 'b']), member('2', ['a'])],
      partitions: { a: 2, b: 2 },
      expected: { '1': { a: [0], b: [0, 1] }, '2': { a: [1] } },
    },
    {
      situation: 'two streams that read one topic',
      reason: 'the younger gets nothing of it until it is refused',
      members: [
        member('1', ['a'], { stream: 'y', sinceMs: 20 }),
        member('2', ['a'], { stream: 'x', sinceMs: 10 }),
      ],
      partitions: { a: 2 },
      expected: { '1': {}, '2': { a: [0, 1] } },
    },
    {
      situation: 'more workers than partitions',
      reason: 'the others wait',
      members: [member('1', ['a']), member('2', ['a'])],
      partitions: { a: 1 },
      expected: { '1': { a: [0] }, '2': {} },
    },
  ]
  for (const { situation, reason, members, partitions, expected } of cases) {
    it(`A3 [E12] ${situation}: ${reason}`, () => {
      expect(assign(members, partitions)).toEqual(expected)
    })
  }

  it('A3 [E12] read each partition once, each by a member that reads its topic, as evenly as that allows', () => {
    const topics = ['a', 'b', 'c']
    const some = fc.uniqueArray(fc.constantFrom(...topics), { minLength: 1 })
    const counts = fc.record({ a: fc.nat(9), b: fc.nat(9), c: fc.nat(9) })
    fc.assert(
      fc.property(fc.array(some, { minLength: 1, maxLength: 5 }), counts, (reads, partitions) => {
        const members = reads.map((each, index) => member(String(index), each))
        const assigned = assignTopics(members, (topic) => partitions[topic as 'a'] ?? 0)
        const given = [...assigned].flatMap(([id, of]) =>
          Object.entries(of).flatMap(([topic, numbers]) => numbers.map((n) => ({ id, topic, n }))),
        )
        for (const { id, topic } of given) expect(reads[Number(id)]).toContain(topic)
        const read = [...new Set(reads.flat())]
        const expected = read.flatMap((topic) =>
          Array.from({ length: partitions[topic as 'a'] }, (_, n) => `${topic}:${n}`),
        )
        expect(given.map(({ topic, n }) => `${topic}:${n}`).sort()).toEqual(expected.sort())
        if (new Set(reads.map((each) => each.toSorted().join())).size > 1) return
        const loads = [...assigned.values()].map((of) => Object.values(of).flat().length)
        expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1)
      }),
    )
  })

  it('A3 [E12] tell each other what they read, in Kafka’s own form', () => {
    const { data } = member('1', ['a'], { partitions: { a: 3 } })
    if (data === undefined) throw new Error('no data')
    const userData = formatMemberData(data)
    const encoded = { version: 0, topics: ['a'], userData }
    const memberMetadata = AssignerProtocol.MemberMetadata.encode(encoded)
    expect(decodeMember({ memberId: '1', memberMetadata })).toEqual(
      member('1', ['a'], { partitions: { a: 3 } }),
    )
    for (const foreign of ['', 'x', '{}', '[1]']) {
      expect(parseMemberData(Buffer.from(foreign))).toBeUndefined()
    }
  })

  it('A3 [E12] find the stream that reads one of their topics, and agree on who is older', () => {
    const own = member('1', ['a', 'b'], { stream: 'x', sinceMs: 10 })
    const twin = member('2', ['a'], { stream: 'x', sinceMs: 30 })
    const other = member('3', ['b'], { stream: 'y', sinceMs: 20 })
    const stranger = member('4', ['c'], { stream: 'z', sinceMs: 5 })
    expect(rivalOf(own, [own, twin, stranger])).toBeUndefined()
    expect(rivalOf(own, [own, twin, other])).toEqual({ member: other, topic: 'b' })
    expect(rivalOf(other, [own, twin, other])?.member).toBe(own)
    expect(byAge(own, other)).toBeLessThan(0)
    expect(byAge(other, own)).toBeGreaterThan(0)
  })
})

describe('streams of one project', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tide-groups-'))
    await mkdir(join(directory, 'streams'))
    await writeFile(join(directory, 'tidewater.yaml'), 'catalog: { warehouse: warehouse }\n')
  })
  afterEach(() => rm(directory, { recursive: true }))

  interface StreamOf {
    readonly topics: string
    readonly group?: string
    readonly brokers?: string
  }

  const yaml = (name: string, of: StreamOf): string => {
    const { topics, group = 'g', brokers = '127.0.0.1:1' } = of
    return `name: ${name}
input: { kafka: { seed_brokers: ["${brokers}"], topics: [${topics}], consumer_group: ${group} } }
output: { iceberg: { table: web.${name} } }
`
  }
  const settingsOf = (text: string): StreamSettings =>
    parseStreamSettings({
      text,
      file: undefined,
      variables: variableSource({}),
      overrides: [],
      directory,
    }).settings

  const cases: readonly {
    readonly situation: string
    readonly x: StreamOf
    readonly y: StreamOf
    readonly isRefused: boolean
  }[] = [
    { situation: 'one topic', x: { topics: 'a' }, y: { topics: 'a' }, isRefused: true },
    {
      situation: 'one topic in common',
      x: { topics: 'a, b' },
      y: { topics: 'b, c' },
      isRefused: true,
    },
    { situation: 'topics of their own', x: { topics: 'a' }, y: { topics: 'b' }, isRefused: false },
    {
      situation: 'groups of their own',
      x: { topics: 'a' },
      y: { topics: 'a', group: 'h' },
      isRefused: false,
    },
    {
      situation: 'brokers of their own',
      x: { topics: 'a' },
      y: { topics: 'a', brokers: '127.0.0.1:2' },
      isRefused: false,
    },
  ]
  for (const { situation, x, y, isRefused } of cases) {
    it(`A3 [E12] with ${situation}: ${isRefused ? 'refused before anything is read' : 'taken'}`, async () => {
      await writeFile(join(directory, 'streams/x.yaml'), yaml('x', x))
      await writeFile(join(directory, 'streams/y.yaml'), yaml('y', y))
      const lint = await tide('stream lint', { directory })
      expect(lint.code).toBe(isRefused ? 1 : 0)
      if (!isRefused) return
      const message = /"g" is also the group of stream x \(table web\.x\)/
      expect(lint.stdout).toMatch(/streams\/y\.yaml:2:\d+ input\.kafka\.consumer_group: /)
      expect(lint.stdout).toMatch(message)
      const run = await tide('stream run', { directory })
      expect([run.code, run.stderr]).toEqual([2, expect.stringMatching(message)])
      const dev = await tide('dev --port 0', { directory })
      expect([dev.code, dev.stderr]).toEqual([2, expect.stringMatching(message)])
      const sources = { environment: {}, overrides: [], directory }
      const { settings } = await loadLakeSettings(join(directory, 'tidewater.yaml'), sources)
      const lake = await openLake(settings)
      const streams = [settingsOf(yaml('x', x)), settingsOf(yaml('y', y))]
      await expect(startDev(lake, { directory, streams, version: '0' })).rejects.toThrow(message)
      await lake.close()
    })
  }
})
