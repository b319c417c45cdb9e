/** Which kind of failure an error is to a running stream. */
import { ConflictError, RefusedColumnsError } from '../../catalog/index.ts'
import {
  CommitFailedError,
  CommitStateUnknownError,
  CorruptDataError,
  UnavailableError,
  UnsupportedError,
} from '../../common/index.ts'
import { OffsetConflictError, OffsetsSetError } from '../offsets/checkpoint.ts'
import { LogMismatchError } from '../offsets/log-faults.ts'
import { OffsetOutOfRangeError } from '../source/offset-out-of-range-error.ts'
import type { Fault, StreamAction } from './stream-state.ts'

/** `signal` asks the stream to stop; what waited for it rejects with its reason, whatever that is. */
export function faultOf(error: unknown, during: StreamAction['kind'], signal?: AbortSignal): Fault {
  if (signal?.aborted === true && error === signal.reason) return { kind: 'aborted', error }
  if (error instanceof OffsetsSetError) return { kind: 'moved', error }
  if (error instanceof OffsetConflictError) return { kind: 'conflict', error }
  if (error instanceof CommitStateUnknownError) return { kind: 'unknown', error }
  // Files whose new columns got other ids: the records are read again by the table's columns.
  if (error instanceof ConflictError) return { kind: 'lost', error }
  // The records are read again as text, of which the engine can refuse single rows.
  if (error instanceof RefusedColumnsError) return { kind: 'lost', error }
  if (error instanceof CommitFailedError) return { kind: 'lost', error }
  // The table's own offsets say whether the log still has what comes next (E6).
  if (error instanceof OffsetOutOfRangeError && during !== 'poll') return { kind: 'lost', error }
  if (error instanceof UnavailableError) return { kind: 'unavailable', error }
  if (error instanceof Error && error.name === 'AbortError') return { kind: 'aborted', error }
  return { kind: during === 'poll' && endsTheLog(error) ? 'log-unreadable' : 'fatal', error }
}

/** Sources throw these only when everything before was given. */
function endsTheLog(error: unknown): boolean {
  return (
    error instanceof CorruptDataError ||
    error instanceof UnsupportedError ||
    error instanceof OffsetOutOfRangeError ||
    error instanceof LogMismatchError
  )
}
