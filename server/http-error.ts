/**
 * Errors as HTTP answers in the form of the REST catalog: `{error: {message, type, code}}`.
 *
 * The status decides what a client does with its files. 409 means "not applied, rebase"; 503 means
 * "not applied, try again"; 500 means "may be applied, delete nothing" and is therefore the answer to
 * everything else (REST OpenAPI, "commit").
 */
import {
  AccessDeniedError,
  AlreadyExistsError,
  CommitFailedError,
  CommitStateUnknownError,
  LakeError,
  NotFoundError,
  UnavailableError,
  UnsupportedError,
  ValidationError,
} from '../common/index.ts'

export interface HttpError {
  readonly status: number
  readonly body: {
    readonly error: { readonly message: string; readonly type: string; readonly code: number }
  }
}

export function httpError(status: number, type: string, message: string): HttpError {
  return { status, body: { error: { message, type, code: status } } }
}

export function toHttpError(error: unknown): HttpError {
  if (error instanceof LakeError) return fromLakeError(error)
  // fastify's own refusals (body too large, wrong media type) carry their status.
  if (error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number') {
    const { statusCode: status } = error
    if (status >= 400 && status < 500)
      return httpError(status, 'BadRequestException', error.message)
  }
  // The message of an unexpected error may hold anything; it goes to the log, not to the client.
  return httpError(500, 'InternalServerError', 'internal error; it may have been applied')
}

function fromLakeError(error: LakeError): HttpError {
  const { message } = error
  if (error instanceof CommitFailedError) return httpError(409, 'CommitFailedException', message)
  if (error instanceof CommitStateUnknownError) {
    return httpError(500, 'CommitStateUnknownException', message)
  }
  if (error instanceof ValidationError) return httpError(400, 'BadRequestException', message)
  if (error instanceof UnsupportedError) {
    return httpError(400, 'UnsupportedOperationException', message)
  }
  if (error instanceof NotFoundError) {
    return httpError(404, missingType(error), message)
  }
  if (error instanceof AlreadyExistsError) return httpError(409, 'AlreadyExistsException', message)
  if (error instanceof UnavailableError) {
    return httpError(503, 'ServiceUnavailableException', message)
  }
  if (error instanceof AccessDeniedError) return httpError(403, 'ForbiddenException', message)
  return httpError(500, 'InternalServerError', message)
}

/** Clients distinguish a missing namespace from a missing table by the type. */
function missingType({ facts }: NotFoundError): string {
  if ('namespace' in facts) return 'NoSuchNamespaceException'
  return 'query_id' in facts ? 'NoSuchQueryException' : 'NoSuchTableException'
}
