/**
 * AWS Signature Version 4 by hand, for what the SDK's S3 client cannot do in tests: MinIO's STS call,
 * and a gateway that changes signed headers.
 */
import { createHash, createHmac } from 'node:crypto'

export interface SigningKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface RequestToSign {
  readonly method: string
  readonly url: URL
  /** Lower-case names; all of them are signed, so no hop-by-hop header among them. */
  readonly headers: Readonly<Record<string, string>>
  readonly service: 's3' | 'sts'
  /** The body, or undefined for an unsigned payload (S3 only). */
  readonly body?: string
}

/** The headers with host, date, payload hash and authorization added. */
export function signV4(
  request: RequestToSign,
  keys: SigningKeys,
  now: Date,
): Record<string, string> {
  const stamp = now.toISOString().replaceAll(/[-:]|\.\d{3}/g, '')
  const day = stamp.slice(0, 8)
  const payload = request.body === undefined ? 'UNSIGNED-PAYLOAD' : sha256(request.body)
  const headers: Record<string, string> = {
    ...request.headers,
    host: request.url.host,
    'x-amz-date': stamp,
    'x-amz-content-sha256': payload,
  }
  const names = Object.keys(headers).sort()
  const query = [...request.url.searchParams]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&')
  const canonical = [
    request.method,
    request.url.pathname,
    query,
    ...names.map((name) => `${name}:${(headers[name] ?? '').trim()}`),
    '',
    names.join(';'),
    payload,
  ].join('\n')
  const scope = `${day}/us-east-1/${request.service}/aws4_request`
  const text = ['AWS4-HMAC-SHA256', stamp, scope, sha256(canonical)].join('\n')
  const signature = hmac(
    [day, 'us-east-1', request.service, 'aws4_request'].reduce<string | Buffer>(
      (key, part) => hmac(key, part),
      `AWS4${keys.secretAccessKey}`,
    ),
    text,
  ).toString('hex')
  const credential = `${keys.accessKeyId}/${scope}`
  headers['authorization'] =
    `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`
  return headers
}

function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
