/** replay: reading a range of the log again into a branch, and publishing it. */
export { type ReplayDiff, diffBranch } from './diff-replay.ts'
export { type ExecuteOptions, type ReplayReport, executeReplay } from './execute-replay.ts'
export { type ReplayRequest, planReplay } from './plan-replay.ts'
export { type ReplayPreview, previewReplay } from './preview-replay.ts'
export { type PublishOptions, type PublishReport, publishBranch } from './publish-branch.ts'
export { parseRecordCoordinates } from './replay-ranges.ts'
export type { ReplayTools } from './replay-tools.ts'
