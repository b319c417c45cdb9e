/**
 * What a broker's error codes mean to the person who waits (Kafka documentation, "Error Codes"): who may not do what,
 * which limit was passed, or that it will pass.
 */
import {
  AccessDeniedError,
  CorruptDataError,
  type ErrorFacts,
  type LakeError,
  type LakeErrorOptions,
  NotFoundError,
  UnavailableError,
  UnsupportedError,
  ValidationError,
} from '../../../common/index.ts'
import { type KafkaCall, principalOf } from './kafka-call.ts'

/** Codes of partitions, topics and groups that we tell apart, by kafkajs's names for them. */
const typeOfCode: Readonly<Record<number, string>> = {
  2: 'CORRUPT_MESSAGE',
  3: 'UNKNOWN_TOPIC_OR_PARTITION',
  10: 'MESSAGE_TOO_LARGE',
  14: 'GROUP_LOAD_IN_PROGRESS',
  15: 'GROUP_COORDINATOR_NOT_AVAILABLE',
  16: 'NOT_COORDINATOR_FOR_GROUP',
  17: 'INVALID_TOPIC_EXCEPTION',
  23: 'INCONSISTENT_GROUP_PROTOCOL',
  24: 'INVALID_GROUP_ID',
  26: 'INVALID_SESSION_TIMEOUT',
  29: 'TOPIC_AUTHORIZATION_FAILED',
  30: 'GROUP_AUTHORIZATION_FAILED',
  31: 'CLUSTER_AUTHORIZATION_FAILED',
  35: 'UNSUPPORTED_VERSION',
  76: 'UNSUPPORTED_COMPRESSION_TYPE',
}

/** What a broker answered to a call. */
export interface Answer extends KafkaCall {
  /** The text that came with the code. */
  readonly reply: string
  readonly cause?: unknown
  /** More of where it happened, such as the partition. */
  readonly facts?: ErrorFacts
}

type Make = (answer: Answer) => LakeError

const topicNameRule =
  'kafka refuses the topic name: topic names are 1 to 249 of the characters a-z A-Z 0-9 . _ - and not . or ..'

const faults: Readonly<Record<string, Make>> = {
  TOPIC_AUTHORIZATION_FAILED: (call) =>
    denied(
      call,
      call.right ?? 'DESCRIBE',
      `topic ${call.topic ?? '?'}`,
      `--topic ${call.topic ?? 'TOPIC'}`,
    ),
  GROUP_AUTHORIZATION_FAILED: (call) =>
    denied(call, 'READ', `group ${call.group ?? '?'}`, `--group ${call.group ?? 'GROUP'}`),
  CLUSTER_AUTHORIZATION_FAILED: (call) =>
    call.right === 'WRITE'
      ? denied(
          call,
          'WRITE',
          `topic ${call.topic ?? '?'} (or IDEMPOTENT_WRITE the cluster)`,
          `--topic ${call.topic ?? 'TOPIC'}`,
        )
      : denied(call, call.right ?? 'DESCRIBE', 'the cluster', '--cluster'),
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: (call) =>
    denied(call, 'WRITE', 'the transactional id', '--transactional-id ID'),
  SASL_AUTHENTICATION_FAILED: (call) => signInError(call),
  UNSUPPORTED_SASL_MECHANISM: (call) => mechanismError(call),
  ILLEGAL_SASL_STATE: (call) =>
    new AccessDeniedError(
      'this port of the broker has no sasl, and input.kafka.sasl is set: leave sasl out, or name the port that has it',
      optionsOf(call),
    ),
  SECURITY_DISABLED: (call) =>
    new UnsupportedError('the broker has no access control lists', optionsOf(call)),
  INCONSISTENT_GROUP_PROTOCOL: (call) =>
    new ValidationError(
      `consumer group ${call.group ?? '?'} has members with another partition assignor than ours; give this stream a consumer_group of its own, or end the others`,
      optionsOf(call, { group: call.group }),
    ),
  INVALID_GROUP_ID: (call) => badGroup(call, 'kafka refuses the name of the consumer group'),
  GROUP_MAX_SIZE_REACHED: (call) =>
    badGroup(call, 'the consumer group has as many members as the broker allows (group.max.size)'),
  FENCED_INSTANCE_ID: (call) => badGroup(call, 'another member took over our place in the group'),
  INVALID_SESSION_TIMEOUT: (call) =>
    badGroup(
      call,
      'the broker refuses session.timeout.ms: it must lie between its group.min.session.timeout.ms and group.max.session.timeout.ms',
    ),
  MESSAGE_TOO_LARGE: (call) => tooLarge(call),
  RECORD_LIST_TOO_LARGE: (call) => tooLarge(call),
  INVALID_TOPIC_EXCEPTION: (call) =>
    new ValidationError(topicNameRule, optionsOf(call, { topic: call.topic })),
  UNKNOWN_TOPIC_OR_PARTITION: (call) => missingTopicError(call.topic, call.connection.seedBrokers),
  UNSUPPORTED_VERSION: (call) => tooOld(call),
  UNSUPPORTED_COMPRESSION_TYPE: (call) =>
    new UnsupportedError(
      'the broker does not know the compression of the records',
      optionsOf(call, { topic: call.topic }),
    ),
  CORRUPT_MESSAGE: (call) =>
    new CorruptDataError(
      'the broker found records to be corrupt',
      optionsOf(call, { topic: call.topic }),
    ),
  NOT_ENOUGH_REPLICAS: (call) => tooFewReplicas(call),
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: (call) => tooFewReplicas(call),
}

/** Those that no waiting mends, with the broker's own words. */
const refusals: ReadonlySet<string> = new Set([
  'INVALID_PARTITIONS',
  'INVALID_REPLICATION_FACTOR',
  'INVALID_CONFIG',
  'INVALID_REQUEST',
  'INVALID_TIMESTAMP',
  'INVALID_RECORD',
  'POLICY_VIOLATION',
  'INVALID_PRODUCER_EPOCH',
  'UNSUPPORTED_FOR_MESSAGE_FORMAT',
])

export const coordinatorTypes: ReadonlySet<string> = new Set([
  'GROUP_LOAD_IN_PROGRESS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
])

/** `type` is kafkajs's name of the code. */
export function protocolFault(type: string, answer: Answer): LakeError {
  const make = faults[type]
  if (make !== undefined) return make(answer)
  const { group, reply, topic } = answer
  const options = optionsOf(answer, { topic, group, code: type })
  if (coordinatorTypes.has(type)) {
    return new UnavailableError(
      `the coordinator of the consumer group is not ready (${reply})`,
      options,
    )
  }
  if (refusals.has(type))
    return new ValidationError(`kafka refuses the request (${reply})`, options)
  return new UnavailableError(`kafka cannot serve us now (${reply})`, options)
}

/** The error for an error code of a partition, topic or group. */
export function protocolCodeError(
  code: number,
  call: KafkaCall,
  facts: ErrorFacts = {},
): LakeError {
  const type = typeOfCode[code] ?? `error code ${code}`
  return protocolFault(type, { ...call, reply: type, facts: { ...facts, code } })
}

export function missingTopicError(
  topic: string | undefined,
  seedBrokers: readonly string[],
): NotFoundError {
  return new NotFoundError(
    'kafka has no such topic; create it, or check its name and the brokers',
    {
      facts: { topic, brokers: seedBrokers.join(',') },
    },
  )
}

/** The broker's own words name neither. */
export function signInError(call: Answer): AccessDeniedError {
  const { sasl } = call.connection
  return new AccessDeniedError(
    `kafka refuses user ${sasl?.username ?? '?'}: the user name or the password of input.kafka.sasl is wrong, or ${sasl?.mechanism ?? 'sasl'} is not set up for that user (${call.reply})`,
    optionsOf(call),
  )
}

export function mechanismError(call: Answer): AccessDeniedError {
  const mechanism = (call.connection.sasl?.mechanism ?? '?').toUpperCase()
  return new AccessDeniedError(
    `the broker does not have the sasl mechanism ${mechanism} on this port: choose one of its sasl.enabled.mechanisms in input.kafka.sasl`,
    optionsOf(call),
  )
}

export function tooOld(call: Answer): UnsupportedError {
  return new UnsupportedError(
    `the broker is too old: ${call.reply}; kafka 2.8 or newer is needed`,
    optionsOf(call),
  )
}

function denied(call: Answer, right: string, resource: string, flag: string): AccessDeniedError {
  const principal = principalOf(call.connection)
  return new AccessDeniedError(
    `kafka does not allow ${principal} to ${right} ${resource}; grant it, for example: kafka-acls --add --allow-principal ${principal} --operation ${right} ${flag}`,
    optionsOf(call),
  )
}

function badGroup(call: Answer, message: string): ValidationError {
  return new ValidationError(message, optionsOf(call, { group: call.group }))
}

function tooLarge(call: Answer): ValidationError {
  return new ValidationError(
    'a record, or a batch of records, is larger than the topic takes: raise max.message.bytes of the topic',
    optionsOf(call, { topic: call.topic }),
  )
}

function tooFewReplicas(call: Answer): UnavailableError {
  return new UnavailableError(
    'too few replicas of the partition are in sync to take records (min.insync.replicas)',
    optionsOf(call, { topic: call.topic }),
  )
}

function optionsOf(
  { broker, cause, connection, facts }: Answer,
  own: ErrorFacts = {},
): LakeErrorOptions {
  return { facts: { ...own, ...facts, broker: broker ?? connection.seedBrokers.join(',') }, cause }
}
