/** The query engine of a running server, over `POST /query`: what `tide sql --server` talks to. */
import { RestCatalog } from '../../catalog/index.ts'
import { formatNamespace } from '../../catalog/format/index.ts'
import {
  CorruptDataError,
  UnavailableError,
  ValidationError,
  AccessDeniedError,
  NotFoundError,
  errorMessage,
  isJsonObject,
  parseJson,
  parseJsonObject,
  type Json,
  type JsonObject,
} from '../../common/index.ts'
import type { QueryEngine } from '../engine/query-engine.ts'
import { refuseCall } from '../procedures/call-procedure.ts'
import type { QueryResult, ResultColumn, ResultRow } from '../session/query-result.ts'
import type { QueryOptions } from '../scan/query-tools.ts'
import { isKeyword, tokenize } from '../text/tokens.ts'
import { readSummary, type WireSummary } from '../wire/wire-summary.ts'
import { readWireValue } from '../wire/wire-values.ts'

export interface RemoteEngineOptions {
  /** `http://127.0.0.1:8181`. */
  readonly url: string
  readonly token?: string
}

/** Rows handed on at a time. */
const batchRowsMax = 2048

/** Nothing is contacted before the first query. */
export function openRemoteEngine(options: RemoteEngineOptions): QueryEngine {
  const { token } = options
  const uri = options.url.replace(/\/+$/, '')
  return {
    catalog: new RestCatalog({ uri, ...(token === undefined ? {} : { token }) }),
    procedures: [],
    query: (sql, queryOptions = {}) => query({ ...options, url: uri }, sql, queryOptions),
  }
}

async function query(
  { token, url }: RemoteEngineOptions,
  sql: string,
  { defaultNamespace, signal }: QueryOptions,
): Promise<QueryResult> {
  const { tokens } = tokenize(sql)
  if (isKeyword(tokens[0], 'CALL')) throw refuseCall(tokens)
  const controller = new AbortController()
  const stop = (): void => controller.abort(signal?.reason)
  signal?.addEventListener('abort', stop, { once: true })
  const parameters = new URLSearchParams({ default_format: 'TidewaterRows' })
  if (defaultNamespace !== undefined) parameters.set('database', formatNamespace(defaultNamespace))
  const response = await fetch(`${url}/query?${parameters.toString()}`, {
    method: 'POST',
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: sql,
    signal: controller.signal,
  }).catch((error: unknown) => {
    throw signal?.aborted === true
      ? new UnavailableError('the query was cancelled')
      : unreachable(url, error)
  })
  if (!response.ok || response.body === null) throw await refusalOf(response, url)
  const lines = linesOf(response.body, url)
  const first = await nextLine(lines, url)
  const state: { last: WireSummary | undefined } = { last: undefined }
  const batches = batchesOf(lines, url, state)
  const isEmpty = columnsOf(first).length === 0
  // USE gives no rows, only a summary, which the shell reads at once.
  if (isEmpty) for await (const _ of batches) continue
  return {
    columns: columnsOf(first),
    batches,
    summary: () => {
      if (state.last !== undefined) return state.last.summary
      throw new UnavailableError('the summary comes after the rows')
    },
    ...(state.last?.usedNamespace === undefined ? {} : { usedNamespace: state.last.usedNamespace }),
    close: async () => {
      signal?.removeEventListener('abort', stop)
      if (state.last === undefined) controller.abort(new Error('closed'))
    },
  }
}

async function* batchesOf(
  lines: AsyncGenerator<string>,
  url: string,
  state: { last: WireSummary | undefined },
): AsyncGenerator<readonly ResultRow[]> {
  let batch: ResultRow[] = []
  for (;;) {
    const json = await nextLine(lines, url)
    if (Array.isArray(json)) {
      batch.push((json as readonly Json[]).map(readWireValue))
      if (batch.length < batchRowsMax) continue
      yield batch
      batch = []
      continue
    }
    if (batch.length > 0) yield batch
    batch = []
    const object = isJsonObject(json) ? json : {}
    if (isJsonObject(object['summary'])) {
      state.last = readSummary(object['summary'])
      return
    }
    if (typeof object['exception'] === 'string') throw new UnavailableError(object['exception'])
    throw new CorruptDataError('the server sent a line that is no row', { facts: { url } })
  }
}

/** The next line as JSON. An answer that ends without its summary is incomplete. */
async function nextLine(lines: AsyncGenerator<string>, url: string): Promise<Json> {
  const { done, value } = await lines.next()
  if (done === true) {
    throw new UnavailableError('the server broke off its answer', { facts: { url } })
  }
  // Wire rows hold no JSON numbers (wire-values.ts), so JSON.parse reads them without loss.
  return value.startsWith('[') ? parseRow(value, url) : parseJson(value, url)
}

function parseRow(line: string, url: string): Json {
  try {
    return JSON.parse(line) as Json
  } catch (error) {
    throw new CorruptDataError('the server sent a line that is no JSON', {
      facts: { url },
      cause: error,
    })
  }
}

async function* linesOf(body: ReadableStream<Uint8Array>, url: string): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for await (const chunk of body) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = parts.pop() ?? ''
      yield* parts
    }
  } catch (error) {
    throw unreachable(url, error)
  }
}

function columnsOf(json: Json): readonly ResultColumn[] {
  const columns = isJsonObject(json) ? json['columns'] : undefined
  if (!Array.isArray(columns)) {
    throw new CorruptDataError('the server sent no columns: is this a tidewater server?')
  }
  return (columns as readonly JsonObject[]).map(({ name, type }) => ({
    name: String(name),
    type: String(type),
  }))
}

/** The server's own error, of the class that belongs to its status. */
async function refusalOf(response: Response, url: string): Promise<Error> {
  const text = await response.text()
  const message = messageOf(text) ?? `${url} answered ${response.status}`
  // A server without queries refuses the text as a body of an unknown type.
  if (message === 'no such endpoint' || response.status === 415) {
    return new NotFoundError('this server answers no queries: is it tide serve of this release?')
  }
  if (response.status === 404) return new NotFoundError(message)
  if (response.status === 401 || response.status === 403) return new AccessDeniedError(message)
  return response.status < 500 ? new ValidationError(message) : new UnavailableError(message)
}

function messageOf(text: string): string | undefined {
  // The body may be a proxy's page: the status is enough.
  const error = parseJsonObject(text)?.['error']
  return isJsonObject(error) && typeof error['message'] === 'string' ? error['message'] : undefined
}

function unreachable(url: string, error: unknown): Error {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  return new UnavailableError(`cannot reach the server: ${errorMessage(cause)}`, {
    facts: { url },
    cause: error,
  })
}
