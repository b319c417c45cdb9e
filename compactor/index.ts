/** compactor: keeps tables fast to read and their metadata small, beside live sinks. */
export {
  MaintenanceLoop,
  type MaintenancePolicy,
  type MaintenanceResult,
  maintainTable,
} from './maintenance-loop.ts'
export {
  checkOrphanAge,
  orphanAgeMsDefault,
  type OrphanReport,
  type OrphanRequest,
  removeOrphanFiles,
} from './remove-orphan-files.ts'
export { rewriteOptions, type RewriteOptions } from './rewrite-options.ts'
export type { GroupReport, RewriteReport } from './rewrite-report.ts'
export { type CompactorTools, type RewriteRequest, rewriteTable } from './rewrite-table.ts'
export { type HealthCheck, type TableHealth, tableHealth } from './table-health.ts'
