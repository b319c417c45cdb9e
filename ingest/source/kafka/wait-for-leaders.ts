/**
 * Waits until records can be sent to a new topic. The controller answers that it has created the topic; the
 * broker that is asked for its partitions may learn of the topic later, and of their leaders later still
 * (KRaft). kafkajs waits for leaders only, and fails when the topic is not there yet.
 */
import { type Clock, NotFoundError, UnavailableError } from '../../../common/index.ts'

/** The part of kafkajs's topic metadata that is read here. */
export interface TopicMetadata {
  readonly partitions: readonly { readonly leader: number; readonly partitionErrorCode: number }[]
}

const waitMsMax = 30_000
const pollMs = 50

/** Throws UnavailableError when the topic has no leaders in time, and what else `read` throws. */
export async function waitForLeaders(
  topic: string,
  read: () => Promise<TopicMetadata | undefined>,
  clock: Clock,
): Promise<void> {
  const startedMs = clock.monotonic()
  while (!hasLeaders(await read().catch(unlessMissing))) {
    if (clock.monotonic() - startedMs >= waitMsMax) {
      throw new UnavailableError('the topic was created, but its partitions have no leaders yet', {
        facts: { topic, waitedMs: waitMsMax },
      })
    }
    await clock.sleep(pollMs)
  }
}

function hasLeaders(metadata: TopicMetadata | undefined): boolean {
  if (metadata === undefined || metadata.partitions.length === 0) return false
  return metadata.partitions.every(
    ({ leader, partitionErrorCode }) => leader >= 0 && partitionErrorCode === 0,
  )
}

function unlessMissing(error: unknown): undefined {
  if (error instanceof NotFoundError) return undefined
  throw error
}
