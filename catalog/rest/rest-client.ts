/**
 * HTTP to an Iceberg REST catalog: one request, its answer as JSON, its failure as an error of `common`.
 *
 * What a failure means depends on the request. For a read every fault is "not available now". For a
 * write, a lost answer or a 500, 502 or 504 may hide a write that happened
 * (CommitStateUnknownError); only 503 and 429 promise that nothing did (REST OpenAPI, "commit").
 * Redirects and other origins are never followed, so a token cannot be lured away.
 */
import {
  AccessDeniedError,
  AlreadyExistsError,
  CommitFailedError,
  CommitStateUnknownError,
  type ErrorFacts,
  type Json,
  type JsonObject,
  type LakeError,
  NotFoundError,
  UnavailableError,
  UnsupportedError,
  ValidationError,
  errorMessage,
  isJsonObject,
  parseJson,
  parseJsonObject,
  stringifyJson,
} from '../../common/index.ts'

export interface RestClientOptions {
  /** For example `http://127.0.0.1:8181`; may end with `/v1`. */
  readonly uri: string
  readonly token?: string
  readonly timeoutMs?: number
  /** Only for tests that stand between client and server. */
  readonly fetch?: typeof fetch
}

export interface RestRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Below `/v1/`. */
  readonly path: string
  readonly query?: Readonly<Record<string, string | undefined>>
  readonly body?: JsonObject
  /** What 409 means for this request. */
  readonly conflict?: 'exists' | 'commit-failed' | 'not-empty'
}

const timeoutMsDefault = 60_000

export class RestClient {
  readonly #base: URL
  readonly #options: RestClientOptions

  constructor(options: RestClientOptions) {
    const text = options.uri.replace(/\/+$/, '')
    if (!/^https?:\/\/./.test(text) || !URL.canParse(text)) {
      throw new ValidationError('the catalog uri must be an http or https url', {
        facts: { uri: options.uri },
      })
    }
    this.#base = new URL(text.endsWith('/v1') ? `${text}/` : `${text}/v1/`)
    this.#options = options
  }

  get origin(): string {
    return this.#base.origin
  }

  /** The parsed body; undefined for an empty one. */
  async send(request: RestRequest): Promise<Json | undefined> {
    const url = new URL(request.path, this.#base)
    for (const [key, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) url.searchParams.set(key, value)
    }
    const facts = { method: request.method, url: url.toString() }
    let status: number
    let text: string
    try {
      const response = await (this.#options.fetch ?? fetch)(url, this.#init(request))
      status = response.status
      text = await response.text()
    } catch (error) {
      throw lostAnswer(request, error, facts)
    }
    if (status >= 200 && status < 300) {
      return text === '' ? undefined : readAnswer(request, text, facts)
    }
    throw refusal(request, status, errorBody(text), facts)
  }

  #init(request: RestRequest): RequestInit {
    const { token, timeoutMs = timeoutMsDefault } = this.#options
    return {
      method: request.method,
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        accept: 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(request.body === undefined ? {} : { body: stringifyJson(request.body) }),
    }
  }
}

function readAnswer(request: RestRequest, text: string, facts: ErrorFacts): Json {
  try {
    return parseJson(text, request.path)
  } catch (error) {
    // The body is cut off or not JSON: the write may have happened all the same.
    throw lostAnswer(request, error, facts)
  }
}

function lostAnswer(request: RestRequest, error: unknown, facts: ErrorFacts): LakeError {
  const options = { facts: { ...facts, reason: reasonOf(error) }, cause: error }
  if (request.method === 'GET' || neverLeft(error)) {
    return new UnavailableError('the catalog could not be reached', options)
  }
  return new CommitStateUnknownError(
    'the catalog did not answer; the change may have been made',
    options,
  )
}

/** The connection was refused or the name unknown: no request was sent. */
function neverLeft(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  return ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN'].includes(code)
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  return cause === undefined ? errorMessage(error) : errorMessage(cause)
}

interface ErrorBody {
  readonly message: string
  readonly type: string
}

function errorBody(text: string): ErrorBody {
  // Gateways answer in HTML; the status alone decides then.
  const error = parseJsonObject(text)?.['error']
  return isJsonObject(error)
    ? { message: textOf(error['message']), type: textOf(error['type']) }
    : { message: '', type: '' }
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value.slice(0, 1000) : ''
}

type RefusalClass = new (message: string, options: { readonly facts: ErrorFacts }) => LakeError

/** Statuses that mean the same whatever was requested. */
const refusals: Readonly<Partial<Record<number, RefusalClass>>> = {
  400: ValidationError,
  401: AccessDeniedError,
  403: AccessDeniedError,
  404: NotFoundError,
  405: UnsupportedError,
  406: UnsupportedError,
  413: ValidationError,
  419: AccessDeniedError,
  422: ValidationError,
  429: UnavailableError,
  501: UnsupportedError,
  503: UnavailableError,
}

function refusal(
  request: RestRequest,
  status: number,
  { message, type }: ErrorBody,
  facts: ErrorFacts,
): LakeError {
  const text = message === '' ? 'the catalog refused' : message
  const options = { facts: { ...facts, status, ...(type === '' ? {} : { type }) } }
  if (status === 409) return conflictError(request, text, options)
  const Refusal = refusals[status]
  if (Refusal !== undefined) return new Refusal(text, options)
  if (status < 500) return new UnsupportedError(`unexpected answer: ${text}`, options)
  const Failure = request.method === 'GET' ? UnavailableError : CommitStateUnknownError
  return new Failure(text, options)
}

function conflictError(
  request: RestRequest,
  text: string,
  options: { readonly facts: ErrorFacts },
): LakeError {
  if (request.conflict === 'commit-failed') return new CommitFailedError(text, options)
  if (request.conflict === 'not-empty') return new ValidationError(text, options)
  return new AlreadyExistsError(text, options)
}
