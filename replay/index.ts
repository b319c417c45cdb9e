/** replay: reading a range of the log again into a branch, and publishing it. */
export { createRangeSource } from './range-source.ts'
export {
  type LogFacts,
  type ReplayFrom,
  type ReplayRange,
  ReplayRefusedError,
  type ReplayUntil,
  parseOffsetPlace,
  partitionsOf,
  requestText,
  resolveRanges,
} from './replay-ranges.ts'
export {
  type ReplayRecord,
  formatReplayRecord,
  letterBranchOf,
  publishedPropertyKey,
  readReplayRecord,
  replayLag,
  replayPropertyKey,
  rewoundOffsets,
  rulesDigest,
} from './replay-record.ts'
