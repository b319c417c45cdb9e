/**
 * What keeps a stream from going on where its table ends (docs/spec/exactly-once.md, E6), in a message that
 * names the command after which it goes on (E14). Pure.
 */
import { type ErrorFacts, LakeError } from '../../common/index.ts'
import { nextOffsetOf, type StreamOffsets } from './offset-map.ts'
import { type OffsetBounds, partitionKey, type TopicPartition } from './topic-partition.ts'

/** The log is not the one that the table was filled from, or no longer holds what comes next. */
export class LogMismatchError extends LakeError {
  readonly code = 'log-mismatch'
}

/** What a stream reads now. */
export interface LogIdentity {
  readonly clusterId: string
  readonly topicIds: ReadonlyMap<string, string>
}

export type LogFault =
  | { readonly kind: 'other-cluster'; readonly stored: string; readonly actual: string }
  | {
      readonly kind: 'other-topic'
      readonly topic: string
      readonly stored: string
      readonly actual: string
    }
  | ({
      /** `retention`: the records that come next are gone; `beyond-end`: the log ends before them. */
      readonly kind: 'retention' | 'beyond-end'
      readonly next: bigint
    } & TopicPartition &
      OffsetBounds)

/** Unless the table was filled from this very cluster and these very topics. */
export function identityFaults(
  offsets: StreamOffsets | undefined,
  identity: LogIdentity,
): readonly LogFault[] {
  if (offsets === undefined) return []
  const { clusterId } = offsets
  if (clusterId !== identity.clusterId) {
    return [{ kind: 'other-cluster', stored: clusterId, actual: identity.clusterId }]
  }
  return [...offsets.topics].flatMap(([topic, { topicId }]): LogFault[] => {
    const actual = identity.topicIds.get(topic)
    if (actual === undefined || actual === topicId) return []
    return [{ kind: 'other-topic', topic, stored: topicId, actual }]
  })
}

/** The partitions whose next offset the log does not have. */
export function boundsFaults(
  offsets: StreamOffsets | undefined,
  partitions: readonly TopicPartition[],
  bounds: ReadonlyMap<string, OffsetBounds>,
): readonly LogFault[] {
  return partitions.flatMap(({ topic, partition }): LogFault[] => {
    const next = nextOffsetOf(offsets, { topic, partition })
    const limits = bounds.get(partitionKey({ topic, partition }))
    if (next === undefined || limits === undefined) return []
    if (next < limits.earliest) return [{ kind: 'retention', topic, partition, next, ...limits }]
    if (next > limits.latest) return [{ kind: 'beyond-end', topic, partition, next, ...limits }]
    return []
  })
}

/** The error that says the first of `faults`, and the command that mends all of them. */
export function logMismatch(
  stream: string,
  topics: readonly string[],
  faults: readonly LogFault[],
): LogMismatchError {
  const [fault] = faults
  if (fault === undefined) throw new Error('assertion failed: there is no fault')
  const command = offsetsCommand(
    stream,
    faults.flatMap((each) => targetsOf(each, topics)),
  )
  return new LogMismatchError(`${faultText(fault)}: ${command}`, {
    facts: { stream, ...factsOf(fault), ...(faults.length > 1 ? { faults: faults.length } : {}) },
  })
}

/** A topic that was deleted while it was read; `isAgain`: another of the same name took its place. */
export interface TopicChange {
  readonly topic: string
  readonly isAgain: boolean
  readonly facts: ErrorFacts
}

/** The same for what a running stream meets. */
export function topicChanged(
  stream: string,
  { topic, isAgain, facts }: TopicChange,
): LogMismatchError {
  const what = isAgain
    ? 'the topic was deleted and made again while it was read, and its offsets mean other records'
    : 'the topic was deleted while it was read, and its offsets mean nothing in one made again under its name'
  return new LogMismatchError(
    `${what}. To read the new one from its beginning (or with =latest only what is produced from then on), ` +
      `beside the rows of the old one: ${offsetsCommand(stream, [`${topic}=earliest`])}`,
    { facts: { stream, ...facts } },
  )
}

/** An offset that the log does not have; without bounds where the log did not report them. */
export interface MissingOffset {
  readonly partition: TopicPartition
  readonly nextOffset: bigint
  readonly bounds: OffsetBounds | undefined
}

/** The same for an offset that the log does not have; undefined where the log did not report its ends. */
export function outOfRange(
  stream: string,
  { bounds, nextOffset: next, partition }: MissingOffset,
): LogMismatchError | undefined {
  if (bounds === undefined) return undefined
  const kind = next < bounds.earliest ? 'retention' : 'beyond-end'
  return logMismatch(stream, [partition.topic], [{ kind, next, ...partition, ...bounds }])
}

/** `targets` as `topic:partition=place` or `topic=place`. */
export function offsetsCommand(stream: string, targets: readonly string[]): string {
  return `tide stream offsets ${stream} set ${targets.join(' ')} --execute`
}

/** Of a fault in a few words, for a list. */
export function faultName({ kind }: LogFault): string {
  return faultNames[kind]
}

export function isFaultOf(fault: LogFault, { topic, partition }: TopicPartition): boolean {
  if (fault.kind === 'other-cluster') return true
  return fault.topic === topic && (fault.kind === 'other-topic' || fault.partition === partition)
}

const faultNames: Readonly<Record<LogFault['kind'], string>> = {
  'other-cluster': 'another cluster',
  'other-topic': 'the topic was made again',
  retention: 'lost to retention',
  'beyond-end': 'beyond the end of the log',
}

function targetsOf(fault: LogFault, topics: readonly string[]): readonly string[] {
  switch (fault.kind) {
    case 'other-cluster':
      return topics.map((topic) => `${topic}=earliest`)
    case 'other-topic':
      return [`${fault.topic}=earliest`]
    case 'retention':
      return [`${partitionKey(fault)}=earliest`]
    case 'beyond-end':
      return [`${partitionKey(fault)}=latest`]
  }
}

function faultText(fault: LogFault): string {
  const ways = 'To read it from its beginning (or with =latest only what is produced from now on)'
  switch (fault.kind) {
    case 'other-cluster':
      return `the table was filled from another cluster, whose offsets mean other records. ${ways}`
    case 'other-topic':
      return (
        'the topic was deleted and made again since, and its offsets mean other records. ' +
        `${ways}, beside the rows of the old one`
      )
    case 'retention':
      return (
        `the log no longer holds the records that come next (retention): ${fault.earliest - fault.next} ` +
        'offsets are lost to this stream. To go on without them'
      )
    case 'beyond-end':
      return (
        'the table holds offsets beyond the end of the log; was the topic truncated or restored from a ' +
        'backup? To go on with what is produced from now on'
      )
  }
}

function factsOf(fault: LogFault): Readonly<Record<string, string | number | bigint>> {
  const { kind: _, ...facts } = fault
  return facts
}
