/**
 * Errors told apart by what the caller does next (docs/adr and shared rules: one class per caller decision).
 *
 * Messages are lower case, say what was found and what would help, and end with the facts as
 * `key=value`. Library code throws or returns; only workers and `cli` log.
 */

export type ErrorFacts = Readonly<
  Record<string, string | number | bigint | boolean | null | undefined>
>

export interface LakeErrorOptions {
  readonly facts?: ErrorFacts
  readonly cause?: unknown
}

export abstract class LakeError extends Error {
  abstract readonly code: string
  /** True when the same call may succeed later without any change by the caller. */
  readonly retryable: boolean = false
  readonly facts: ErrorFacts

  constructor(message: string, options: LakeErrorOptions = {}) {
    super(withFacts(message, options.facts), { cause: options.cause })
    this.name = new.target.name
    this.facts = options.facts ?? {}
  }
}

/** A requirement of the commit does not hold on the current table: rebase and try again. */
export class CommitFailedError extends LakeError {
  readonly code = 'commit-failed'
  override readonly retryable = true
}

/** The commit may or may not have been applied. Delete nothing; look for the commit id later. */
export class CommitStateUnknownError extends LakeError {
  readonly code = 'commit-state-unknown'
}

/** The input is wrong and will stay wrong: the message names the thing, where it is, and the way out. */
export class ValidationError extends LakeError {
  readonly code = 'validation'
}

export class NotFoundError extends LakeError {
  readonly code = 'not-found'
}

export class AlreadyExistsError extends LakeError {
  readonly code = 'already-exists'
}

/** Stored bytes contradict the format or themselves; the message names the file. */
export class CorruptDataError extends LakeError {
  readonly code = 'corrupt-data'
}

/** A peer (store, broker, catalog) did not answer properly now: try again later. */
export class UnavailableError extends LakeError {
  readonly code = 'unavailable'
  override readonly retryable = true
}

/** A peer refused our credentials or rights: retrying does not help. */
export class AccessDeniedError extends LakeError {
  readonly code = 'access-denied'
}

/** Settings (file, flag, environment) are wrong; the message names the key and where it stands. */
export class SettingsError extends LakeError {
  readonly code = 'settings'
}

/** Something that exists elsewhere (in the spec, in another release) but is not supported here; the message says what to do instead. */
export class UnsupportedError extends LakeError {
  readonly code = 'unsupported'
}

export function isRetryable(error: unknown): boolean {
  return error instanceof LakeError && error.retryable
}

/** The message of anything thrown, for wrapping into another message. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** For our own bugs only: a condition that no input can break. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`)
}

/** Makes a switch total: a new member of the union does not compile until it is handled. */
export function unreachable(value: never): never {
  throw new Error(`assertion failed: unreachable value ${String(value)}`)
}

function withFacts(message: string, facts: ErrorFacts | undefined): string {
  if (facts === undefined) return message
  const pairs = Object.entries(facts)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}=${String(value)}`)
  return pairs.length === 0 ? message : `${message}: ${pairs.join(' ')}`
}
