/** compactor: keeps tables fast to read and their metadata small, beside live sinks. */
export {
  type GroupReport,
  type RewriteReport,
} from './rewrite-report.ts'
export { rewriteOptions, type RewriteOptions } from './rewrite-options.ts'
export { rewriteTable, type CompactorTools, type RewriteRequest } from './rewrite-table.ts'
