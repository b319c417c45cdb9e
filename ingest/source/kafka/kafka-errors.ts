/**
 * Translates errors of kafkajs to ours, by what the caller can do next: those of connections
 * (connection-faults.ts) and those that a broker answered (protocol-faults.ts).
 */
import { LakeError, UnavailableError, errorMessage } from '../../../common/index.ts'
import { connectionFault } from './connection-faults.ts'
import type { KafkaCall } from './kafka-call.ts'
import {
  type Answer,
  coordinatorTypes,
  mechanismError,
  protocolFault,
  signInError,
  tooOld,
} from './protocol-faults.ts'

/** Codes that decide what a reader does next. */
export const kafkaErrorCodes = {
  none: 0,
  offsetOutOfRange: 1,
  unknownTopicOrPartition: 3,
} as const

/** Wraps whatever kafkajs threw during a call. */
export function kafkajsError(error: unknown, call: KafkaCall): LakeError {
  if (error instanceof LakeError) return error
  const cause = lastCause(error)
  const type = textField(cause, 'type')
  const message = errorMessage(cause)
  const ofConnection = connectionFault(cause, call)
  if (ofConnection !== undefined) return ofConnection
  const topic = call.topic ?? textField(cause, 'topic')
  const answer = { ...call, reply: message, cause: error, ...(topic === '' ? {} : { topic }) }
  return answered(nameOf(cause), type, answer)
}

function answered(name: string, type: string, answer: Answer): LakeError {
  const { broker, cause, connection, reply } = answer
  if (name === 'KafkaJSSASLAuthenticationError') {
    const isUnknown = /mechanism is not supported/.test(reply)
    return isUnknown ? mechanismError(answer) : signInError(answer)
  }
  if (name === 'KafkaJSServerDoesNotSupportApiKey') return tooOld(answer)
  if (type !== '') return protocolFault(type, answer)
  return new UnavailableError(`kafka cannot serve us now (${reply})`, {
    facts: { broker: broker ?? connection.seedBrokers.join(',') },
    cause,
  })
}

/** kafkajs's name of what went wrong, such as INCONSISTENT_GROUP_PROTOCOL; of its own errors their class. */
export function kafkajsCauseOf(error: Error): string {
  const cause = lastCause(error.cause)
  return textField(cause, 'type') || nameOf(cause)
}

/**
 * True for an error of `kafkajsError` when the brokers do answer, but the group's coordinator is not ready:
 * for some seconds after a broker's first start, and while another takes over.
 */
export function isCoordinatorStarting(error: Error): boolean {
  return coordinatorTypes.has(kafkajsCauseOf(error))
}

/** kafkajs wraps the last error in one with the number of retries, and errors of several topics in one. */
function lastCause(error: unknown): unknown {
  const { cause, errors } = (error ?? {}) as { readonly cause?: unknown; readonly errors?: unknown }
  if (Array.isArray(errors) && errors.length > 0) return lastCause(errors[0])
  if (nameOf(error) !== 'KafkaJSNumberOfRetriesExceeded') return error
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
export async function withKafkajsErrors<T>(call: KafkaCall, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw kafkajsError(error, call)
  }
}
