/**
 * Decides which requests the server answers.
 *
 * Without a token only this machine may, and only under a name of this machine: a web page
 * whose name was rebound to 127.0.0.1 (DNS rebinding) shows in the Host or Origin header. With a
 * token, every request must carry it; it is compared by hash in constant time.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { SettingsError } from '../common/index.ts'
import { type HttpError, httpError } from './http-error.ts'

export interface GuardOptions {
  readonly host: string
  readonly token?: string
  /** Further host names under which requests without a token are accepted. */
  readonly allowedHosts?: readonly string[]
}

export interface GuardedRequest {
  readonly host: string | undefined
  readonly origin: string | undefined
  readonly authorization: string | undefined
  /** `sec-fetch-site`: how the page that sends the request is related to this server. */
  readonly fetchSite?: string | undefined
}

const loopbackNames = ['localhost', '127.0.0.1', '[::1]', '::1']

export function isLoopback(host: string): boolean {
  return loopbackNames.includes(host) || /^127\.\d+\.\d+\.\d+$/.test(host)
}

/** Refuses, before the server listens, settings that would let other machines use it without a token. */
export function checkGuard(
  options: GuardOptions,
  tableConfig: Readonly<Record<string, string>> | undefined,
): void {
  if (isLoopback(options.host)) return
  if (options.token === undefined) {
    throw new SettingsError('a server that other machines can reach needs a token', {
      facts: { host: options.host },
    })
  }
  const secret = Object.keys(tableConfig ?? {}).find((key) => /secret|session-token/.test(key))
  if (secret !== undefined) {
    throw new SettingsError('static keys are handed out on loopback only', {
      facts: { key: secret, host: options.host },
    })
  }
}

/** Why a request is refused; undefined for one that may pass. */
export function refusalOf(request: GuardedRequest, options: GuardOptions): HttpError | undefined {
  if (options.token !== undefined) {
    const given = /^Bearer (.+)$/i.exec(request.authorization ?? '')?.[1] ?? ''
    if (sameText(given, options.token)) return undefined
    return httpError(401, 'NotAuthorizedException', 'a valid bearer token is required')
  }
  const names = [...loopbackNames, options.host, ...(options.allowedHosts ?? [])]
  const host = hostNameOf(`http://${request.host ?? ''}`)
  if (host === undefined || !names.includes(host)) {
    return httpError(
      403,
      'ForbiddenException',
      'this server answers only under its own host names; add others to server.allowed_hosts',
    )
  }
  const origin = request.origin === undefined ? host : hostNameOf(request.origin)
  // A request for an image carries no origin, but browsers send `sec-fetch-site` with it.
  const isForeign = request.fetchSite === 'cross-site'
  if (isForeign || origin === undefined || !names.includes(origin)) {
    return httpError(403, 'ForbiddenException', 'requests from other web pages are refused')
  }
  return undefined
}

function hostNameOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).hostname : undefined
}

function sameText(left: string, right: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(hash(left), hash(right))
}
