/**
 * Which member of a consumer group reads which partitions: each only of topics that it subscribes to, and all as
 * evenly as that allows (docs/spec/exactly-once.md, E12). Pure.
 */
import { byAge, type GroupMember, streamKey } from './group-member.ts'

/** Partitions by topic. */
export type MemberAssignment = Readonly<Record<string, number[]>>

/** By member id. `partitionsOf` says what the leader itself knows of its topics. */
export function assignTopics(
  members: readonly GroupMember[],
  partitionsOf: (topic: string) => number,
): ReadonlyMap<string, MemberAssignment> {
  const sorted = [...members].sort((a, b) => (a.memberId < b.memberId ? -1 : 1))
  const assigned = new Map<string, Record<string, number[]>>(
    sorted.map(({ memberId }) => [memberId, Object.create(null) as Record<string, number[]>]),
  )
  const loads = new Map(sorted.map(({ memberId }) => [memberId, 0]))
  for (const topic of [...new Set(sorted.flatMap(({ topics }) => topics))].sort()) {
    const readers = readersOf(topic, sorted)
    const counts = readers.map(({ data }) => data?.partitions.get(topic) ?? 0)
    const count = Math.max(partitionsOf(topic), ...counts)
    for (let partition = 0; partition < count; partition++) {
      const { memberId } = leastLoaded(readers, loads)
      const own = assigned.get(memberId)
      if (own === undefined) continue
      ;(own[topic] ??= []).push(partition)
      loads.set(memberId, (loads.get(memberId) ?? 0) + 1)
    }
  }
  return assigned
}

/** Of two streams that read the topic, the younger will be refused, and gets nothing until then. */
function readersOf(topic: string, members: readonly GroupMember[]): readonly GroupMember[] {
  const readers = members.filter(({ topics }) => topics.includes(topic))
  const [oldest] = [...readers].sort(byAge)
  return readers.filter((each) => oldest !== undefined && streamKey(each) === streamKey(oldest))
}

function leastLoaded(
  [first, ...others]: readonly GroupMember[],
  loads: ReadonlyMap<string, number>,
): GroupMember {
  if (first === undefined) throw new Error('assertion failed: a topic without readers')
  const loadOf = ({ memberId }: GroupMember): number => loads.get(memberId) ?? 0
  return others.reduce((least, each) => (loadOf(each) < loadOf(least) ? each : least), first)
}
