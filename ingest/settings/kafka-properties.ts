/**
 * `input.kafka.properties`: client settings under the names of Kafka's Java client and librdkafka.
 * Names with a key in `input.kafka` are mapped to it; names without effect are refused, not ignored.
 */
import { SettingsError, errorMessage, didYouMean } from '../../common/index.ts'
import type { SettingPath } from '../../settings/index.ts'

/** The keys of `input.kafka` that properties can set. */
export interface MappedProperties {
  readonly seedBrokers?: readonly string[]
  readonly consumerGroup?: string
  readonly startOffset?: string
  readonly tls?: boolean
  readonly rootCasFile?: string
  readonly clientCertFile?: string
  readonly clientKeyFile?: string
  readonly saslMechanism?: string
  readonly username?: string
  readonly password?: string
  readonly clientId?: string
  readonly sessionTimeoutMs?: number
  readonly requestTimeoutMs?: number
  readonly fetchBytesMax?: number
  readonly partitionFetchBytesMax?: number
}

type Mapper = (value: string) => MappedProperties

const mappers: Readonly<Record<string, Mapper>> = {
  'bootstrap.servers': (value) => ({ seedBrokers: value.split(',').map((part) => part.trim()) }),
  'metadata.broker.list': (value) => ({ seedBrokers: value.split(',').map((part) => part.trim()) }),
  'group.id': (value) => ({ consumerGroup: value }),
  'client.id': (value) => ({ clientId: value }),
  'auto.offset.reset': (value) => ({ startOffset: offsetReset(value) }),
  'security.protocol': (value) => ({ tls: securityProtocol(value) }),
  'sasl.mechanism': (value) => ({ saslMechanism: value }),
  'sasl.mechanisms': (value) => ({ saslMechanism: value }),
  'sasl.username': (value) => ({ username: value }),
  'sasl.password': (value) => ({ password: value }),
  'sasl.jaas.config': jaasConfig,
  'ssl.ca.location': (value) => ({ rootCasFile: value }),
  'ssl.certificate.location': (value) => ({ clientCertFile: value }),
  'ssl.key.location': (value) => ({ clientKeyFile: value }),
  'session.timeout.ms': (value) => ({ sessionTimeoutMs: wholeNumber(value) }),
  'request.timeout.ms': (value) => ({ requestTimeoutMs: wholeNumber(value) }),
  'fetch.max.bytes': (value) => ({ fetchBytesMax: wholeNumber(value) }),
  'max.partition.fetch.bytes': (value) => ({ partitionFetchBytesMax: wholeNumber(value) }),
  'isolation.level': (value) => required(value, 'read_committed', 'aborted records are never read'),
  'enable.auto.commit': (value) => required(value, 'false', 'offsets live in the table'),
}

const hintsWithoutEffect: Readonly<Record<string, string>> = {
  'key.deserializer': 'records are read as bytes',
  'value.deserializer': 'records are read as bytes',
  'max.poll.records': 'use output.iceberg.commit.max_records',
  'ssl.truststore.location': 'use tls: {root_cas_file: ca.pem} (PEM, not a Java key store)',
  'ssl.keystore.location':
    'use tls: {client_certs: [{cert_file, key_file}]} (PEM, not a Java key store)',
}

/** Throws nothing: faults come back with their path, below `base`. */
export function mapKafkaProperties(
  properties: Readonly<Record<string, string>>,
  base: SettingPath,
): {
  readonly mapped: MappedProperties
  readonly faults: readonly { readonly path: SettingPath; readonly message: string }[]
} {
  let mapped: MappedProperties = {}
  const faults: { path: SettingPath; message: string }[] = []
  for (const [name, value] of Object.entries(properties)) {
    const path = [...base, name]
    const mapper = mappers[name]
    const hint = hintsWithoutEffect[name]
    if (mapper === undefined) {
      const names = Object.keys(mappers)
      const reason = hint ?? `known: ${names.join(', ')}`
      faults.push({
        path,
        message: `has no effect here${hint === undefined ? didYouMean(name, names) : ''} (${reason})`,
      })
      continue
    }
    try {
      mapped = { ...mapped, ...mapper(value) }
    } catch (error) {
      faults.push({ path, message: errorMessage(error) })
    }
  }
  return { mapped, faults }
}

function offsetReset(value: string): string {
  if (value === 'earliest' || value === 'smallest' || value === 'beginning') return 'earliest'
  if (value === 'latest' || value === 'largest' || value === 'end') return 'latest'
  throw new SettingsError(`expected earliest or latest, found "${value}"`)
}

function securityProtocol(value: string): boolean {
  const protocols: Readonly<Record<string, boolean>> = {
    PLAINTEXT: false,
    SASL_PLAINTEXT: false,
    SSL: true,
    SASL_SSL: true,
  }
  const tls = protocols[value.toUpperCase()]
  if (tls !== undefined) return tls
  throw new SettingsError(`expected ${Object.keys(protocols).join(' | ')}, found "${value}"`)
}

function jaasConfig(value: string): MappedProperties {
  const username = /username="([^"]*)"/.exec(value)?.[1]
  const password = /password="([^"]*)"/.exec(value)?.[1]
  if (username === undefined || password === undefined) {
    throw new SettingsError(
      'only ...LoginModule required username="..." password="..." is understood',
    )
  }
  return { username, password }
}

function wholeNumber(value: string): number {
  if (!/^\d{1,12}$/.test(value)) throw new SettingsError(`not a whole number: "${value}"`)
  return Number(value)
}

function required(value: string, only: string, reason: string): MappedProperties {
  if (value.toLowerCase() === only) return {}
  throw new SettingsError(`is always ${only}: ${reason}`)
}
