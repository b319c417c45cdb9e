/**
 * What went wrong, by error *code* first: a status alone cannot tell a missing key from a missing
 * bucket or a lost condition from a gateway's refusal, and stores have sent codes under odd statuses.
 */
import {
  AccessDeniedError,
  CorruptDataError,
  LakeError,
  NotFoundError,
  SettingsError,
  UnavailableError,
  UnsupportedError,
  ValidationError,
  errorMessage,
} from '../../common/index.ts'

export interface S3Failure {
  /** The S3 error code, a Node error code, or '' when the answer had neither. */
  readonly code: string
  /** HTTP status; undefined when there was no answer. */
  readonly status: number | undefined
}

export interface S3Subject {
  readonly operation: string
  readonly bucket: string
  readonly location?: string
}

/** Names that the SDK uses when the body of an error held no code. */
const namesWithoutCode = new Set(['Error', 'UnknownError', 'Unknown', 'SyntaxError', ''])

const accessCodes = new Set([
  'AccessDenied',
  'AllAccessDisabled',
  'AccountProblem',
  'CredentialsProviderError',
  'ExpiredToken',
  'ExpiredTokenException',
  'Forbidden',
  'InvalidAccessKeyId',
  'InvalidToken',
  'InvalidTokenId',
  'RequestTimeTooSkewed',
  'SignatureDoesNotMatch',
  'TokenRefreshRequired',
  'UnauthorizedAccess',
])

const accessHints: Readonly<Record<string, string>> = {
  AccessDenied: 'these keys lack the right for it',
  CredentialsProviderError: 'no s3 keys were found: set s3.access-key-id and s3.secret-access-key',
  InvalidAccessKeyId: 'the store does not know this access key id',
  RequestTimeTooSkewed: 'the clock of this machine is wrong',
  SignatureDoesNotMatch: 'the secret access key is wrong',
}

const inputCodes = new Set([
  'EntityTooLarge',
  'InvalidArgument',
  'InvalidBucketName',
  'InvalidObjectName',
  'InvalidRange',
  'InvalidRequest',
  'KeyTooLongError',
  'MalformedPolicy',
  'MetadataTooLarge',
  'XMinioInvalidObjectName',
])

export function failureOf(error: unknown): S3Failure {
  const fields = error as {
    name?: string
    code?: string
    Code?: string
    $metadata?: { httpStatusCode?: number }
    $response?: { statusCode?: number }
  }
  const status = fields.$metadata?.httpStatusCode ?? fields.$response?.statusCode
  const name = fields.name ?? ''
  const code = namesWithoutCode.has(name) ? (fields.Code ?? fields.code ?? '') : name
  return { code, status }
}

/** A lost condition: the code says so, or a 412 that names no other cause. */
export function isPreconditionFailed({ code, status }: S3Failure): boolean {
  return code === 'PreconditionFailed' || (status === 412 && (code === '' || code === '412'))
}

/** Another conditional write was under way and ours was not applied: the same request again. */
export function isConditionalConflict({ code, status }: S3Failure): boolean {
  return status === 409 && (code === 'ConditionalRequestConflict' || code === 'OperationAborted')
}

export function isMissingKey({ code, status }: S3Failure): boolean {
  return code === 'NoSuchKey' || (status === 404 && (code === 'NotFound' || code === ''))
}

export function toLakeError(error: unknown, subject: S3Subject): LakeError {
  if (error instanceof LakeError) return error
  const failure = failureOf(error)
  const { code, status } = failure
  const facts = {
    operation: subject.operation,
    location: subject.location ?? `s3://${subject.bucket}`,
    status,
    code: code === '' ? undefined : code,
    reason: errorMessage(error),
  }
  const options = { facts, cause: error }
  if (code === 'NoSuchBucket') return missingBucket(subject.bucket, error)
  if (isMissingKey(failure)) return new NotFoundError('no such object', options)
  if (accessCodes.has(code) || status === 401 || status === 403) {
    const hint = accessHints[code] ?? 'check the keys and their policy'
    return new AccessDeniedError(`the store refused access, ${hint}`, options)
  }
  if (code === 'PermanentRedirect' || code === 'AuthorizationHeaderMalformed') {
    return new SettingsError('the bucket lies in another region: set s3.region', options)
  }
  if (/region is missing/i.test(errorMessage(error))) {
    return new SettingsError('no region is known: set s3.region or AWS_REGION', options)
  }
  if (code === 'NotImplemented') {
    return new UnsupportedError('the store does not know this request', options)
  }
  if (inputCodes.has(code)) return new ValidationError('the store refused the request', options)
  if (/checksum mismatch/i.test(errorMessage(error))) {
    return new CorruptDataError('the stored bytes do not match their checksum', options)
  }
  return new UnavailableError('the store did not answer properly', options)
}

export function missingBucket(bucket: string, cause?: unknown): NotFoundError {
  return new NotFoundError(
    'no such bucket: create it (tide doctor --create-bucket does) or correct the warehouse',
    {
      facts: { bucket },
      cause,
    },
  )
}
