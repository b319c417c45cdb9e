/** What was asked of a broker, so that a refusal can say who may not do what, and with which settings. */
import type { KafkaConnectionSettings } from './kafka-connection.ts'

/** Operations of Kafka's access control lists that we need. */
export type KafkaRight = 'READ' | 'WRITE' | 'CREATE' | 'DESCRIBE'

export interface KafkaCall {
  readonly connection: KafkaConnectionSettings
  /** `host:port` that we dialled; left out where kafkajs chose. */
  readonly broker?: string
  readonly topic?: string
  readonly group?: string
  /** On the topic, or on the group where there is one. */
  readonly right?: KafkaRight
}

/** As Kafka's own tools write it. */
export function principalOf({ sasl, tls }: KafkaConnectionSettings): string {
  if (sasl !== undefined) return `User:${sasl.username}`
  const hasCertificate = typeof tls === 'object' && tls.cert !== undefined
  return hasCertificate ? 'the principal of the client certificate' : 'User:ANONYMOUS'
}
