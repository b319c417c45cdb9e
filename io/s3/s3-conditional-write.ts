/**
 * One conditional PUT and what its answer means: won, lost, or unknown.
 *
 * It is sent once. Only 409, with which S3 says that it did not apply the request because another
 * one was under way, is answered by the same request again, a few times.
 */
import type { PutObjectCommandInput, PutObjectCommandOutput } from '@aws-sdk/client-s3'
import { UnavailableError } from '../../common/index.ts'
import type { WriteCondition, WriteResult } from '../file-io.ts'
import {
  type S3Failure,
  failureOf,
  isConditionalConflict,
  isMissingKey,
  isPreconditionFailed,
  toLakeError,
} from './s3-errors.ts'
import type { S3Location } from './s3-location.ts'

const conflictResendsMax = 5

export interface ConditionalWrite {
  readonly target: S3Location
  readonly location: string
  readonly body: Uint8Array
  readonly condition: WriteCondition
  /** Sends without any repetition of its own. */
  readonly send: (input: PutObjectCommandInput) => Promise<PutObjectCommandOutput>
  readonly pause: (resent: number) => Promise<void>
}

export async function writeIf(write: ConditionalWrite): Promise<WriteResult> {
  const { target, location, condition } = write
  const input = {
    Bucket: target.bucket,
    Key: target.key,
    Body: write.body,
    ...(condition.kind === 'if-absent' ? { IfNoneMatch: '*' } : { IfMatch: condition.etag }),
  }
  for (let resent = 0; ; resent++) {
    try {
      return written((await write.send(input)).ETag, location)
    } catch (error) {
      const failure = failureOf(error)
      const lost = lostCondition(failure, condition)
      if (lost !== undefined && resent === 0) return lost
      if (lost !== undefined) {
        // What the first copy did is not known for certain, so the loss may be to ourselves.
        throw new UnavailableError('the outcome of the conditional write is unknown', {
          facts: { location, resent },
          cause: error,
        })
      }
      if (!isConditionalConflict(failure) || resent >= conflictResendsMax) {
        throw toLakeError(error, { operation: 'write', bucket: target.bucket, location })
      }
      await write.pause(resent)
    }
  }
}

function lostCondition(failure: S3Failure, condition: WriteCondition): WriteResult | undefined {
  if (isPreconditionFailed(failure)) {
    return { ok: false, reason: condition.kind === 'if-absent' ? 'exists' : 'changed' }
  }
  if (condition.kind === 'if-match' && isMissingKey(failure)) {
    return { ok: false, reason: 'changed' }
  }
  return undefined
}

/** A success without an ETag is an answer that S3 does not give: who knows what sent it. */
export function written(etag: string | undefined, location: string): WriteResult {
  if (etag !== undefined) return { ok: true, etag }
  throw new UnavailableError('the store confirmed a write without an etag', { facts: { location } })
}
