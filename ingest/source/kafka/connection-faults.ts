/**
 * Why no conversation with a broker came about: its address, TLS, or a port that wants something else. Each has a
 * message of its own, because each is mended elsewhere.
 */
import { type LakeError, UnavailableError, ValidationError } from '../../../common/index.ts'
import type { KafkaCall } from './kafka-call.ts'

/** The code of the error by which our sockets end when a plain connection is answered in TLS. */
export const answeredInTls = 'ANSWERED_IN_TLS'
/** The same, for bytes that are no answer of Kafka's protocol. */
export const notKafka = 'NOT_KAFKA'

interface Fault {
  readonly text: string
  /** Waiting does not help: a certificate or a setting has to change. */
  readonly isLasting?: true
}

/** Of the network, by the code of Node's error; `at` is host:port. */
const networkFaults: Readonly<Record<string, (at: string) => string>> = {
  ENOTFOUND: (at) => `the host of ${at} is not known: check the name, and the DNS of this machine`,
  EAI_AGAIN: (at) => `the DNS of this machine does not answer for the host of ${at}`,
  ECONNREFUSED: (at) =>
    `no process listens at ${at} (connection refused): check the port, and that the broker runs`,
  ETIMEDOUT: (at) =>
    `no connection to ${at} came about in time: check the address, and firewalls between`,
  EHOSTUNREACH: (at) => `there is no route to ${at}: check the address and the network`,
  ENETUNREACH: (at) => `there is no route to ${at}: check the address and the network`,
}

const unknownSigner =
  "the broker's certificate is signed by none that this machine trusts: name the signer in tls.root_cas_file"

const certificateFaults: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: unknownSigner,
  SELF_SIGNED_CERT_IN_CHAIN: unknownSigner,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownSigner,
  UNABLE_TO_GET_ISSUER_CERT: unknownSigner,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownSigner,
  CERT_SIGNATURE_FAILURE: unknownSigner,
  CERT_UNTRUSTED: unknownSigner,
  CERT_HAS_EXPIRED: "the broker's certificate has expired: renew it, or set this machine's clock",
  CERT_NOT_YET_VALID: "the broker's certificate is not valid yet: set this machine's clock",
  CERT_REVOKED: "the broker's certificate was revoked",
  ERR_TLS_CERT_ALTNAME_INVALID:
    "the broker's certificate is for another host name: connect by a name that it holds, or have one made for this name",
}

/** Undefined when the cause is none of the network. `cause` is what kafkajs threw, without its wrappers. */
export function connectionFault(cause: unknown, call: KafkaCall): LakeError | undefined {
  const { name, message, code, broker } = fieldsOf(cause)
  const isOfConnection =
    /^KafkaJS(ConnectionError|ConnectionClosedError|RequestTimeoutError)$/.test(name)
  if (!isOfConnection) return undefined
  const { seedBrokers } = call.connection
  const dialled = call.broker ?? (broker === '' ? seedBrokers.join(',') : broker)
  const fault = faultOf(name, message, code, dialled, call)
  const facts = { broker: dialled }
  const options = { facts, cause }
  if (fault.isLasting === true) return new ValidationError(fault.text, options)
  if (!isAdvertised(dialled, seedBrokers)) return new UnavailableError(fault.text, options)
  return new UnavailableError(
    `a seed broker answers, but names ${dialled} as the address to go on with, and ${fault.text}; the broker's advertised.listeners must name what this machine can reach`,
    { facts: { ...facts, seeds: seedBrokers.join(',') }, cause },
  )
}

/** True for an error of `connectionFault` that says a broker's own address has no DNS entry. */
export function isUnknownHost(error: Error): boolean {
  return fieldsOf(error.cause).code === 'ENOTFOUND'
}

function isAdvertised(dialled: string, seedBrokers: readonly string[]): boolean {
  return !dialled.includes(',') && !seedBrokers.includes(dialled)
}

function faultOf(name: string, message: string, code: string, at: string, call: KafkaCall): Fault {
  const { sasl, tls } = call.connection
  const network = networkFaults[code]
  if (network !== undefined) return { text: network(at) }
  const certificate = certificateFaults[code]
  if (certificate !== undefined) {
    return { text: `${certificate} (${withoutPrefix(message)})`, isLasting: true }
  }
  if (code === answeredInTls) {
    const text = `${at} speaks TLS, and this connection does not: set tls.enabled: true`
    return { text, isLasting: true }
  }
  if (code === notKafka) {
    return {
      text: `${at} does not speak Kafka's protocol (${withoutPrefix(message)})`,
      isLasting: true,
    }
  }
  const hasTls = tls !== undefined && tls !== false
  if (
    hasTls &&
    (/before secure TLS connection/.test(message) || code === 'ERR_SSL_WRONG_VERSION_NUMBER')
  ) {
    return {
      text: `${at} ended the TLS handshake: a port without TLS does that (leave tls out, or name the TLS port)`,
    }
  }
  if (code.startsWith('ERR_SSL') || code === 'EPROTO') {
    const text = `the TLS handshake with ${at} failed (${withoutPrefix(message)}): a broker that asks for a client certificate wants tls.client_certs`
    return { text, isLasting: true }
  }
  if (message === 'Connection timeout') return { text: networkFaults['ETIMEDOUT']?.(at) ?? message }
  if (name === 'KafkaJSRequestTimeoutError') {
    return {
      text: `${at} takes connections, but does not answer (${message}): it is overloaded, or no Kafka broker`,
    }
  }
  if (name === 'KafkaJSConnectionClosedError' || code === 'ECONNRESET' || code === 'EPIPE') {
    const wants = [hasTls ? '' : 'tls', sasl === undefined ? 'sasl' : ''].filter(
      (word) => word !== '',
    )
    const hint =
      wants.length === 0
        ? ''
        : `, and so does a port that wants ${wants.join(' or ')}, which input.kafka does not set`
    return { text: `${at} closed the connection: a broker that stops does that${hint}` }
  }
  return { text: `no connection to ${at} (${withoutPrefix(message)})` }
}

function withoutPrefix(message: string): string {
  return message.replace(/^(Connection error|Failed to connect): /, '')
}

function fieldsOf(error: unknown): {
  readonly name: string
  readonly message: string
  readonly code: string
  readonly broker: string
} {
  const fields = (error ?? {}) as Readonly<Record<string, unknown>>
  const text = (field: string): string => {
    const value = fields[field]
    return typeof value === 'string' ? value : ''
  }
  return {
    name: text('name'),
    message: text('message'),
    code: text('code'),
    broker: text('broker'),
  }
}
