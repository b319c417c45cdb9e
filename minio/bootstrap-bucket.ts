/**
 * Stands a bucket up for a warehouse: creates it when it is missing, turns versioning on when asked,
 * and grants the roles their rights where the S3 API can. Everything may be run again.
 */
import { AccessDeniedError, UnsupportedError, ValidationError } from '../common/index.ts'
import type { BucketAdmin } from '../io/index.ts'
import {
  type PolicyScope,
  type StoreRole,
  bucketPolicy,
  rolePolicy,
  storeRoles,
} from './policies.ts'

export interface BootstrapOptions extends PolicyScope {
  /** Keeps old versions, so that a bad sweep can be undone. */
  readonly versioning?: boolean
  /** ARNs that get a role's rights by bucket policy. MinIO grants by user instead: see `policies`. */
  readonly principals?: Readonly<Partial<Record<StoreRole, readonly string[]>>>
}

export interface BootstrapStep {
  readonly name: 'bucket' | 'versioning' | 'policy'
  readonly outcome: 'done' | 'already' | 'refused'
  readonly detail: string
}

export interface BootstrapReport {
  readonly steps: readonly BootstrapStep[]
  /** File name and JSON text of each role's policy, for `mc admin policy create` or IAM. */
  readonly policies: readonly { readonly role: StoreRole; readonly json: string }[]
}

export async function bootstrapBucket(
  admin: BucketAdmin,
  options: BootstrapOptions,
): Promise<BootstrapReport> {
  // Made first: a scope that no policy can hold is refused before anything is created.
  const policies = storeRoles.map((role) => ({
    role,
    json: JSON.stringify(rolePolicy(role, options), undefined, 2),
  }))
  const steps: BootstrapStep[] = [await createBucket(admin, options.bucket)]
  if (options.versioning === true) steps.push(await enableVersioning(admin, options.bucket))
  if (options.principals !== undefined) steps.push(await grant(admin, options, options.principals))
  return { steps, policies }
}

async function createBucket(admin: BucketAdmin, bucket: string): Promise<BootstrapStep> {
  const name = 'bucket'
  if (await admin.exists(bucket)) return { name, outcome: 'already', detail: `${bucket} exists` }
  const created = await admin.create(bucket)
  return created
    ? { name, outcome: 'done', detail: `created ${bucket}` }
    : { name, outcome: 'already', detail: `${bucket} exists` }
}

async function enableVersioning(admin: BucketAdmin, bucket: string): Promise<BootstrapStep> {
  const name = 'versioning'
  if (await admin.isVersioned(bucket)) {
    return { name, outcome: 'already', detail: 'versioning is on' }
  }
  return orRefused(name, async () => {
    await admin.enableVersioning(bucket)
    return { name, outcome: 'done', detail: 'versioning turned on' }
  })
}

async function grant(
  admin: BucketAdmin,
  scope: PolicyScope,
  principals: NonNullable<BootstrapOptions['principals']>,
): Promise<BootstrapStep> {
  const name = 'policy'
  const expected = bucketPolicy(scope, principals)
  const existing = await admin.policy(scope.bucket)
  if (existing !== undefined) {
    // Statements that another tool or person wrote are kept; merging policies is left to people.
    const isSame = JSON.stringify(JSON.parse(existing)) === JSON.stringify(expected)
    return isSame
      ? { name, outcome: 'already', detail: 'the bucket policy is in place' }
      : { name, outcome: 'refused', detail: 'the bucket has another policy: merge it by hand' }
  }
  return orRefused(name, async () => {
    await admin.setPolicy(scope.bucket, JSON.stringify(expected))
    return { name, outcome: 'done', detail: 'granted by bucket policy' }
  })
}

/** A step that the store does not offer or forbids is reported, and does not stop the others. */
async function orRefused(
  name: BootstrapStep['name'],
  step: () => Promise<BootstrapStep>,
): Promise<BootstrapStep> {
  try {
    return await step()
  } catch (error) {
    const isRefusal =
      error instanceof AccessDeniedError ||
      error instanceof UnsupportedError ||
      error instanceof ValidationError
    if (!isRefusal) throw error
    return { name, outcome: 'refused', detail: error.message }
  }
}
