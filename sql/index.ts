/** sql: the only importer of DuckDB: the query engine, the shell, writing Parquet. */
export { openDatabase, type Database, type DatabaseOptions } from './database.ts'
export { FileCache, type FileCacheOptions } from './file-cache.ts'
export { type HttpfsSettings } from './query/file-access.ts'
export {
  createQueryEngine,
  type QueryEngine,
  type QueryEngineOptions,
} from './query/query-engine.ts'
export {
  allRows,
  type QueryResult,
  type QuerySummary,
  type ResultColumn,
  type ResultRow,
  type TableSummary,
} from './query/query-result.ts'
export { type QueryOptions } from './query/query-run.ts'
export { splitStatements } from './query/statements.ts'
export { jsonMembers, jsonText, plainText, type SqlValue } from './query/values.ts'
export { outputModes, type OutputMode } from './shell/result-writer.ts'
export { runShell, runStatements, type ScriptOptions, type ShellOptions } from './shell/shell.ts'
export { streamJson } from './stream-json.ts'
export {
  openQueryStage,
  type LoadedRows,
  type QueryStage,
  type StagedFilesRequest,
} from './write/query-stage.ts'
export { createDataFileWriter } from './write/duckdb-data-file-writer.ts'
