/** ingest/settings: stream and input documents, checked whole and typed. A door of its own, so that what only reads settings loads no Kafka client. */
export { type StreamCheck, parseStreamSettings, streamSchema } from './stream-document.ts'
export type {
  InputSettings,
  KafkaInputSettings,
  KafkaTlsSettings,
  StreamSettings,
} from './stream-settings.ts'
export { withoutGroup } from './without-group.ts'
