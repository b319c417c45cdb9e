/** ingest/settings: stream and input documents, checked as a whole and typed. A separate entry point, so that code that only reads settings loads no Kafka client. */
export { type FieldsToFormat, formatFields } from './format-fields.ts'
export { refuseSharedGroups, sharedGroups, sharedGroupText } from './shared-groups.ts'
export { type StreamCheck, parseStreamSettings, streamSchema } from './stream-document.ts'
export type {
  InputSettings,
  KafkaInputSettings,
  KafkaTlsSettings,
  StreamSettings,
} from './stream-settings.ts'
export { withoutGroup } from './without-group.ts'
