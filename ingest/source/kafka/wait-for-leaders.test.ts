import { describe, expect, it } from 'vitest'
import { AccessDeniedError, NotFoundError } from '../../../common/index.ts'
import { InstantClock } from '../../../tests/support/instant-clock.ts'
import { type TopicMetadata, waitForLeaders } from './wait-for-leaders.ts'

const led: TopicMetadata = { partitions: [{ leader: 1, partitionErrorCode: 0 }] }

function answers(...results: readonly (TopicMetadata | Error | undefined)[]) {
  let asked = 0
  return {
    read: async () => {
      const result = results[Math.min(asked++, results.length - 1)]
      if (result instanceof Error) throw result
      return result
    },
    count: () => asked,
  }
}

describe('waitForLeaders()', () => {
  it('goes on while the broker does not have the topic, its partitions or a leader', async () => {
    const { read, count } = answers(
      new NotFoundError('no such topic'),
      undefined,
      { partitions: [] },
      { partitions: [led.partitions[0] as never, { leader: -1, partitionErrorCode: 5 }] },
      led,
    )
    await waitForLeaders('orders', read, new InstantClock())
    expect(count()).toBe(5)
  })

  it('names the topic when no leader comes, and throws other errors at once', async () => {
    const missing = answers(new NotFoundError('no such topic'))
    await expect(waitForLeaders('orders', missing.read, new InstantClock())).rejects.toThrow(
      /no leaders yet: topic=orders/,
    )
    const denied = answers(new AccessDeniedError('no right to describe'))
    await expect(waitForLeaders('orders', denied.read, new InstantClock())).rejects.toThrow(
      /no right to describe/,
    )
    expect(denied.count()).toBe(1)
  })
})
