/** The messages between parent and child, over the child's IPC channel (structured clone). */
import type { ParameterValues } from '../text/placeholders.ts'
import type { ResultColumn, ResultRow } from '../session/query-result.ts'
import type { QuerySession } from '../session/query-session.ts'

/** What one query may use. */
export interface QueryLimits {
  readonly memoryBytesMax: number
  readonly threads: number
  readonly tempBytesMax: number
  readonly rowsMax: number
  readonly resultBytesMax: number
}

/** The first message of the parent. */
export interface ChildSettings {
  readonly limits: QueryLimits
  /** The child's own directory; each query gets a folder in it. */
  readonly directory: string
}

/** The calls that a child answers. One query at a time: `open`, the session's calls, `close`. */
export interface ChildCalls extends Omit<QuerySession, 'stream' | 'interrupt'> {
  open(): Promise<void>
  /** Locks the instance down to `files` and runs the query. */
  stream(
    text: string,
    files: readonly string[],
    values?: ParameterValues,
  ): Promise<readonly ResultColumn[]>
  next(): Promise<readonly ResultRow[] | undefined>
  interrupt(): Promise<void>
}

export type ChildCallName = keyof ChildCalls

export interface CallMessage {
  readonly id: number
  readonly call: ChildCallName
  readonly values: readonly unknown[]
}

export type ChildMessage = ReadyMessage | ReplyMessage

/** Sent once, when the walls of the child have been tried from inside. */
export interface ReadyMessage {
  readonly kind: 'ready'
  /** The error that a connection to this machine itself meets; undefined: there is a network. */
  readonly networkRefusal: string | undefined
}

export interface ReplyMessage {
  readonly kind: 'reply'
  readonly id: number
  readonly value?: unknown
  readonly error?: { readonly name: string; readonly message: string }
}
