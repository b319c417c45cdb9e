/** The parts of a project: models, snapshots, singular tests, sources. */
import type { TableIdentifier } from '../../catalog/format/index.ts'
import type { ColumnTests, ModelConfig } from '../settings/model-settings.ts'
import type { Template } from './template.ts'

export interface Model {
  readonly kind: 'model' | 'snapshot'
  readonly name: string
  /** Relative to the project, with slashes. */
  readonly file: string
  readonly config: ModelConfig
  readonly template: Template
  readonly table: TableIdentifier
  /** Names of the models it reads, sorted. */
  readonly dependsOn: readonly string[]
  /** Tables that it reads and that no model of the project writes. */
  readonly sourceTables: readonly TableIdentifier[]
  readonly columns: readonly ColumnTests[]
  /** Checksum of text and config: it changes with the definition. */
  readonly checksum: string
}

/** A query in `tests/` whose rows are failures. */
export interface SingularTest {
  readonly name: string
  readonly file: string
  readonly template: Template
  readonly dependsOn: readonly string[]
}

export interface Project {
  readonly directory: string
  /** In the order in which they can be built. */
  readonly models: readonly Model[]
  readonly tests: readonly SingularTest[]
  sourceTable(source: string, table: string): TableIdentifier
  /** The column of a table with the event time of its rows, when the project declares one. */
  eventTimeOf(table: TableIdentifier): string | undefined
}
