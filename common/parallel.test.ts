import { expect, test } from 'vitest'
import { nextTurn } from './clock.ts'
import { mapLimited } from './parallel.ts'

/** Calls that end when the test says so. */
class Gates {
  readonly #resolvers = new Map<number, { open: () => void; fail: (error: Error) => void }>()
  readonly started: number[] = []

  readonly call = (item: number): Promise<string> => {
    this.started.push(item)
    return new Promise((resolve, reject) => {
      this.#resolvers.set(item, { open: () => resolve(`r${item}`), fail: reject })
    })
  }

  async open(item: number): Promise<void> {
    this.#resolvers.get(item)?.open()
    await nextTurn()
  }

  async fail(item: number, message: string): Promise<void> {
    this.#resolvers.get(item)?.fail(new Error(message))
    await nextTurn()
  }
}

const items = [0, 1, 2, 3, 4, 5]

test('results stand in the order of the items, whatever ends first', async () => {
  const gates = new Gates()
  const mapped = mapLimited([0, 1, 2], gates.call)
  for (const item of [2, 0, 1]) await gates.open(item)
  expect(await mapped).toEqual(['r0', 'r1', 'r2'])
})

test('no more calls than the limit are under way', async () => {
  const gates = new Gates()
  const mapped = mapLimited(items, gates.call, { limit: 2 })
  expect(gates.started).toEqual([0, 1])
  await gates.open(1)
  expect(gates.started).toEqual([0, 1, 2])
  for (const item of [0, 2, 3, 4, 5]) await gates.open(item)
  expect(await mapped).toHaveLength(6)
})

test('calls under way weigh no more together than allowed, but one alone may', async () => {
  const gates = new Gates()
  const mapped = mapLimited([3, 4, 9, 1, 2], gates.call, {
    limit: 4,
    weight: (item) => item,
    weightMax: 7,
  })
  expect(gates.started).toEqual([3, 4])
  await gates.open(4)
  expect(gates.started).toEqual([3, 4])
  await gates.open(3)
  expect(gates.started).toEqual([3, 4, 9])
  await gates.open(9)
  expect(gates.started).toEqual([3, 4, 9, 1, 2])
  for (const item of [1, 2]) await gates.open(item)
  expect(await mapped).toEqual(['r3', 'r4', 'r9', 'r1', 'r2'])
})

test('a failure begins no call that waited for room', async () => {
  const gates = new Gates()
  const mapped = mapLimited([5, 6], gates.call, { weight: (item) => item, weightMax: 7 })
  const failed = expect(mapped).rejects.toThrow('first')
  await gates.fail(5, 'first')
  await failed
  expect(gates.started).toEqual([5])
})

test('a failure begins no further call and is thrown when the calls under way have ended', async () => {
  const gates = new Gates()
  let outcome: unknown
  const mapped = mapLimited(items, gates.call, { limit: 3 }).catch((error: unknown) => {
    outcome = error
  })
  await gates.fail(1, 'first')
  await gates.open(0)
  expect(outcome).toBeUndefined()
  await gates.fail(2, 'second')
  await mapped
  expect(outcome).toEqual(new Error('first'))
  expect(gates.started).toEqual([0, 1, 2])
})

test('a call that throws at once is a failure like another', async () => {
  const thrown = mapLimited(items, () => {
    throw new Error('at once')
  })
  await expect(thrown).rejects.toThrow('at once')
})

test('an abort begins no further call and throws its reason', async () => {
  const gates = new Gates()
  const stopping = new AbortController()
  let outcome: unknown
  const mapped = mapLimited(items, gates.call, { limit: 2, signal: stopping.signal }).catch(
    (error: unknown) => {
      outcome = error
    },
  )
  stopping.abort(new Error('stopped'))
  await gates.open(0)
  expect(outcome).toBeUndefined()
  await gates.open(1)
  await mapped
  expect(outcome).toEqual(new Error('stopped'))
  expect(gates.started).toEqual([0, 1])
})

test('an abort after the last call has begun changes nothing', async () => {
  const gates = new Gates()
  const stopping = new AbortController()
  const mapped = mapLimited([0], gates.call, { signal: stopping.signal })
  stopping.abort()
  await gates.open(0)
  expect(await mapped).toEqual(['r0'])
})

test('nothing to do is done', async () => {
  expect(await mapLimited([], () => Promise.reject(new Error('never')))).toEqual([])
})
