/** sql: the only importer of DuckDB: the query engine, the shell, writing Parquet. */
export { writeArrowStream } from './arrow/write-arrow-stream.ts'
export { tableFilter } from './bind/table-filter.ts'
export {
  type QueryEngine,
  type QueryEngineOptions,
  createQueryEngine,
} from './engine/query-engine.ts'
export {
  type Procedure,
  defineProcedure,
  optional,
  refused,
  required,
  withDefault,
} from './procedures/procedure.ts'
export { openRemoteEngine } from './remote/remote-engine.ts'
export {
  type SandboxedEngine,
  type SandboxedEngineOptions,
  openSandboxedEngine,
} from './sandbox/sandboxed-engine.ts'
export type { HttpfsSettings } from './scan/file-access.ts'
export { FileCache } from './scan/file-cache.ts'
export type { QueryOptions } from './scan/query-tools.ts'
export type { ViewSource, ViewState } from './scan/view-source.ts'
export { type Database, openDatabase } from './session/database.ts'
export {
  type QueryResult,
  type QuerySummary,
  type ResultColumn,
  type ResultRow,
  type TableSummary,
  allRows,
} from './session/query-result.ts'
export { streamJson } from './session/stream-json.ts'
export { type SqlValue, jsonText, plainText } from './session/values.ts'
export { type OutputMode, type TextSink, writeResult } from './shell/result-writer.ts'
export { runShell, runStatements } from './shell/shell.ts'
export { quoteIdentifier, quoteLiteral, quoteTable } from './text/sql-text.ts'
export { splitStatements } from './text/statements.ts'
export { layersJson, summaryJson } from './wire/wire-summary.ts'
export { wireValue } from './wire/wire-values.ts'
export { createDataFileWriter } from './write/duckdb-data-file-writer.ts'
export { type QueryStage, openQueryStage } from './write/query-stage.ts'
export { createDataFileRewriter } from './write/rewrite-data-files.ts'
