/**
 * One small object that many writers replace by compare-and-swap, with every unknown outcome settled.
 *
 * This is the whole commit: everything else is immutable, uniquely named and written before. The
 * object knows nothing of tables. Its body carries a growing `version` and a random `commitId`, so no
 * body, hence no ETag, ever returns (ABA), and the ids of its last versions (`trace`), so a writer
 * whose answer was lost can tell "mine" from "another's" even after others built on it.
 *
 * Rules (docs/spec/catalog-commit.md): absence of our id proves nothing while the request may still
 * land, so only winning or losing a further swap on the same base settles it; what cannot be settled
 * is CommitStateUnknownError, never a guess.
 */
import {
  AccessDeniedError,
  type Clock,
  CommitStateUnknownError,
  CorruptDataError,
  type Json,
  type JsonObject,
  NotFoundError,
  type Random,
  type RetryPolicy,
  UnsupportedError,
  ValidationError,
  asBigint,
  backoffMs,
  errorMessage,
  failpoint,
  isJsonObject,
  mapLimited,
  parseJson,
  randomUuid,
  stringifyJson,
} from '../../common/index.ts'
import type { FileIO, WriteCondition } from '../../io/index.ts'

/** How many versions back a writer can find its own id. */
export const traceLengthMax = 128
const bodyFormat = 1
const parallelReads = 16

export interface SwapTools {
  readonly io: FileIO
  readonly clock: Clock
  readonly random: Random
}

/** The object as it was read: what a swap is built on. */
export interface SwapState<Payload> {
  readonly version: number
  readonly commitId: string
  /** Ids of this version and the ones before it, newest first. */
  readonly trace: readonly string[]
  readonly payload: Payload
  readonly etag: string
}

export interface PayloadCodec<Payload> {
  toJson(payload: Payload): JsonObject
  /** Throws CorruptDataError. */
  fromJson(json: JsonObject, where: string): Payload
}

export interface SwapRequest<Payload> {
  readonly location: string
  /** Undefined: the object must not exist. */
  readonly base: SwapState<Payload> | undefined
  readonly payload: Payload
  readonly policy: RetryPolicy
  /** Stated for steps that several processes may take for each other; random otherwise. */
  readonly commitId?: string
}

export type SwapOutcome<Payload> =
  /** The swap is in the history of the object, perhaps with others built on it already. */
  | { readonly kind: 'won' }
  /** Another swap replaced the base, so this one can never be applied. */
  | { readonly kind: 'lost'; readonly current: SwapState<Payload> }

/** Called for each object that is left out because it is damaged or of a newer release. */
export type UnreadableHandler = (location: string, error: unknown) => void

export class SwapObject<Payload> {
  readonly #tools: SwapTools
  readonly #codec: PayloadCodec<Payload>

  constructor(tools: SwapTools, codec: PayloadCodec<Payload>) {
    this.#tools = tools
    this.#codec = codec
  }

  /** Reads the object; undefined when there is none. */
  async read(location: string): Promise<SwapState<Payload> | undefined> {
    try {
      const { body, etag } = await this.#tools.io.readObject(location)
      return this.#parse(body, etag, location)
    } catch (error) {
      if (error instanceof NotFoundError) return undefined
      throw error
    }
  }

  /**
   * Reads several objects, a few at a time; missing ones are left out. Where `skip` is
   * given, it is called for objects that are damaged or of a newer release, and these are left out too.
   */
  async readMany(
    locations: readonly string[],
    skip?: UnreadableHandler,
  ): Promise<readonly SwapState<Payload>[]> {
    const read = async (location: string): Promise<SwapState<Payload> | undefined> => {
      try {
        return await this.read(location)
      } catch (error) {
        const isLasting = error instanceof CorruptDataError || error instanceof UnsupportedError
        if (skip === undefined || !isLasting) throw error
        skip(location, error)
        return undefined
      }
    }
    const states = await mapLimited(locations, read, { limit: parallelReads })
    return states.filter((state) => state !== undefined)
  }

  /**
   * Replaces `base`. Throws CommitStateUnknownError when the outcome cannot be settled; then nothing
   * that the payload points to may be deleted. AccessDeniedError and ValidationError mean that
   * nothing was written.
   */
  async swap(request: SwapRequest<Payload>): Promise<SwapOutcome<Payload>> {
    const attempt = this.#prepare(request)
    const first = await this.#send(attempt, request.base?.etag)
    if (first.kind === 'won') return first
    // A definite refusal of rights or form to the only request sent: nothing can land.
    if (first.kind === 'unclear' && isDefinite(first.error)) throw first.error
    return this.#settle(attempt, request.policy, first)
  }

  #prepare(request: SwapRequest<Payload>): Attempt<Payload> {
    const { location, base, payload } = request
    const commitId = request.commitId ?? randomUuid(this.#tools.random)
    const version = (base?.version ?? 0) + 1
    const trace = [commitId, ...(base?.trace ?? [])].slice(0, traceLengthMax)
    const document = {
      format: bodyFormat,
      version,
      commitId,
      ...this.#codec.toJson(payload),
      trace,
    }
    const body = Buffer.from(stringifyJson(document), 'utf8')
    return { location, base, body, version, commitId }
  }

  /** Sends the one conditional PUT, once. Any other end than a definite answer is `unclear`. */
  async #send(attempt: Attempt<Payload>, etag: string | undefined): Promise<Answer> {
    const condition: WriteCondition =
      etag === undefined ? { kind: 'if-absent' } : { kind: 'if-match', etag }
    try {
      const sent = this.#tools.io.write(attempt.location, attempt.body, condition)
      // A failpoint may throw before this is awaited; the request is sent all the same.
      sent.catch(() => undefined)
      await failpoint('commit.pointer-sent')
      const result = await sent
      await failpoint('commit.pointer-answered')
      if (result.ok) return { kind: 'won' }
      // The refusal may be of a resend of this request, whose first copy was applied.
      return { kind: 'refused' }
    } catch (error) {
      return { kind: 'unclear', error }
    }
  }

  /** Reads and swaps again until it is certain who replaced the base, within the policy. */
  async #settle(
    attempt: Attempt<Payload>,
    policy: RetryPolicy,
    first: Unsettled,
  ): Promise<SwapOutcome<Payload>> {
    const { clock, random } = this.#tools
    const startedMs = clock.monotonic()
    let last = first
    for (let tried = 0; ; tried++) {
      const observed = await this.#observe(attempt)
      if (observed.kind === 'won' || observed.kind === 'lost') return observed
      if (observed.kind === 'untraceable') throw unknown(attempt, observed.reason, last)
      if (observed.kind === 'still-base') {
        const answer = await this.#send(attempt, observed.etag)
        if (answer.kind === 'won') return answer
        last = answer
        if (answer.kind === 'refused') {
          // Another process replaced the object between the read and the swap: read once more without waiting.
          const again = await this.#observe(attempt)
          if (again.kind === 'won' || again.kind === 'lost') return again
        }
      } else {
        last = { kind: 'unclear', error: observed.error }
      }
      const waitMs = backoffMs(policy, tried, random)
      const elapsedMs = clock.monotonic() - startedMs
      if (tried >= policy.retriesMax || elapsedMs + waitMs > policy.totalMsMax) {
        throw unknown(attempt, 'the store gave no clear answer in time', last)
      }
      await clock.sleep(waitMs)
    }
  }

  /** Reads the object and decides from its trace how the attempt ended. */
  async #observe(attempt: Attempt<Payload>): Promise<Observation<Payload>> {
    let current: SwapState<Payload> | undefined
    try {
      current = await this.read(attempt.location)
    } catch (error) {
      return { kind: 'unreadable', error }
    }
    const { base, version, commitId } = attempt
    if (current === undefined) {
      if (base === undefined) return { kind: 'still-base', etag: undefined }
      return { kind: 'untraceable', reason: 'the object is missing' }
    }
    if (base !== undefined && current.commitId === base.commitId) {
      return { kind: 'still-base', etag: current.etag }
    }
    const position = current.version - version
    if (position < 0) {
      return { kind: 'untraceable', reason: 'the object went back to an older version' }
    }
    const winner = current.trace[position]
    if (winner === undefined) {
      return { kind: 'untraceable', reason: 'too many commits have followed' }
    }
    return winner === commitId ? { kind: 'won' } : { kind: 'lost', current }
  }

  #parse(body: Uint8Array, etag: string, location: string): SwapState<Payload> {
    const document = parseJson(Buffer.from(body).toString('utf8'), location)
    if (!isJsonObject(document)) throw corrupt(location, 'not an object')
    if (document['format'] !== bodyFormat) {
      throw corrupt(location, `format ${stringifyJson(document['format'] ?? null)} is not known`)
    }
    const version = Number(asBigint(document['version'], location))
    const { commitId, trace } = document
    if (typeof commitId !== 'string' || !isTextList(trace) || trace[0] !== commitId) {
      throw corrupt(location, 'commit id and trace do not agree')
    }
    return { version, commitId, trace, payload: this.#codec.fromJson(document, location), etag }
  }
}

interface Attempt<Payload> {
  readonly location: string
  readonly base: SwapState<Payload> | undefined
  readonly body: Uint8Array
  readonly version: number
  readonly commitId: string
}

type Unsettled =
  | { readonly kind: 'refused' }
  | { readonly kind: 'unclear'; readonly error: unknown }

type Answer = { readonly kind: 'won' } | Unsettled

type Observation<Payload> =
  | SwapOutcome<Payload>
  | { readonly kind: 'still-base'; readonly etag: string | undefined }
  | { readonly kind: 'untraceable'; readonly reason: string }
  | { readonly kind: 'unreadable'; readonly error: unknown }

/** True when the store certainly did not write, because of missing rights or a malformed request. */
export function isDefinite(error: unknown): boolean {
  return error instanceof AccessDeniedError || error instanceof ValidationError
}

function unknown<Payload>(
  attempt: Attempt<Payload>,
  reason: string,
  last: Unsettled,
): CommitStateUnknownError {
  const error = last.kind === 'unclear' ? last.error : undefined
  return new CommitStateUnknownError(
    `the outcome of the commit is unknown (${reason}); delete nothing, look for its commit id later`,
    {
      facts: {
        commitId: attempt.commitId,
        version: attempt.version,
        object: attempt.location,
        last: error === undefined ? 'refused' : errorMessage(error),
      },
      ...(error === undefined ? {} : { cause: error }),
    },
  )
}

function corrupt(where: string, reason: string): CorruptDataError {
  return new CorruptDataError('catalog object is damaged', { facts: { where, reason } })
}

function isTextList(value: Json | undefined): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}
