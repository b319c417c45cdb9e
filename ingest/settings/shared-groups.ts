/**
 * Streams that would take each other's records: members of one consumer group share the partitions of a topic,
 * so each of two streams that read it would get a part (docs/spec/exactly-once.md, E12). Streams with
 * different topics may share a group.
 */
import { formatIdentifier } from '../../catalog/format/index.ts'
import { SettingsError } from '../../common/index.ts'
import type { StreamSettings } from './stream-settings.ts'

export interface SharedGroup {
  /** The one that comes later. */
  readonly stream: StreamSettings
  readonly other: StreamSettings
  readonly group: string
  readonly topics: readonly string[]
}

export function sharedGroups(streams: readonly StreamSettings[]): readonly SharedGroup[] {
  return streams.flatMap((stream, index) => {
    const conflicts = streams.slice(0, index).flatMap((other): SharedGroup[] => {
      const shared = sharedBy(stream, other)
      return shared === undefined ? [] : [{ stream, other, ...shared }]
    })
    return conflicts.slice(0, 1)
  })
}

/** Throws SettingsError at the first of `sharedGroups`. */
export function refuseSharedGroups(streams: readonly StreamSettings[]): void {
  const [shared] = sharedGroups(streams)
  if (shared === undefined) return
  throw new SettingsError(sharedGroupText(shared), { facts: { stream: shared.stream.name } })
}

export function sharedGroupText({ other, group, topics }: SharedGroup): string {
  return (
    `"${group}" is also the group of stream ${other.name} (table ${formatIdentifier(other.output.table)}), which reads ` +
    `${topics.join(', ')} too: each would get only a part of the records; give each stream a group of its own`
  )
}

function sharedBy(
  { input: a, ...ofA }: StreamSettings,
  { input: b, ...ofB }: StreamSettings,
): Pick<SharedGroup, 'group' | 'topics'> | undefined {
  if (a.kind !== 'kafka' || b.kind !== 'kafka' || a.consumerGroup === undefined) return undefined
  if (a.consumerGroup !== b.consumerGroup || isSameStream(ofA, ofB)) return undefined
  const topics = a.topics.filter((topic) => b.topics.includes(topic))
  const hasBroker = a.seedBrokers.some((broker) => b.seedBrokers.includes(broker))
  return topics.length > 0 && hasBroker ? { group: a.consumerGroup, topics } : undefined
}

/** The same stream twice is refused elsewhere, by its name. */
function isSameStream(
  a: Pick<StreamSettings, 'name' | 'output'>,
  b: Pick<StreamSettings, 'name' | 'output'>,
): boolean {
  return a.name === b.name && formatIdentifier(a.output.table) === formatIdentifier(b.output.table)
}
