/**
 * How a failure reaches the person who ran the command: one message that says what is wrong and what
 * would help, no stack; and the exit code: 1 the thing failed, 2 usage, settings or our own fault.
 */
import { LakeError, SettingsError, ValidationError } from '../../common/index.ts'

export const exitCodes = { fine: 0, failed: 1, usage: 2, interrupted: 130 } as const

/** Wrong use of the command line. */
export class UsageError extends SettingsError {}

/** For what is read from flags: what is wrong with it is wrong use. */
export function fromFlags<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof ValidationError)) throw error
    throw new UsageError(error.message, { cause: error })
  }
}

/** The command has printed its own result; only the exit code is missing. */
export class SilentFailure extends Error {
  readonly exitCode: number

  constructor(exitCode: number = exitCodes.failed) {
    super('failed')
    this.name = 'SilentFailure'
    this.exitCode = exitCode
  }
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof SilentFailure) return error.exitCode
  if (error instanceof SettingsError) return exitCodes.usage
  if (error instanceof LakeError || isAddressFault(error)) return exitCodes.failed
  return exitCodes.usage
}

/** The lines for stderr; empty when the command has printed everything itself. */
export function failureText(error: unknown, debug: boolean): string {
  if (error instanceof SilentFailure) return ''
  const message = error instanceof Error ? error.message : String(error)
  const stack = debug ? `\n${stackOf(error)}` : ''
  const expected = error instanceof LakeError || isAddressFault(error)
  const hint = expected || debug ? '' : '\nthis is a fault of tidewater; --debug shows where'
  return `${prefixed(message, error)}${hint}${stack}`
}

/** A list of file:line:col lines stays as it is, so that editors can read it. */
function prefixed(message: string, error: unknown): string {
  const isList = error instanceof SettingsError && /^[^\s:]+:\d+:\d+ /.test(message)
  return isList ? message : `error: ${message}`
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `\ncaused by ${stackOf(error.cause)}`
  return `${error.stack ?? error.message}${cause}`
}

/** Faults of the operating system that no bug of ours causes: a port in use, a full disk. */
function isAddressFault(error: unknown): boolean {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  return code !== undefined && ['EADDRINUSE', 'EACCES', 'ENOSPC', 'EROFS', 'EMFILE'].includes(code)
}
