/** common: time, chance, the environment, errors, exact JSON, units and bounded concurrency: what every folder uses. */
export { type Clock, nextTurn, startBeat, systemClock } from './clock.ts'
export { environment, environmentEntries, setEnvironmentDefault } from './environment.ts'
export {
  AccessDeniedError,
  AlreadyExistsError,
  CommitFailedError,
  CommitStateUnknownError,
  CorruptDataError,
  type ErrorFacts,
  type LakeErrorOptions,
  LakeError,
  NotFoundError,
  SettingsError,
  UnavailableError,
  UnsupportedError,
  ValidationError,
  assert,
  errorMessage,
  isRetryable,
  unreachable,
} from './errors.ts'
export { type FailpointName, failpoint, failpointNames } from './failpoint.ts'
export { hasCode, isRunning, syncDirectory } from './file-system.ts'
export {
  type Json,
  type JsonObject,
  asBigint,
  isJsonObject,
  parseJson,
  parseJsonObject,
  stringifyJson,
} from './json.ts'
export { type LogFields, type Logger, silentLogger } from './logger.ts'
export { openOwnDirectory } from './own-directory.ts'
export { mapLimited } from './parallel.ts'
export {
  type Random,
  formatUuid,
  randomSafeId,
  randomUuid,
  seededRandom,
  systemRandom,
} from './random.ts'
export { type RetryPolicy, type RetryTools, backoffMs, withRetry } from './retry.ts'
export { tuneRuntime } from './runtime-flags.ts'
export { didYouMean, editDistance } from './suggest.ts'
export { formatDuration, formatSize, parseDuration, parseSize } from './units.ts'
