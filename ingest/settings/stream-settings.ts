/** The typed settings of one stream: plain readonly data, units last. */
import type { StartOffset } from '../../settings/index.ts'
import type { EpochColumn } from '../decode/json/epoch-unit.ts'
import type { NestedField, PartitionTerm, TableIdentifier } from '../../catalog/format/index.ts'

export interface KafkaTlsSettings {
  readonly verifyCertificate: boolean
  /** PEM files; read when the source is built. */
  readonly rootCasFile?: string
  readonly clientCertFile?: string
  readonly clientKeyFile?: string
}

export interface KafkaSaslSettings {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  readonly username: string
  readonly password: string
}

export interface KafkaInputSettings {
  readonly kind: 'kafka'
  readonly seedBrokers: readonly string[]
  readonly topics: readonly string[]
  /** Without a group every partition of the topics is read. */
  readonly consumerGroup?: string
  readonly startOffset: StartOffset
  readonly clientId: string
  readonly tls?: KafkaTlsSettings
  readonly sasl?: KafkaSaslSettings
  readonly sessionTimeoutMs?: number
  readonly requestTimeoutMs?: number
  readonly fetchBytesMax?: number
  readonly partitionFetchBytesMax?: number
}

export interface EmbeddedInputSettings {
  readonly kind: 'embedded'
  /** Absolute directory of the log. */
  readonly directory: string
  readonly topics: readonly string[]
  readonly startOffset: StartOffset
}

export type InputSettings = KafkaInputSettings | EmbeddedInputSettings

export interface SchemaSettings {
  readonly mode: 'json_infer' | 'declared' | 'key_value'
  /** Columns in order, with ids 0 until the table is created; empty when inferred. */
  readonly fields: readonly NestedField[]
  /** Names of those whose `required: false` is written out. */
  readonly optionalFields: readonly string[]
  /** Declared timestamps that records write as numbers. */
  readonly epochColumns: readonly EpochColumn[]
  /** How many records inference reads. */
  readonly sampleRecordsMax: number
  /** How long inference waits for more records once those that it has could decide the columns. */
  readonly sampleWaitMs: number
  /** `strict`: a record whose value a conversion would change is a dead letter. */
  readonly coercion: 'strict' | 'lenient'
  /** For a key without a column: add it to the schema, make its record a dead letter, leave its value out, or stop. */
  readonly unknownFields: 'add' | 'dead_letter' | 'ignore' | 'fail'
  /** Dotted paths of fields whose values are left out. */
  readonly ignoredFields: readonly string[]
  /** Whether a key that differs from a column only in case fills it. */
  readonly fieldCase: 'exact' | 'insensitive'
  /** For records without a value. */
  readonly tombstones: 'dead_letter' | 'skip'
  /** Columns, members of structs included, beyond which records add none. */
  readonly columnsMax: number
  /** Members of one struct beyond which records add none to it. */
  readonly structFieldsMax: number
  /** Types of the columns `key` and `value`, for mode `key_value` only. */
  readonly keyType: 'binary' | 'string'
  readonly valueType: 'binary' | 'string'
}

export interface ErrorSettings {
  /** `data` and `all`: bad records are kept as dead letters; `none`: the first one stops the stream. */
  readonly tolerance: 'none' | 'data' | 'all'
  readonly deadLetterTable: TableIdentifier
}

export interface OutputSettings {
  readonly table: TableIdentifier
  readonly partitionBy: readonly PartitionTerm[]
  /** False where the file says nothing, so that a table keeps the partitions that it has. */
  readonly statesPartitioning: boolean
  /** Table properties under Iceberg's names, verbatim. */
  readonly properties: Readonly<Record<string, string>>
  readonly branch: string
  readonly autoCreate: boolean
  readonly commitIntervalMs: number
  readonly commitBytesMax: number
  readonly commitRecordsMax: number
}

export interface StreamSettings {
  readonly name: string
  readonly input: InputSettings
  readonly schema: SchemaSettings
  /** How a record's coordinates, timestamp, key and headers appear in the table. */
  readonly metadata: 'struct' | 'columns' | 'none'
  /** False where the file says nothing, so that a table without such columns gets none. */
  readonly statesMetadata: boolean
  readonly errors: ErrorSettings
  readonly output: OutputSettings
  /** Budget for records in flight, in bytes. */
  readonly memoryBytesMax: number
}
