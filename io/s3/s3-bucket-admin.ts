/** Requests about a bucket itself, for `minio` and `tide init`; data goes through FileIO. */
import {
  CreateBucketCommand,
  DeleteBucketPolicyCommand,
  GetBucketPolicyCommand,
  GetBucketVersioningCommand,
  HeadBucketCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
} from '@aws-sdk/client-s3'
import { failureOf, toLakeError } from './s3-errors.ts'
import { type S3Clients, type S3Options, makeClients } from './s3-options.ts'

export interface BucketAdmin {
  exists(bucket: string): Promise<boolean>
  /** False when the bucket was there already and is ours. */
  create(bucket: string): Promise<boolean>
  policy(bucket: string): Promise<string | undefined>
  setPolicy(bucket: string, policy: string | undefined): Promise<void>
  isVersioned(bucket: string): Promise<boolean>
  enableVersioning(bucket: string): Promise<void>
  close(): Promise<void>
}

export class S3BucketAdmin implements BucketAdmin {
  readonly #clients: S3Clients
  readonly #region: string | undefined

  constructor(options: S3Options = {}) {
    this.#clients = makeClients(options)
    this.#region = options.region
  }

  async exists(bucket: string): Promise<boolean> {
    try {
      await this.#clients.bulk.send(new HeadBucketCommand({ Bucket: bucket }))
      return true
    } catch (error) {
      if (failureOf(error).status === 404) return false
      throw toLakeError(error, { operation: 'head bucket', bucket })
    }
  }

  async create(bucket: string): Promise<boolean> {
    // us-east-1 is the one region that S3 does not accept by name here.
    const isElsewhere = this.#region !== undefined && this.#region !== 'us-east-1'
    const place = { LocationConstraint: this.#region as 'eu-west-1' }
    const command = new CreateBucketCommand({
      Bucket: bucket,
      ...(isElsewhere ? { CreateBucketConfiguration: place } : {}),
    })
    try {
      await this.#clients.bulk.send(command)
      return true
    } catch (error) {
      if (failureOf(error).code === 'BucketAlreadyOwnedByYou') return false
      throw toLakeError(error, { operation: 'create bucket', bucket })
    }
  }

  async policy(bucket: string): Promise<string | undefined> {
    try {
      const response = await this.#clients.bulk.send(new GetBucketPolicyCommand({ Bucket: bucket }))
      return response.Policy
    } catch (error) {
      if (failureOf(error).code === 'NoSuchBucketPolicy') return undefined
      throw toLakeError(error, { operation: 'get bucket policy', bucket })
    }
  }

  async setPolicy(bucket: string, policy: string | undefined): Promise<void> {
    const { bulk } = this.#clients
    try {
      if (policy === undefined) await bulk.send(new DeleteBucketPolicyCommand({ Bucket: bucket }))
      else await bulk.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: policy }))
    } catch (error) {
      throw toLakeError(error, { operation: 'set bucket policy', bucket })
    }
  }

  async isVersioned(bucket: string): Promise<boolean> {
    try {
      const command = new GetBucketVersioningCommand({ Bucket: bucket })
      return (await this.#clients.bulk.send(command)).Status === 'Enabled'
    } catch (error) {
      throw toLakeError(error, { operation: 'get versioning', bucket })
    }
  }

  async enableVersioning(bucket: string): Promise<void> {
    const VersioningConfiguration = { Status: 'Enabled' } as const
    try {
      await this.#clients.bulk.send(
        new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration }),
      )
    } catch (error) {
      throw toLakeError(error, { operation: 'set versioning', bucket })
    }
  }

  async close(): Promise<void> {
    this.#clients.bulk.destroy()
    this.#clients.conditional.destroy()
  }
}
