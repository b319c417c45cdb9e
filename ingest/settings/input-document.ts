/** The keys of `input.kafka` and `input.embedded`, and the typed settings that are made from them. */
import { resolve } from 'node:path'
import { mapKafkaProperties, type MappedProperties } from './kafka-properties.ts'
import { SettingsError } from '../../common/index.ts'
import { field, type SettingPath, parseStartOffset } from '../../settings/index.ts'
import type {
  EmbeddedInputSettings,
  KafkaInputSettings,
  KafkaSaslSettings,
  KafkaTlsSettings,
} from './stream-settings.ts'

type Report = (path: SettingPath, message: string) => void

const startOffset = () => field.parsed('earliest, latest or @time', parseStartOffset)

const tlsSection = field.section({
  enabled: field.flag().prefault('true'),
  skip_cert_verify: field.flag().prefault('false'),
  root_cas_file: field.text().optional(),
  client_certs: field
    .list(
      field.section({ cert_file: field.text(), key_file: field.text() }),
      '{cert_file, key_file}',
    )
    .max(1, 'one certificate only')
    .optional(),
})

/** Accepted for files of earlier releases, which could choose between two clients. */
function readClient(word: string): 'sliced' {
  if (word === 'sliced') return word
  throw new SettingsError(
    `the choice of a client was removed: the record batch reader is the only one, so leave client out`,
  )
}

const saslEntry = field.section({
  mechanism: field.text(),
  username: field.text().optional(),
  password: field.secret().optional(),
})

export const kafkaSection = field.section({
  seed_brokers: field.textList().optional(),
  topics: field.textList(),
  consumer_group: field.text().optional(),
  start_offset: startOffset().optional(),
  client: field.parsed('sliced', readClient).optional(),
  client_id: field.text().optional(),
  tls: tlsSection.optional(),
  sasl: field.list(saslEntry, '{mechanism, username, password}').optional(),
  properties: field.textMap().prefault({}),
})

export const embeddedSection = field.section({
  directory: field.text(),
  topics: field.textList(),
  start_offset: startOffset().optional(),
})

export function embeddedInput(
  value: field.Values<typeof embeddedSection>,
  directory: string,
  report: Report,
): EmbeddedInputSettings {
  checkTopics(value.topics, ['input', 'embedded', 'topics'], report)
  return {
    kind: 'embedded',
    directory: resolve(directory, value.directory),
    topics: value.topics,
    startOffset: value.start_offset ?? { kind: 'earliest' },
  }
}

export function kafkaInput(
  value: field.Values<typeof kafkaSection>,
  directory: string,
  report: Report,
): KafkaInputSettings {
  const base = ['input', 'kafka']
  const { mapped, faults } = mapKafkaProperties(value.properties, [...base, 'properties'])
  for (const fault of faults) report(fault.path, fault.message)
  checkTopics(value.topics, [...base, 'topics'], report)
  const seedBrokers = value.seed_brokers ?? mapped.seedBrokers ?? []
  if (seedBrokers.length === 0) {
    report(base, 'seed_brokers is required: seed_brokers: ["127.0.0.1:9092"]')
  }
  seedBrokers.forEach((broker, index) => {
    const path =
      value.seed_brokers === undefined ? [...base, 'properties'] : [...base, 'seed_brokers', index]
    if (!isHostAndPort(broker)) report(path, `not host:port: "${broker}" (write 127.0.0.1:9092)`)
  })
  const consumerGroup = value.consumer_group ?? mapped.consumerGroup
  const tls = tlsSettings(value, mapped, directory)
  const sasl = saslSettings(value, mapped, report)
  const { sessionTimeoutMs, requestTimeoutMs, fetchBytesMax, partitionFetchBytesMax } = mapped
  return {
    kind: 'kafka',
    seedBrokers,
    topics: value.topics,
    ...(consumerGroup === undefined ? {} : { consumerGroup }),
    startOffset: value.start_offset ?? parseStartOffset(mapped.startOffset ?? 'earliest'),
    clientId: value.client_id ?? mapped.clientId ?? 'tidewater',
    ...(tls === undefined ? {} : { tls }),
    ...(sasl === undefined ? {} : { sasl }),
    ...(sessionTimeoutMs === undefined ? {} : { sessionTimeoutMs }),
    ...(requestTimeoutMs === undefined ? {} : { requestTimeoutMs }),
    ...(fetchBytesMax === undefined ? {} : { fetchBytesMax }),
    ...(partitionFetchBytesMax === undefined ? {} : { partitionFetchBytesMax }),
  }
}

function tlsSettings(
  value: field.Values<typeof kafkaSection>,
  mapped: MappedProperties,
  directory: string,
): KafkaTlsSettings | undefined {
  const { tls } = value
  if (!(tls?.enabled ?? mapped.tls ?? false)) return undefined
  const pair = tls?.client_certs?.[0]
  const rootCasFile = tls?.root_cas_file ?? mapped.rootCasFile
  const clientCertFile = pair?.cert_file ?? mapped.clientCertFile
  const clientKeyFile = pair?.key_file ?? mapped.clientKeyFile
  return {
    verifyCertificate: !(tls?.skip_cert_verify ?? false),
    ...(rootCasFile === undefined ? {} : { rootCasFile: resolve(directory, rootCasFile) }),
    ...(clientCertFile === undefined ? {} : { clientCertFile: resolve(directory, clientCertFile) }),
    ...(clientKeyFile === undefined ? {} : { clientKeyFile: resolve(directory, clientKeyFile) }),
  }
}

const mechanisms = ['plain', 'scram-sha-256', 'scram-sha-512'] as const

function saslSettings(
  value: field.Values<typeof kafkaSection>,
  mapped: MappedProperties,
  report: Report,
): KafkaSaslSettings | undefined {
  const path = ['input', 'kafka', 'sasl']
  const entries = value.sasl ?? []
  if (entries.length > 1) report([...path, 1], 'one mechanism only')
  const written = entries[0]?.mechanism ?? mapped.saslMechanism
  if (written === undefined || written.toLowerCase() === 'none') return undefined
  const mechanism = mechanisms.find((name) => name === written.toLowerCase())
  if (mechanism === undefined) {
    report(
      [...path, 0, 'mechanism'],
      `"${written}" is not in this release (${mechanisms.join(' | ')})`,
    )
    return undefined
  }
  const username = entries[0]?.username ?? mapped.username
  const password = entries[0]?.password ?? mapped.password
  if (username === undefined || password === undefined) {
    report([...path, 0], 'username and password are required')
    return undefined
  }
  return { mechanism, username, password }
}

function checkTopics(topics: readonly string[], path: SettingPath, report: Report): void {
  topics.forEach((topic, index) => {
    const bad = !/^[A-Za-z0-9._-]{1,249}$/.test(topic) || topic === '.' || topic === '..'
    if (bad) report([...path, index], `not a topic name: "${topic}"`)
    if (topics.indexOf(topic) !== index) report([...path, index], `"${topic}" is named twice`)
  })
}

function isHostAndPort(broker: string): boolean {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^\s:/]+):(\d{1,5})$/.exec(broker)
  return match !== null && Number(match[2]) > 0 && Number(match[2]) < 65_536
}
