/**
 * What a member of a consumer group tells the others when it joins: which stream it runs, and how many
 * partitions its topics have, so that the leader can share out topics that it does not read itself.
 */
import { isJsonObject, type Json, parseJson, stringifyJson } from '../../../common/index.ts'

/** The stream that a member runs: the members of one stream share its partitions. */
export interface MemberStream {
  readonly name: string
  /** Its table, with the branch where that is not main. */
  readonly table: string
  /** Where the table is; empty where that has another name on each host. */
  readonly warehouse: string
}

export interface MemberData {
  readonly stream: MemberStream
  /** When the process began to read, by its own clock. */
  readonly sinceMs: number
  /** Partitions by topic, as far as the member knows them. */
  readonly partitions: ReadonlyMap<string, number>
}

export interface GroupMember {
  readonly memberId: string
  readonly topics: readonly string[]
  /** Undefined for a member of a program that tells nothing. */
  readonly data: MemberData | undefined
}

export function formatMemberData({ stream, sinceMs, partitions }: MemberData): Buffer {
  const { name, table, warehouse } = stream
  const counts = Object.fromEntries([...partitions].sort(([a], [b]) => (a < b ? -1 : 1)))
  return Buffer.from(
    stringifyJson({ stream: name, table, warehouse, since: sinceMs, partitions: counts }),
  )
}

export function parseMemberData(bytes: Uint8Array): MemberData | undefined {
  if (bytes.length === 0) return undefined
  const json = readJson(Buffer.from(bytes).toString())
  const partitions = json?.['partitions']
  if (json === undefined || !isJsonObject(partitions)) return undefined
  const text = (key: string): string => String(json[key] ?? '')
  return {
    stream: { name: text('stream'), table: text('table'), warehouse: text('warehouse') },
    sinceMs: Number(json['since']),
    partitions: new Map(Object.entries(partitions).map(([topic, count]) => [topic, Number(count)])),
  }
}

function readJson(text: string): Readonly<Record<string, Json>> | undefined {
  try {
    const json = parseJson(text, 'the data of a group member')
    return isJsonObject(json) ? json : undefined
  } catch {
    return undefined
  }
}

/** Equal for the members of one stream. */
export function streamKey({ data }: Pick<GroupMember, 'data'>): string {
  if (data === undefined) return ''
  const { name, table, warehouse } = data.stream
  return `${name} ${table} ${warehouse}`
}

/** Streams that began earlier come first. */
export function byAge(a: GroupMember, b: GroupMember): number {
  const since = (a.data?.sinceMs ?? 0) - (b.data?.sinceMs ?? 0)
  return since !== 0 ? since : compare(streamKey(a), streamKey(b))
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1
}

/** A member of another stream that reads a topic of `own`. */
export function rivalOf(
  own: GroupMember,
  members: readonly GroupMember[],
): { readonly member: GroupMember; readonly topic: string } | undefined {
  for (const member of [...members].sort(byAge)) {
    if (streamKey(member) === streamKey(own)) continue
    const topic = own.topics.find((each) => member.topics.includes(each))
    if (topic !== undefined) return { member, topic }
  }
  return undefined
}
