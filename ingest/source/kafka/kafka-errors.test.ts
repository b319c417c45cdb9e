import { describe, expect, it } from 'vitest'
import type { KafkaCall } from './kafka-call.ts'
import { kafkajsError } from './kafka-errors.ts'
import { protocolCodeError } from './protocol-faults.ts'

const seedBrokers = ['seed:9092']
const call: KafkaCall = {
  connection: { seedBrokers, sasl: { mechanism: 'plain', username: 'ann', password: 'hidden' } },
  topic: 'orders',
  group: 'sink',
  right: 'READ',
}
const plain: KafkaCall = { connection: { seedBrokers } }
const withTls: KafkaCall = { connection: { seedBrokers, tls: true } }

function thrown(name: string, message: string, fields: object = {}): Error {
  return Object.assign(new Error(message), { name, ...fields })
}
const connection = (message: string, code?: string, broker = 'seed:9092'): Error =>
  thrown('KafkaJSConnectionError', `Connection error: ${message}`, { code, broker })
const protocol = (type: string, message = type): Error =>
  thrown('KafkaJSProtocolError', message, { type })

describe('kafkajsError()', () => {
  it.each([
    // [error, call, class, what is said]
    [
      connection('getaddrinfo ENOTFOUND seed', 'ENOTFOUND'),
      plain,
      'UnavailableError',
      'host of seed:9092 is not known',
    ],
    [
      connection('getaddrinfo EAI_AGAIN seed', 'EAI_AGAIN'),
      plain,
      'UnavailableError',
      'DNS of this machine does not answer',
    ],
    [
      connection('connect ECONNREFUSED', 'ECONNREFUSED'),
      plain,
      'UnavailableError',
      'no process listens at seed:9092',
    ],
    [
      connection('connect EHOSTUNREACH', 'EHOSTUNREACH'),
      plain,
      'UnavailableError',
      'no route to seed:9092',
    ],
    [
      thrown('KafkaJSConnectionError', 'Connection timeout', { broker: 'seed:9092' }),
      plain,
      'UnavailableError',
      'no connection to seed:9092 came about in time',
    ],
    [
      connection('connect ECONNREFUSED', 'ECONNREFUSED', 'inner:9092'),
      plain,
      'UnavailableError',
      'advertised.listeners',
    ],
    [
      connection('read ECONNRESET', 'ECONNRESET'),
      plain,
      'UnavailableError',
      'a port that wants tls or sasl',
    ],
    [
      connection('read ECONNRESET', 'ECONNRESET'),
      withTls,
      'UnavailableError',
      'a port that wants sasl,',
    ],
    [
      connection(
        'Client network socket disconnected before secure TLS connection was established',
        'ECONNRESET',
      ),
      withTls,
      'UnavailableError',
      'ended the TLS handshake',
    ],
    [
      connection('self-signed certificate', 'DEPTH_ZERO_SELF_SIGNED_CERT'),
      withTls,
      'ValidationError',
      'tls.root_cas_file',
    ],
    [
      connection('unable to verify', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'),
      withTls,
      'ValidationError',
      'tls.root_cas_file',
    ],
    [
      connection('certificate has expired', 'CERT_HAS_EXPIRED'),
      withTls,
      'ValidationError',
      'has expired',
    ],
    [
      connection('Hostname/IP does not match', 'ERR_TLS_CERT_ALTNAME_INVALID'),
      withTls,
      'ValidationError',
      'another host name',
    ],
    [
      connection('alert certificate required', 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED'),
      withTls,
      'ValidationError',
      'tls.client_certs',
    ],
    [
      connection('the answer is a TLS alert', 'ANSWERED_IN_TLS'),
      plain,
      'ValidationError',
      'tls.enabled: true',
    ],
    [
      connection('the answer begins with "HTTP"', 'NOT_KAFKA'),
      plain,
      'ValidationError',
      'does not speak Kafka',
    ],
    [
      thrown('KafkaJSSASLAuthenticationError', 'SASL PLAIN authentication failed'),
      call,
      'AccessDeniedError',
      'kafka refuses user ann',
    ],
    [protocol('UNSUPPORTED_SASL_MECHANISM'), call, 'AccessDeniedError', 'sasl mechanism PLAIN'],
    [protocol('ILLEGAL_SASL_STATE'), call, 'AccessDeniedError', 'leave sasl out'],
    [
      protocol('TOPIC_AUTHORIZATION_FAILED'),
      call,
      'AccessDeniedError',
      'User:ann to READ topic orders',
    ],
    [
      protocol('GROUP_AUTHORIZATION_FAILED'),
      call,
      'AccessDeniedError',
      'User:ann to READ group sink',
    ],
    [
      protocol('CLUSTER_AUTHORIZATION_FAILED'),
      plain,
      'AccessDeniedError',
      'User:ANONYMOUS to DESCRIBE the cluster',
    ],
    [protocol('INCONSISTENT_GROUP_PROTOCOL'), call, 'ValidationError', 'consumer group sink'],
    [protocol('INVALID_SESSION_TIMEOUT'), call, 'ValidationError', 'group.min.session.timeout.ms'],
    [protocol('GROUP_MAX_SIZE_REACHED'), call, 'ValidationError', 'group.max.size'],
    [protocol('MESSAGE_TOO_LARGE'), call, 'ValidationError', 'max.message.bytes'],
    [protocol('INVALID_TOPIC_EXCEPTION'), call, 'ValidationError', 'topic names are 1 to 249'],
    [protocol('UNKNOWN_TOPIC_OR_PARTITION'), call, 'NotFoundError', 'topic=orders'],
    [protocol('UNSUPPORTED_VERSION'), call, 'UnsupportedError', 'too old'],
    [protocol('GROUP_LOAD_IN_PROGRESS'), call, 'UnavailableError', 'coordinator'],
    [protocol('NOT_ENOUGH_REPLICAS'), call, 'UnavailableError', 'min.insync.replicas'],
    [
      protocol('POLICY_VIOLATION', 'at least 3 partitions'),
      call,
      'ValidationError',
      'at least 3 partitions',
    ],
    [protocol('INVALID_REPLICATION_FACTOR'), call, 'ValidationError', 'kafka refuses the request'],
    [protocol('REQUEST_TIMED_OUT'), call, 'UnavailableError', 'cannot serve us now'],
    [
      thrown('KafkaJSNumberOfRetriesExceeded', 'x', {
        cause: protocol('GROUP_AUTHORIZATION_FAILED'),
      }),
      call,
      'AccessDeniedError',
      'group sink',
    ],
    [
      thrown('KafkaJSAggregateError', 'Topic creation errors', {
        errors: [protocol('TOPIC_AUTHORIZATION_FAILED')],
      }),
      { ...call, right: 'CREATE' as const },
      'AccessDeniedError',
      'to CREATE topic orders',
    ],
  ])('%s', (error, asked, kind, said) => {
    const translated = kafkajsError(error, asked)
    expect(translated.name).toBe(kind)
    expect(translated.message).toContain(said)
    expect(translated.message.includes('advertised.listeners')).toBe(
      said === 'advertised.listeners',
    )
    expect(translated.message).not.toContain('hidden')
    // Waiting mends only what is unavailable.
    expect(translated.retryable).toBe(kind === 'UnavailableError')
  })

  it('says of a code in an answer what kafkajs says of its own', () => {
    const error = protocolCodeError(29, call, { partition: 3 })
    expect(error.message).toContain('User:ann to READ topic orders')
    expect(error.facts).toMatchObject({ partition: 3, code: 29 })
    expect(protocolCodeError(6, call)).toMatchObject({ name: 'UnavailableError', retryable: true })
  })
})
