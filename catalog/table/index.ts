/** catalog/table: what a table's properties mean. A door of its own, so that what only reads settings loads no catalog. */
export {
  type ColumnNames,
  columnNames,
  columnNamesProperty,
  newColumnNames,
  removedSchemaIds,
  topLevel,
} from './column-history.ts'
export {
  type Properties,
  type TableProperty,
  TablePropertyError,
  checkTableProperty,
  propertyNotes,
  propertyOf,
  statedProperty,
  tableProperties,
} from './properties.ts'
export type { MetricsMode } from './property-syntax.ts'
