/** What the keys of a stream's records mean, by its settings and its table. */
import type { TableMetadata } from '../../catalog/format/index.ts'
import { streamingCoordinateColumns } from '../../catalog/scan/index.ts'
import { columnNames } from '../../catalog/table/index.ts'
import { type KeyRules, plainKeyRules } from '../decode/key-rules.ts'
import type { StreamSettings } from '../settings/stream-settings.ts'
import { metadataNames } from './metadata-columns.ts'

/** Queries of rows that are not committed yet need these. */
const liveNames = Object.values(streamingCoordinateColumns).map(({ name }) => name)

/** Without a table: for a sample, from which it will be made. `taken` are further columns that no key fills. */
export function keyRulesOf(
  settings: StreamSettings,
  table?: TableMetadata,
  taken: readonly string[] = [],
): KeyRules {
  const { schema, metadata } = settings
  const specs = table?.partitionSpecs ?? []
  return {
    unknownFields: schema.unknownFields,
    fieldCase: schema.fieldCase,
    ignoredPaths: new Set(schema.ignoredFields),
    ownNames: new Set([...metadataNames(metadata), ...liveNames, ...taken]),
    partitionNames: new Set(specs.flatMap(({ fields }) => fields.map(({ name }) => name))),
    formerNames: table === undefined ? plainKeyRules.formerNames : columnNames(table),
    columnsMax: schema.columnsMax,
    structFieldsMax: schema.structFieldsMax,
  }
}
