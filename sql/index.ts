/** sql: the only importer of DuckDB: the query engine, the shell, writing Parquet. */
export { openDatabase, type Database, type DatabaseOptions } from './database.ts'
export { createDataFileWriter } from './write/duckdb-data-file-writer.ts'
