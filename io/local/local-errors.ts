/** Turns errors of the file system into ours, by what the caller can do about them. */
import {
  AccessDeniedError,
  LakeError,
  NotFoundError,
  UnavailableError,
  UnsupportedError,
  ValidationError,
  errorMessage,
  hasCode,
} from '../../common/index.ts'

export function toLakeError(error: unknown, location: string): LakeError {
  if (error instanceof LakeError) return error
  const options = { facts: { location, reason: errorMessage(error) }, cause: error }
  if (hasCode(error, 'ENOENT', 'EISDIR')) return new NotFoundError('no such object', options)
  if (hasCode(error, 'EACCES', 'EPERM', 'EROFS')) {
    return new AccessDeniedError('the file system refused access', options)
  }
  if (hasCode(error, 'ENOTDIR', 'ENAMETOOLONG', 'EINVAL', 'ENOTEMPTY')) {
    return new ValidationError('this location cannot hold an object', options)
  }
  if (hasCode(error, 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EXDEV', 'EMLINK')) {
    return new UnsupportedError(
      'the file system lacks hard links, which conditional writes need; use a local disk or s3',
      options,
    )
  }
  return new UnavailableError('the file system failed', options)
}

/** Runs a step, naming the location in whatever it throws. */
export async function withLocation<T>(location: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (error) {
    throw toLakeError(error, location)
  }
}
