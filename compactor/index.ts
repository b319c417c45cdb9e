/** compactor: keeps tables fast to read and their metadata small, beside running sinks. */
export { MaintenanceLoop } from './maintenance-loop.ts'
export { checkOrphanAge, removeOrphanFiles } from './remove-orphan-files.ts'
export { rewriteOptions } from './rewrite-options.ts'
export type { RewriteReport } from './rewrite-report.ts'
export { type CompactorTools, type RewriteRequest, rewriteTable } from './rewrite-table.ts'
export { type HealthCheck, tableHealth } from './table-health.ts'
