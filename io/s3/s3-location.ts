/** `s3://bucket/key`, and `s3a://` and `s3n://` as other engines write it, taken apart. */
import { ValidationError } from '../../common/index.ts'
import { parseLocation } from '../location.ts'

export interface S3Location {
  readonly scheme: string
  readonly bucket: string
  readonly key: string
}

export const s3Schemes: readonly string[] = ['s3', 's3a', 's3n']

/** The location of an object. */
export function s3Object(location: string): S3Location {
  const parsed = s3Prefix(location)
  if (parsed.key === '' || parsed.key.endsWith('/')) {
    throw new ValidationError('expected s3://bucket/key', { facts: { location } })
  }
  return parsed
}

/** The start of locations; the key may be empty. */
export function s3Prefix(location: string): S3Location {
  const { scheme, authority, path } = parseLocation(location)
  if (!s3Schemes.includes(scheme) || authority === '') {
    throw new ValidationError('expected s3://bucket/key', { facts: { location } })
  }
  // Proxies and clients collapse such segments, so two names would meet in one object.
  if (path.split('/').some((segment) => segment === '.' || segment === '..')) {
    throw new ValidationError('a location must not hold . or .. segments', { facts: { location } })
  }
  return { scheme, bucket: authority, key: path }
}
