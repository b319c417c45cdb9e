/** replay: reading a range of the log again into a branch, and publishing it. */
export { type ReplayDiff, diffReplay } from './diff-replay.ts'
export type { ReplayRequest } from './plan-replay.ts'
export { type PublishOptions, type PublishReport, publishBranch } from './publish-replay.ts'
export { parseOffsetPlace } from './replay-ranges.ts'
export type { ReplayTools } from './replay-tools.ts'
export {
  type ReplayOptions,
  type ReplayPlan,
  type ReplayReport,
  executeReplay,
  planReplay,
} from './execute-replay.ts'
