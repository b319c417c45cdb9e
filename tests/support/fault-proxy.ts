/**
 * An HTTP proxy in front of an object store that breaks chosen requests the way networks and stores do:
 * the answer is lost after the store has applied the request, the request comes late, a 503 stands in
 * the way, or a store ignores the conditional headers. Rules match by method and path and are counted,
 * so that a test can demand that its fault really happened.
 *
 * The client's Host header goes through unchanged: AWS signatures cover it.
 */
import {
  type IncomingHttpHeaders,
  type IncomingMessage,
  createServer,
  request as sendRequest,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { systemClock } from '../../common/index.ts'

export type Fault =
  /** The store applies the request; the client sees its connection reset. */
  | { readonly kind: 'drop-response' }
  /** The connection is reset before the store sees anything. */
  | { readonly kind: 'drop-request' }
  /** The store applies the request; the client sees this status instead of the answer. */
  | { readonly kind: 'replace-response'; readonly status: 500 | 502 | 503 | 504 }
  /** The store never sees the request. */
  | { readonly kind: 'refuse'; readonly status: 500 | 502 | 503 | 504 }
  | { readonly kind: 'delay-request'; readonly ms: number }
  | { readonly kind: 'delay-response'; readonly ms: number }
  /** Waits for `release()` before the store sees the request. */
  | { readonly kind: 'hold-request' }
  /** As a store that does not know If-Match and If-None-Match. */
  | { readonly kind: 'strip-conditions' }

export interface FaultRule {
  readonly method?: string
  /** Tested against the path with its query, as sent. */
  readonly path?: RegExp
  readonly fault: Fault
  /** Matches to let through first; 0 if absent. */
  readonly after?: number
  /** Matches to break after those; without limit if absent. */
  readonly times?: number
}

export interface ActiveRule {
  /** How many requests this rule has broken so far. */
  readonly hits: number
  /** Resolves when `hits` reaches `count`, so that a test can act in the middle of a held request. */
  reached(count: number): Promise<void>
  /** Resolves when every request that the rule has broken so far has ended, at the store as well. */
  settled(): Promise<void>
  /** Lets all requests go that the rule holds, and those to come. */
  release(): void
  remove(): void
}

export interface ProxiedRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** What the store answered, undefined while it has not or when it was never asked. */
  readonly upstreamStatus: number | undefined
  /** What the client saw; `reset` when the connection was broken. */
  readonly outcome: number | 'reset' | undefined
}

export interface FaultProxy {
  /** `http://127.0.0.1:port`, to be given to the client as its endpoint. */
  readonly endpoint: string
  /** Every request so far, oldest first. */
  readonly requests: readonly ProxiedRequest[]
  /** The first rule that matches and is not used up applies. */
  add(rule: FaultRule): ActiveRule
  clear(): void
  stop(): Promise<void>
}

interface RuleState extends ActiveRule {
  readonly rule: FaultRule
  hits: number
  seen: number
  readonly handled: Promise<void>[]
  readonly released: Promise<void>
  tell(): void
}

type RequestLog = { -readonly [Key in keyof ProxiedRequest]: ProxiedRequest[Key] }

/** Starts a proxy on a free loopback port in front of `target` (an `http://host:port`). */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const upstream = new URL(target)
  let rules: RuleState[] = []
  const requests: RequestLog[] = []
  const sockets = new Set<Socket>()
  const server = createServer((incoming, outgoing) => {
    const log: RequestLog = {
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      headers: incoming.headers,
      upstreamStatus: undefined,
      outcome: undefined,
    }
    requests.push(log)
    const state = chooseRule(rules, log)
    const handled = handle(upstream, incoming, outgoing, log, state).catch(() => {
      log.outcome = 'reset'
      incoming.socket.destroy()
    })
    state?.handled.push(handled)
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}`,
    requests,
    add: (rule) => {
      const state = createRule(rule, () => {
        rules = rules.filter((each) => each !== state)
      })
      rules.push(state)
      return state
    },
    clear: () => {
      for (const state of rules) state.release()
      rules = []
    },
    stop: async () => {
      for (const state of rules) state.release()
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

function createRule(rule: FaultRule, remove: () => void): RuleState {
  let release = (): void => undefined
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  const waiting: { readonly count: number; readonly resolve: () => void }[] = []
  const state: RuleState = {
    rule,
    hits: 0,
    seen: 0,
    handled: [],
    released,
    release,
    remove: () => {
      release()
      remove()
    },
    reached: (count) =>
      new Promise((resolve) => {
        waiting.push({ count, resolve })
        state.tell()
      }),
    settled: async () => {
      await Promise.all(state.handled)
    },
    tell: () => {
      for (const each of waiting) if (state.hits >= each.count) each.resolve()
    },
  }
  return state
}

function chooseRule(rules: readonly RuleState[], log: RequestLog): RuleState | undefined {
  for (const state of rules) {
    const { method, path, after = 0, times = Number.POSITIVE_INFINITY } = state.rule
    if (method !== undefined && method !== log.method) continue
    if (path !== undefined && !path.test(log.path)) continue
    state.seen++
    if (state.seen <= after || state.hits >= times) continue
    state.hits++
    state.tell()
    return state
  }
  return undefined
}

async function handle(
  upstream: URL,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  log: RequestLog,
  state: RuleState | undefined,
): Promise<void> {
  const fault = state?.rule.fault
  if (fault?.kind === 'drop-request') throw new Error('dropped before the store')
  // `Expect: 100-continue` was answered by node; reading all first keeps faults independent of timing.
  const body = await buffer(incoming)
  if (fault?.kind === 'refuse') {
    answer(outgoing, log, fault.status, {}, Buffer.alloc(0))
    return
  }
  if (fault?.kind === 'delay-request') await systemClock.sleep(fault.ms)
  if (fault?.kind === 'hold-request') await state?.released
  const reply = await forward(upstream, incoming, body, fault?.kind === 'strip-conditions')
  log.upstreamStatus = reply.status
  if (fault?.kind === 'delay-response') await systemClock.sleep(fault.ms)
  if (fault?.kind === 'drop-response') throw new Error('dropped after the store')
  if (fault?.kind === 'replace-response') {
    answer(outgoing, log, fault.status, {}, Buffer.alloc(0))
    return
  }
  answer(outgoing, log, reply.status, reply.headers, reply.body)
}

interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

async function forward(
  upstream: URL,
  incoming: IncomingMessage,
  body: Buffer,
  stripConditions: boolean,
): Promise<Reply> {
  const headers = { ...incoming.headers }
  delete headers['expect']
  delete headers['transfer-encoding']
  if (stripConditions) {
    delete headers['if-match']
    delete headers['if-none-match']
  }
  const hasBody = body.length > 0 || headers['content-length'] !== undefined
  if (hasBody) headers['content-length'] = String(body.length)
  return new Promise((resolve, reject) => {
    const outbound = sendRequest(
      {
        host: upstream.hostname,
        port: upstream.port,
        method: incoming.method,
        path: incoming.url,
        headers,
        agent: false,
      },
      (response) => {
        buffer(response).then(
          (received) =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: received,
            }),
          reject,
        )
      },
    )
    outbound.on('error', reject)
    outbound.end(hasBody ? body : undefined)
  })
}

function answer(
  outgoing: ServerResponse,
  log: RequestLog,
  status: number,
  headers: IncomingHttpHeaders,
  body: Buffer,
): void {
  log.outcome = status
  const kept = { ...headers }
  delete kept['transfer-encoding']
  delete kept['connection']
  // A HEAD answer announces the length of a body it does not carry.
  if (log.method !== 'HEAD') kept['content-length'] = String(body.length)
  outgoing.writeHead(status, kept)
  outgoing.end(log.method === 'HEAD' ? undefined : body)
}
