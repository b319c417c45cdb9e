/** Which kind of failure an error is to a running stream. */
import { ConflictError } from '../../catalog/index.ts'
import { CommitFailedError, CommitStateUnknownError, UnavailableError } from '../../common/index.ts'
import { OffsetConflictError } from '../offsets/checkpoint.ts'
import type { Fault } from './stream-state.ts'

/** `signal` asks the stream to stop; what waited for it rejects with its reason, whatever that is. */
export function faultOf(error: unknown, signal?: AbortSignal): Fault {
  if (signal?.aborted === true && error === signal.reason) return { kind: 'aborted', error }
  if (error instanceof OffsetConflictError) return { kind: 'conflict', error }
  if (error instanceof CommitStateUnknownError) return { kind: 'unknown', error }
  // Files whose new columns got other ids: the records are read again by the table's columns.
  if (error instanceof ConflictError) return { kind: 'lost', error }
  if (error instanceof CommitFailedError) return { kind: 'lost', error }
  if (error instanceof UnavailableError) return { kind: 'unavailable', error }
  if (error instanceof Error && error.name === 'AbortError') return { kind: 'aborted', error }
  return { kind: 'fatal', error }
}
