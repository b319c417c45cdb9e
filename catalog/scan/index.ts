/** catalog/scan: which files a query has to read. */
export { onlyReferencedFile } from './delete-index.ts'
export { type ComparisonOperator, type Expression, oppositeOperators } from './expression.ts'
export { planScan } from './plan-scan.ts'
export type { FileScanTask, ScanPlan, ScanRequest } from './scan.ts'
export { snapshotByRef } from './snapshot-selection.ts'
export {
  type StreamingFile,
  type StreamingRange,
  type StreamingScan,
  type StreamingState,
  type StreamingLayer,
  type StreamingPin,
  type TableFreshness,
  streamingCoordinateColumns,
} from './streaming-layer.ts'
