/** sql: the only importer of DuckDB: the query engine, the shell, writing Parquet. */
export { type ByteSink, writeArrowStream } from './arrow/write-arrow-stream.ts'
export { openDatabase, type Database, type DatabaseOptions } from './session/database.ts'
export { FileCache, type FileCacheOptions } from './scan/file-cache.ts'
export { type HttpfsSettings } from './scan/file-access.ts'
export {
  createQueryEngine,
  type QueryEngine,
  type QueryEngineOptions,
} from './engine/query-engine.ts'
export {
  allRows,
  type QueryResult,
  type QuerySummary,
  type ResultColumn,
  type ResultRow,
  type TableSummary,
} from './session/query-result.ts'
export { type QueryOptions } from './scan/query-tools.ts'
export { splitStatements } from './text/statements.ts'
export { tableFilter } from './bind/table-filter.ts'
export { type ViewSource, type ViewState } from './scan/view-source.ts'
export { wireValue } from './wire/wire-values.ts'
export { layersJson, summaryJson } from './wire/wire-summary.ts'
export { openRemoteEngine, type RemoteEngineOptions } from './remote/remote-engine.ts'
export {
  openSandboxedEngine,
  type SandboxedEngine,
  type SandboxedEngineOptions,
} from './sandbox/sandboxed-engine.ts'
export { jsonMembers, jsonText, plainText, type SqlValue } from './session/values.ts'
export { outputModes, type OutputMode, type TextSink, writeResult } from './shell/result-writer.ts'
export { runShell, runStatements, type ScriptOptions, type ShellOptions } from './shell/shell.ts'
export { streamJson } from './session/stream-json.ts'
export {
  openQueryStage,
  type LoadedRows,
  type QueryStage,
  type StagedFilesRequest,
} from './write/query-stage.ts'
export { createDataFileWriter } from './write/duckdb-data-file-writer.ts'
export { createDataFileRewriter } from './write/rewrite-data-files.ts'
