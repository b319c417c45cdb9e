/**
 * Who may do what to the bucket: least rights for the three roles that touch it (shared rules,
 * security). Only the sweeper can delete, so that a mistake or a stolen key of an ingest worker
 * cannot destroy what is committed.
 */
import { ValidationError } from '../common/index.ts'

export const storeRoles = ['ingest', 'reader', 'sweeper'] as const
export type StoreRole = (typeof storeRoles)[number]

export interface PolicyScope {
  readonly bucket: string
  /** Keys that the role works on, without slashes at the ends; empty for the whole bucket. */
  readonly prefix: string
}

export interface PolicyStatement {
  readonly Sid: string
  readonly Effect: 'Allow'
  readonly Principal?: { readonly AWS: readonly string[] }
  readonly Action: readonly string[]
  readonly Resource: readonly string[]
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>
}

export interface PolicyDocument {
  readonly Version: '2012-10-17'
  readonly Statement: readonly PolicyStatement[]
}

const readActions = ['s3:GetObject']
const writeActions = ['s3:PutObject', 's3:AbortMultipartUpload', 's3:ListMultipartUploadParts']

const objectActions: Readonly<Record<StoreRole, readonly string[]>> = {
  ingest: [...readActions, ...writeActions],
  reader: readActions,
  // Expiring snapshots is a commit, so the sweeper writes too.
  sweeper: [...readActions, ...writeActions, 's3:DeleteObject'],
}

/** An identity policy: attach it to the user or role that the process runs as. */
export function rolePolicy(role: StoreRole, scope: PolicyScope): PolicyDocument {
  return { Version: '2012-10-17', Statement: statements(role, scope) }
}

/** A bucket policy: the same rights, granted by the bucket to principals (AWS). */
export function bucketPolicy(
  scope: PolicyScope,
  principals: Readonly<Partial<Record<StoreRole, readonly string[]>>>,
): PolicyDocument {
  const granted = storeRoles.flatMap((role) => {
    const names = principals[role] ?? []
    if (names.length === 0) return []
    return statements(role, scope).map((one) => ({ ...one, Principal: { AWS: names } }))
  })
  return { Version: '2012-10-17', Statement: granted }
}

function statements(role: StoreRole, scope: PolicyScope): PolicyStatement[] {
  const { bucket, prefix } = checkScope(scope)
  const bucketArn = `arn:aws:s3:::${bucket}`
  const name = role[0]?.toUpperCase() + role.slice(1)
  const list: PolicyStatement = {
    Sid: `Tidewater${name}List`,
    Effect: 'Allow',
    Action: ['s3:ListBucket'],
    Resource: [bucketArn],
  }
  return [
    prefix === ''
      ? list
      : { ...list, Condition: { StringLike: { 's3:prefix': [prefix, `${prefix}/*`] } } },
    {
      Sid: `Tidewater${name}Locate`,
      Effect: 'Allow',
      Action: ['s3:GetBucketLocation'],
      Resource: [bucketArn],
    },
    {
      Sid: `Tidewater${name}Objects`,
      Effect: 'Allow',
      Action: objectActions[role],
      Resource: [prefix === '' ? `${bucketArn}/*` : `${bucketArn}/${prefix}/*`],
    },
  ]
}

/** Characters that a policy would read as a pattern must not reach it (security.md, names). */
function checkScope(scope: PolicyScope): PolicyScope {
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(scope.bucket)) {
    throw new ValidationError('not a bucket name', { facts: { bucket: scope.bucket } })
  }
  if (/[*?$"'\\]|^\/|\/$|\/\/|(^|\/)\.\.?(\/|$)/.test(scope.prefix)) {
    throw new ValidationError('a prefix in a policy must be plain, without slashes at its ends', {
      facts: { prefix: scope.prefix },
    })
  }
  return scope
}
