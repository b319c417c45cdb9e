/**
 * Translates errors of kafkajs and of the Kafka protocol to ours, by what the caller can do next.
 */
import {
  AccessDeniedError,
  CorruptDataError,
  LakeError,
  NotFoundError,
  UnavailableError,
  UnsupportedError,
  errorMessage,
  type ErrorFacts,
} from '../../../common/index.ts'

/** Codes of partitions and topics (Kafka documentation, "Error Codes") that we tell apart. */
export const kafkaErrorCodes = {
  none: 0,
  offsetOutOfRange: 1,
  corruptMessage: 2,
  unknownTopicOrPartition: 3,
  invalidTopic: 17,
  topicAuthorizationFailed: 29,
  groupAuthorizationFailed: 30,
  clusterAuthorizationFailed: 31,
} as const

const accessCodes: readonly number[] = [
  kafkaErrorCodes.topicAuthorizationFailed,
  kafkaErrorCodes.groupAuthorizationFailed,
  kafkaErrorCodes.clusterAuthorizationFailed,
]

/** The error of ours for an error code of a partition or topic. */
export function protocolCodeError(code: number, what: string, facts: ErrorFacts): LakeError {
  if (accessCodes.includes(code)) {
    return new AccessDeniedError(`kafka does not allow us ${what}; grant the user that right`, {
      facts: { ...facts, code },
    })
  }
  if (code === kafkaErrorCodes.unknownTopicOrPartition || code === kafkaErrorCodes.invalidTopic) {
    return new NotFoundError('kafka has no such topic or partition', { facts: { ...facts, code } })
  }
  if (code === kafkaErrorCodes.corruptMessage) {
    return new CorruptDataError('the broker found its own records to be corrupt', {
      facts: { ...facts, code },
    })
  }
  return new UnavailableError(`kafka cannot serve us now ${what}`, { facts: { ...facts, code } })
}

export function missingTopicError(topic: string, seedBrokers: readonly string[]): NotFoundError {
  return new NotFoundError(
    'kafka has no such topic; create it, or check its name and the brokers',
    { facts: { topic, brokers: seedBrokers.join(',') } },
  )
}

/** Wraps whatever kafkajs threw while it spoke to `address` (host:port, or a list of them). */
export function kafkajsError(error: unknown, address: string): LakeError {
  if (error instanceof LakeError) return error
  const cause = lastCause(error)
  const message = errorMessage(cause)
  const facts = { broker: address }
  const type = textField(cause, 'type')
  if (nameOf(cause) === 'KafkaJSSASLAuthenticationError' || accessTypes.has(type)) {
    return new AccessDeniedError(
      `kafka refused our credentials or rights (${message}); check sasl and the user's rights`,
      { facts, cause: error },
    )
  }
  if (nameOf(cause) === 'KafkaJSServerDoesNotSupportApiKey' || type === 'UNSUPPORTED_VERSION') {
    return new UnsupportedError(`the broker is too old: ${message}; kafka 2.8 or newer is needed`, {
      facts,
      cause: error,
    })
  }
  if (type === 'UNKNOWN_TOPIC_OR_PARTITION') {
    return new NotFoundError('kafka has no such topic or partition', { facts, cause: error })
  }
  return new UnavailableError(
    `kafka broker does not answer (${message}); check that it runs, its address, and tls`,
    { facts, cause: error },
  )
}

/**
 * True for an error of `kafkajsError` when the brokers do answer, but the group's coordinator is not ready:
 * for some seconds after a broker's first start, and while another takes over.
 */
export function isCoordinatorStarting(error: Error): boolean {
  return coordinatorTypes.has(textField(lastCause(error.cause), 'type'))
}

const coordinatorTypes: ReadonlySet<string> = new Set([
  'GROUP_LOAD_IN_PROGRESS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
])

const accessTypes: ReadonlySet<string> = new Set([
  'SASL_AUTHENTICATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
  'ILLEGAL_SASL_STATE',
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
])

/** kafkajs wraps the last error in one with the number of retries. */
function lastCause(error: unknown): unknown {
  if (nameOf(error) !== 'KafkaJSNumberOfRetriesExceeded') return error
  const cause = (error as { readonly cause?: unknown }).cause
  return cause === undefined ? error : lastCause(cause)
}

function nameOf(error: unknown): string {
  return textField(error, 'name')
}

function textField(value: unknown, field: string): string {
  const text = (value as Readonly<Record<string, unknown>> | null | undefined)?.[field]
  return typeof text === 'string' ? text : ''
}

/** Translates what kafkajs throws in `work`. */
export async function withKafkajsErrors<T>(address: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw kafkajsError(error, address)
  }
}
