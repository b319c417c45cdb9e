/** Real Kafka, MinIO, Python and DuckDB extensions for tests, without Docker (shared services notes). */
export { duckdbExtensions, type DuckdbExtensions } from './duckdb-extensions.ts'
export { findDetached, freePort, stopDetached, sweepOrphans } from './background-process.ts'
export { installOnce, isInstalled, runCommand } from './install.ts'
export { installKafka, type KafkaOptions, type KafkaService, startKafka } from './kafka.ts'
export { installMinio, type MinioOptions, type MinioService, startMinio } from './minio.ts'
export { isCi, isPartAtHand, type Part, requireAbility, requirePart } from './parts.ts'
export { repositoryRoot, runFolder } from './paths.ts'
export { pythonEnvironment, type PythonEnvironment } from './python.ts'
