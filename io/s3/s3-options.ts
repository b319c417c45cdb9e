/**
 * Settings of an S3 store and the two SDK clients made from them.
 *
 * The SDK resends a request whose answer was lost. For a conditional PUT that is a fault: the resent
 * request finds its own first copy and is answered that it lost. So conditional writes have a client of
 * their own that sends once, over a fresh connection each time, because a kept-alive connection that
 * the server has just closed would turn a plain commit into an unknown outcome.
 */
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { SettingsError, setEnvironmentDefault } from '../../common/index.ts'

export interface S3Options {
  /** `http://127.0.0.1:9000` for MinIO; without it the SDK's own rules (AWS_ENDPOINT_URL_S3, AWS). */
  readonly endpoint?: string | undefined
  /** By default us-east-1 with an endpoint, otherwise the SDK's own rules (AWS_REGION, profile). */
  readonly region?: string | undefined
  /** Without keys the SDK's chain: environment, profile, container or instance role. */
  readonly accessKeyId?: string | undefined
  readonly secretAccessKey?: string | undefined
  readonly sessionToken?: string | undefined
  /** `http://host/bucket/key` instead of `http://bucket.host/key`; by default on with an endpoint. */
  readonly pathStyleAccess?: boolean | undefined
  /** Requests under way at once (default 32); further ones wait. */
  readonly requestsMax?: number | undefined
  /** Tries of a request that is safe to repeat (default 5, with back-off and jitter). */
  readonly attemptsMax?: number | undefined
  readonly connectTimeoutMs?: number | undefined
  /** A connection on which nothing moves for so long is given up (default 60 s). */
  readonly idleTimeoutMs?: number | undefined
  /** A conditional write without an answer after so long has an unknown outcome (default 30 s). */
  readonly conditionalTimeoutMs?: number | undefined
}

const loopbackHosts = new Set(['127.0.0.1', '[::1]', 'localhost'])

export interface S3Clients {
  readonly bulk: S3Client
  readonly conditional: S3Client
  readonly requestsMax: number
}

export function makeClients(options: S3Options): S3Clients {
  // The SDK warns on every start that *later* versions want a newer Node; ours is pinned.
  setEnvironmentDefault('AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED', 'true')
  const requestsMax = options.requestsMax ?? 32
  const connectionTimeout = options.connectTimeoutMs ?? 5_000
  const agent = { keepAlive: true, maxSockets: requestsMax }
  const once = { keepAlive: false, maxSockets: requestsMax }
  const bulk = new S3Client({
    ...clientConfig(options),
    maxAttempts: options.attemptsMax ?? 5,
    requestHandler: {
      connectionTimeout,
      socketTimeout: options.idleTimeoutMs ?? 60_000,
      httpAgent: agent,
      httpsAgent: agent,
    },
  })
  if (isTamperProof(options.endpoint)) leaveBodiesUnsigned(bulk)
  return {
    requestsMax,
    bulk,
    conditional: new S3Client({
      ...clientConfig(options),
      maxAttempts: 1,
      requestHandler: {
        connectionTimeout,
        requestTimeout: options.conditionalTimeoutMs ?? 30_000,
        throwOnRequestTimeout: true,
        httpAgent: once,
        httpsAgent: once,
      },
    }),
  }
}

function clientConfig(options: S3Options): S3ClientConfig {
  const { endpoint, accessKeyId, secretAccessKey, sessionToken } = options
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
    throw new SettingsError('the access key id and the secret access key belong together', {
      facts: { missing: accessKeyId === undefined ? 'access-key-id' : 'secret-access-key' },
    })
  }
  const region = options.region ?? (endpoint === undefined ? undefined : 'us-east-1')
  return {
    ...(endpoint === undefined ? {} : { endpoint: checkEndpoint(endpoint) }),
    ...(region === undefined ? {} : { region }),
    forcePathStyle: options.pathStyleAccess ?? endpoint !== undefined,
    ...(accessKeyId === undefined || secretAccessKey === undefined
      ? {}
      : {
          credentials: {
            accessKeyId,
            secretAccessKey,
            ...(sessionToken === undefined ? {} : { sessionToken }),
          },
        }),
  }
}

/** True when no machine on the way can alter a body: TLS, or a store on this machine. Without an endpoint it is AWS, by TLS. */
function isTamperProof(endpoint: string | undefined): boolean {
  if (endpoint === undefined) return true
  const { protocol, hostname } = new URL(endpoint)
  return protocol === 'https:' || loopbackHosts.has(hostname)
}

/**
 * As other SDKs do over TLS: a body is guarded by its CRC-32, which the signature covers, and not by a
 * SHA-256 beside it, which both sides would have to compute over every data file.
 */
function leaveBodiesUnsigned(client: S3Client): void {
  client.middlewareStack.add(
    (next) => (args) => {
      const { headers, body } = args.request as { headers: Record<string, string>; body?: unknown }
      if (body instanceof Uint8Array) headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD'
      return next(args)
    },
    { step: 'build', name: 'unsignedBody', priority: 'low' },
  )
}

function checkEndpoint(endpoint: string): string {
  const protocol = URL.canParse(endpoint) ? new URL(endpoint).protocol : ''
  if (protocol === 'http:' || protocol === 'https:') return endpoint
  throw new SettingsError('the s3 endpoint must be a url such as http://127.0.0.1:9000', {
    facts: { 's3.endpoint': endpoint },
  })
}
